"""What a case of the conformance suite is: a layer or a loss, and what it is fed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw import layers as L
from unifw import losses
from unifw.initializers import Constant
from unifw.spec.graph import Graph, Input
from unifw.spec.initializers import random_state
from unifw.spec.layers import Layer
from unifw.spec.symbol import Symbol

__all__ = ["IMAGE", "ROWS", "SERIES", "VOLUME", "LayerCase", "LossCase", "unary"]

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]

# Rows in every batch of the small cases; not a divisor of anything.
ROWS = 5
# The kinds of values that are whole numbers, and have no gradient.
WHOLE = ("indices", "lengths", "mask")


@dataclass(frozen=True)
class LayerCase:
    """One layer on inputs of these shapes.

    Attributes
    ----------
    name : str
        What the test is called.
    layer : Layer
        The layer.
    shapes : tuple of shapes
        Of its inputs, without the batch axis.
    values : str, or one for each input
        What the inputs hold. ``"normal"`` numbers; ``"large"``, a hundred times them; ``"low"``, far
        below 0; ``"broad"``, from -8 to 8; ``"positive"``, from 1/2 to 2; ``"ties"`` and ``"wide"``, few
        different ones (as in real images: -2 … 2, -7 … 7); ``"zeros"``, exact ones among normal numbers.
        Whole numbers: ``"indices"`` below 7; ``"lengths"`` up to that of the first input (all of it, 1 and
        0 among them); ``"mask"``, ones and zeros.
    """

    name: str
    layer: Layer
    shapes: tuple[Shape, ...]
    values: str | tuple[str, ...] = "normal"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each input holds."""
        one = isinstance(self.values, str)
        return (self.values,) * len(self.shapes) if one else self.values  # type: ignore[return-value]

    @property
    def is_probed(self) -> bool:
        """Whether any input has a gradient."""
        return not all(kind in WHOLE for kind in self.kinds)

    @cached_property
    def graph(self) -> Graph:
        """The layer alone in a net."""
        inputs = [Input(s, _dtype(kind)) for s, kind in zip(self.shapes, self.kinds, strict=True)]
        return Graph(inputs, self.layer(*inputs), self.name)

    @cached_property
    def probed(self) -> Graph:
        """The layer with a probe before each input, whose weights' gradient is that of the input.

        A probe adds a table of zeros, looked up by position, so the input's values stay exactly what
        they are (ties stay ties), and each row and position has a weight of its own.
        """
        if not self.is_probed:
            return self.graph
        inputs, probed = [], []
        for number, (shape, kind) in enumerate(zip(self.shapes, self.kinds, strict=True)):
            x, at = Input(shape, _dtype(kind)), Input(shape, "int")
            inputs += [x] if kind in WHOLE else [x, at]
            seen = x if kind in WHOLE else L.Add()(x, _probe(f"probe_{number}", shape)(at))
            probed.append(seen)
        return Graph(inputs, self.layer(*probed), self.name)

    def inputs(self) -> tuple[Array, ...]:
        """Return ROWS rows for each input."""
        return tuple(
            lengths_of(self.shapes[0][0], shape)
            if kind == "lengths"
            else drawn(kind, shape, self.name, i)
            for i, (shape, kind) in enumerate(zip(self.shapes, self.kinds, strict=True))
        )

    def probed_inputs(self) -> tuple[Array, ...]:
        """Return the inputs, each followed by the positions for its probe."""
        return tuple(
            array
            for x, kind in zip(self.inputs(), self.kinds, strict=True)
            for array in ((x,) if kind in WHOLE else (x, _positions(x.shape)))
        )


@dataclass(frozen=True)
class LossCase:
    """One loss on outputs of this shape and given targets.

    Attributes
    ----------
    name : str
        What the test is called.
    loss : Loss
        The loss.
    shape : tuple of int
        Of the outputs, without the batch axis.
    targets : str
        A key of ``TARGETS``, or the dtype of class numbers.
    scale : float
        What the outputs are multiplied by.
    values : {"normal", "rates", "halves"}
        What the outputs hold: normal numbers, positive ones with a zero among them, or few different ones,
        all multiples of a half, which hit kinks exactly.
    """

    name: str
    loss: losses.Loss
    shape: Shape
    targets: str = "normal"
    scale: float = 1.0
    values: str = "normal"

    @cached_property
    def graph(self) -> Graph:
        """A net whose output is its input, with a probe that holds the gradient of the output."""
        x, at = Input(self.shape), Input(self.shape, "int")
        return Graph([x, at], L.Add()(x, _probe("probe", self.shape)(at)), self.name)

    @property
    def is_smooth(self) -> bool:
        """Whether slopes around the outputs say what the gradient is: no large steps, no kinks hit."""
        return self.scale == 1.0 and self.values != "halves" and self.targets != "equal"

    def inputs(self) -> tuple[Array, ...]:
        """Return the outputs that are judged, and the positions for the probe."""
        x = random_state("loss", self.name).standard_normal((ROWS, *self.shape)) * self.scale
        if self.values == "rates":
            x = np.abs(x) + 0.1
        if self.values == "halves":
            x = np.round(x * 2) / 2
        return x.astype(np.float32), _positions(x.shape)

    def target(self) -> Any:
        """Return the targets."""
        draw = random_state("target", self.name)
        if self.targets in TARGETS:
            return TARGETS[self.targets](self, draw)
        return _class_numbers(self, draw).astype(self.targets)


