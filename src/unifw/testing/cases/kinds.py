"""What a case of the conformance suite is: a layer or a loss, and what it is fed with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
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

__all__ = ["IMAGE", "ROWS", "SERIES", "LayerCase", "LossCase", "unary"]

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]

# Rows in every batch of the small cases; not a divisor of anything.
ROWS = 5


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
    values : {"normal", "large", "ties", "wide", "zeros", "positive", "indices"}
        What the inputs hold: normal numbers, a hundred times them, few different ones (as in real
        images: -2 … 2, or -7 … 7), normal numbers with exact zeros among them, numbers from 1/2 to
        2, or indices below 7.
    """

    name: str
    layer: Layer
    shapes: tuple[Shape, ...]
    values: str = "normal"

    @cached_property
    def graph(self) -> Graph:
        """The layer alone in a net."""
        dtype = "int" if self.values == "indices" else "float"
        inputs = [Input(shape, dtype) for shape in self.shapes]
        return Graph(inputs, self.layer(*inputs), self.name)

    @cached_property
    def probed(self) -> Graph:
        """The layer with a probe before each input, whose weights' gradient is that of the input.

        A probe adds a table of zeros, looked up by position, so the input's values stay exactly what
        they are (ties stay ties), and each row and position has a weight of its own.
        """
        if self.values == "indices":
            return self.graph
        inputs, probed = [], []
        for number, shape in enumerate(self.shapes):
            x, at = Input(shape), Input(shape, "int")
            inputs += [x, at]
            probed.append(L.Add()(x, _probe(f"probe_{number}", shape)(at)))
        return Graph(inputs, self.layer(*probed), self.name)

    def inputs(self) -> tuple[Array, ...]:
        """Return ROWS rows for each input."""
        return tuple(drawn(self.values, shape, self.name, i) for i, shape in enumerate(self.shapes))

    def probed_inputs(self) -> tuple[Array, ...]:
        """Return the inputs, each followed by the positions for its probe."""
        if self.values == "indices":
            return self.inputs()
        return tuple(array for x in self.inputs() for array in (x, _positions(x.shape)))


@dataclass(frozen=True)
class LossCase:
    """One loss on outputs of this shape and given targets."""

    name: str
    loss: losses.Loss
    shape: Shape
    targets: str = "normal"
    scale: float = 1.0

    @cached_property
    def graph(self) -> Graph:
        """A net whose output is its input, with a probe that holds the gradient of the output."""
        x, at = Input(self.shape), Input(self.shape, "int")
        return Graph([x, at], L.Add()(x, _probe("probe", self.shape)(at)), self.name)

    def inputs(self) -> tuple[Array, ...]:
        """Return the outputs that are judged, and the positions for the probe."""
        x = random_state("loss", self.name).standard_normal((ROWS, *self.shape)) * self.scale
        return x.astype(np.float32), _positions(x.shape)

    def target(self) -> Any:
        """Return the targets."""
        draw = random_state("target", self.name)
        if self.targets == "equal":  # half of the outputs are exactly right
            x = self.inputs()[0].reshape(-1).copy()
            x[::2] = draw.standard_normal(x[::2].size)
            return x.reshape(ROWS, *self.shape)
        if self.targets == "normal":
            return draw.standard_normal((ROWS, *self.shape)).astype(np.float32)
        if self.targets == "shares":
            return draw.random_sample((ROWS, *self.shape)).astype(np.float32)
        axis = getattr(self.loss, "axis", 1)
        classes = (ROWS, *self.shape)[axis]
        if self.targets == "probabilities":
            values = draw.random_sample((ROWS, *self.shape)) + 0.1
            return (values / values.sum(axis=axis, keepdims=True)).astype(np.float32)
        rest = [ROWS, *self.shape]
        del rest[axis]
        return draw.randint(0, classes, rest).astype(self.targets)


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


def drawn(values: str, shape: Shape, *key: object) -> Array:
    draw = random_state("case", *key)
    size = (ROWS, *shape)
    if values == "indices":
        return draw.randint(0, 7, size).astype(np.int64)
    if values == "large":
        return (draw.standard_normal(size) * 100).astype(np.float32)
    if values == "positive":
        return draw.uniform(0.5, 2, size).astype(np.float32)
    if values == "wide":
        return draw.randint(-7, 8, size).astype(np.float32)
    if values == "ties":
        return draw.randint(-2, 3, size).astype(np.float32)
    x = draw.standard_normal(size).astype(np.float32)
    if values == "zeros":
        x[draw.random_sample(size) < 0.3] = 0
    return x


def unary(name: str, layer: Layer, shape: Shape, values: str = "normal") -> LayerCase:
    """Return the case of a layer with one input."""
    return LayerCase(name, layer, (shape,), values)


IMAGE = (4, 7, 6)
SERIES = (4, 11)