def _half_right(case: LossCase, draw: Any) -> Any:
    x = case.inputs()[0].reshape(-1).copy()
    x[::2] = draw.standard_normal(x[::2].size)
    return x.reshape(ROWS, *case.shape)


def _normal(case: LossCase, draw: Any) -> Any:
    return draw.standard_normal((ROWS, *case.shape)).astype(np.float32)


def _shares(case: LossCase, draw: Any) -> Any:
    return draw.random_sample((ROWS, *case.shape)).astype(np.float32)


def _counts(case: LossCase, draw: Any) -> Any:
    return draw.randint(0, 4, (ROWS, *case.shape)).astype(np.float32)


def _bits(case: LossCase, draw: Any) -> Any:
    return draw.randint(0, 2, (ROWS, *case.shape)).astype(np.float32)


def _signs(case: LossCase, draw: Any) -> Any:
    return _bits(case, draw) * 2 - 1


def _probabilities(case: LossCase, draw: Any) -> Any:
    values = draw.random_sample((ROWS, *case.shape)) + 0.1
    return (values / values.sum(axis=case.loss.axis, keepdims=True)).astype(np.float32)


def _class_numbers(case: LossCase, draw: Any) -> Any:
    rest = [ROWS, *case.shape]
    classes = rest.pop(case.loss.axis)
    return draw.randint(0, classes, rest)


def _one_hot(case: LossCase, draw: Any) -> Any:
    numbers = np.expand_dims(_class_numbers(case, draw), case.loss.axis)
    found = np.zeros((ROWS, *case.shape), dtype=np.float32)
    np.put_along_axis(found, numbers, 1, axis=case.loss.axis)
    return found


def _none(case: LossCase, draw: Any) -> Any:
    del case, draw
    return np.zeros(ROWS, dtype=np.float32)


def _labels(case: LossCase, draw: Any) -> Any:
    """Return rows of three labels down to none; the first one repeats itself."""
    names = [label for label in range(case.shape[-1]) if label != case.loss.blank]  # type: ignore[attr-defined]
    found = draw.choice(names, (ROWS, 3))
    found[0] = names[1]
    for row in range(1, ROWS):
        found[row, 4 - row :] = -1
    return found


def _label(case: LossCase, draw: Any) -> Any:
    return _labels(case, draw)[:, :1]


# "equal": half of the outputs are exactly right.
TARGETS: Mapping[str, Callable[[LossCase, Any], Any]] = MappingProxyType(
    {
        "equal": _half_right,
        "normal": _normal,
        "shares": _shares,
        "counts": _counts,
        "bits": _bits,
        "signs": _signs,
        "probabilities": _probabilities,
        "one-hot": _one_hot,
        "none": _none,
        "labels": _labels,
        "label": _label,
    }
)


def _probe(name: str, shape: Shape) -> Layer | _Chain:
    table = L.Embedding(ROWS * prod(shape), 1, weight_init=Constant(0.0), name=name)
    return _Chain((table, L.Reshape(shape)))


@dataclass(frozen=True)
class _Chain:
    layers: tuple[Layer, ...]

    def __call__(self, symbol: Symbol) -> Symbol:
        for layer in self.layers:
            symbol = layer(symbol)
        return symbol


def _positions(shape: Shape) -> Array:
    return np.arange(prod(shape), dtype=np.int64).reshape(shape)


def _dtype(kind: str) -> str:
    return "int" if kind in WHOLE else "float"


def lengths_of(time: int, shape: Shape) -> Array:
    """Return lengths of ROWS series: all of it, 1, in between, none, and one less than all."""
    lengths = np.array([time, 1, (time + 1) // 2, 0, time - 1], dtype=np.int64)
    return lengths.reshape(ROWS, *shape)


def _with_zeros(draw: np.random.RandomState, size: Shape) -> Any:
    x = draw.standard_normal(size).astype(np.float32)
    x[draw.random_sample(size) < 0.3] = 0
    return x


DRAWN: Mapping[str, Callable[[np.random.RandomState, Shape], Any]] = MappingProxyType(
    {
        "normal": lambda draw, size: draw.standard_normal(size),
        "large": lambda draw, size: draw.standard_normal(size) * 100,
        "low": lambda draw, size: draw.standard_normal(size) - 300,
        "broad": lambda draw, size: draw.uniform(-8, 8, size),
        "positive": lambda draw, size: draw.uniform(0.5, 2, size),
        "wide": lambda draw, size: draw.randint(-7, 8, size),
        "ties": lambda draw, size: draw.randint(-2, 3, size),
        "zeros": _with_zeros,
        "indices": lambda draw, size: draw.randint(0, 7, size),
        "mask": lambda draw, size: draw.random_sample(size) < 0.6,
    }
)


def drawn(values: str, shape: Shape, *key: object) -> Array:
    """Return ROWS rows of what ``values`` names; fixed by the key."""
    made = DRAWN[values](random_state("case", *key), (ROWS, *shape))
    return np.asarray(made, dtype=np.int64 if values in WHOLE else np.float32)


def unary(name: str, layer: Layer, shape: Shape, values: str = "normal") -> LayerCase:
    """Return the case of a layer with one input."""
    return LayerCase(name, layer, (shape,), values)


IMAGE = (4, 7, 6)
SERIES = (4, 11)
VOLUME = (2, 4, 5, 3)
