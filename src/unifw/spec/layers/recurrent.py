"""Recurrent layers: SimpleRNN, LSTM, GRU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Part, Shape
from unifw.spec.layers.weighted import Biased

__all__ = ["GRU", "LSTM", "Direction", "Recurrent", "SimpleRNN"]


class Direction(NamedTuple):
    """One reading of the series: what its weights' names end in, and whether it begins at the end."""

    suffix: str
    backwards: bool


@dataclass(frozen=True, repr=False)
class Recurrent(Biased):
    """Base of SimpleRNN, LSTM and GRU.

    Parameters
    ----------
    units : int
        Numbers in the state.
    return_sequences : bool
        ``False`` (default): the last state alone; ``True``: the output of every step.
    bidirectional : bool
        Whether a second reading, with weights of its own, begins at the end; its outputs stand behind
        those of the first, position by position. Default ``False``.
    layers : int
        How many are stacked, each reading all outputs of the one below; default 1.
    reverse : bool
        Whether the series is read from its end; default ``False``. What is read at a position gives the output
        at that position, so outputs keep the order of the input.
    bias : bool
        Whether to add biases; default ``True``.
    weight_init, recurrent_init, bias_init : str or Initializer
        How the weights begin; default ``"glorot_uniform"``, ``"glorot_uniform"`` (of each gate by itself) and
        ``"zeros"``.
    weight_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        What the weights add to the training loss.
    weight_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        What the weights are turned into after each step.

    Notes
    -----
    ``(time, features) -> (units,)``, or ``(time, units)`` with ``return_sequences``; twice the units if
    bidirectional. The state begins as zeros.

    An optional second input of whole numbers, of shape ``()`` or ``(1,)``, holds the length of each series,
    ``0 … time``: steps beyond it change no state and give zeros, the last state is that of the true end, and a
    reading that begins at the end begins at the true one (as PyTorch's packed sequences).

    Weights: of each kind its own.
    The names of a further layer ``k`` (from 1) end in ``_k``, those of the second direction in ``_k_reverse``
    (``_0_reverse`` for the first layer).
    """

    takes = ("float", "int")
    arity = (1, 2)
    # Blocks of ``units`` columns in the weights, one after the other.
    gates: ClassVar[int]

    units: int
    return_sequences: bool = False
    bidirectional: bool = False
    layers: int = 1
    reverse: bool = False
    bias: bool = True
    weight_init: Any = "glorot_uniform"
    recurrent_init: Any = "glorot_uniform"
    bias_init: Any = "zeros"
    recurrent_regularizer: Any = field(default=None, kw_only=True)
    recurrent_constraint: Any = field(default=None, kw_only=True)

    own: ClassVar[tuple[str, ...]] = ("weight", "recurrent", "bias")

    def __post_init__(self) -> None:
        super().__post_init__()
        flags = ("return_sequences", "bidirectional", "reverse", "bias")
        self.normalise(
            units=check.count("units", self.units),
            layers=check.count("layers", self.layers),
            **{name: check.flag(name, getattr(self, name)) for name in flags},
        )
        if self.bidirectional and self.reverse:
            raise self.refuse("reverse=True makes no sense where both directions are read already")

    @property
    def stack(self) -> tuple[tuple[Direction, ...], ...]:
        """The readings of each layer, from below."""
        found = []
        for number in range(self.layers):
            first = Direction(f"_{number}" if number else "", self.reverse)
            second = Direction(f"_{number}_reverse", backwards=True)
            found.append((first, second) if self.bidirectional else (first,))
        return tuple(found)

    @property
    def width(self) -> int:
        """Numbers in the output of a step."""
        return 2 * self.units if self.bidirectional else self.units

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != 2:
            message = f"needs a series of shape (time, features), got {shapes[0]}"
            raise ShapeError(message)
        if len(shapes) > 1 and shapes[1] not in ((), (1,)):
            message = f"needs lengths of shape () or (1,), one for each series, got {shapes[1]}"
            raise ShapeError(message)
        return (shapes[0][0], self.width) if self.return_sequences else (self.width,)

    def index_limit(self, place: int, *shapes: Shape) -> int | None:
        return shapes[0][0] + 1 if place == 1 else None

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        units, size = self.units, shapes[0][1]
        parts = {}
        for readings in self.stack:
            for suffix, _ in readings:
                for name, part in self._parts(size, units).items():
                    parts[name + suffix] = part
            size = self.width
        return parts

    def _parts(self, size: int, units: int) -> dict[str, Part]:
        columns, fans = self.gates * units, (size, units)
        parts = {
            "weight": self.part("weight", (size, columns), fans, (0,)),
            "recurrent_weight": self.part("recurrent", (units, columns), (units, units), (0,)),
        }
        if self.bias:
            parts["bias"] = self.part("bias", (columns,), fans, (0,))
        return parts


def _documented(formula: str, weights: str, more_parameters: str = "") -> str:
    text = (Recurrent.__doc__ or "").replace("Base of SimpleRNN, LSTM and GRU.", formula)
    text = text.replace("Weights: of each kind its own.", weights)
    return text.replace("\n\n    Notes", f"{more_parameters}\n\n    Notes")


@dataclass(frozen=True, repr=False)
class SimpleRNN(Recurrent):
    __doc__ = _documented(
        "``h = activation(x @ weight + h @ recurrent_weight + bias)`` at every step (Elman, 1990).",
        "Weights: ``weight`` ``(features, units)``, ``recurrent_weight`` ``(units, units)``, ``bias``\n"
        "    ``(units,)``.",
        '\n    activation : {"tanh", "relu"}\n        Default ``"tanh"``.',
    )
    gates = 1

    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check.choice("activation", self.activation, ("tanh", "relu"))

    @classmethod
    def stem(cls) -> str:
        return "simple_rnn"


class LSTM(Recurrent):
    __doc__ = _documented(
        "Long short-term memory (Hochreiter & Schmidhuber, 1997; Gers et al., 2000).\n\n"
        "    At every step ``i, f, g, o = x @ weight + h @ recurrent_weight + bias``, four blocks of columns,\n"
        "    ``c = sigmoid(f) * c + sigmoid(i) * tanh(g)``, ``h = sigmoid(o) * tanh(c)``.",
        "Weights: ``weight`` ``(features, 4 * units)``, ``recurrent_weight`` ``(units, 4 * units)``, ``bias``\n"
        "    ``(4 * units,)``. Frameworks with two biases have the sum of both.",
    )
    gates = 4


class GRU(Recurrent):
    __doc__ = _documented(
        "Gated recurrent unit (Cho et al., 2014), in the form of cuDNN, PyTorch and Paddle.\n\n"
        "    At every step ``r, z, n = x @ weight + bias`` and ``R, Z, N = h @ recurrent_weight``, three\n"
        "    blocks of columns each, ``r = sigmoid(r + R)``, ``z = sigmoid(z + Z)``, the reset after the\n"
        "    product: ``n = tanh(n + r * (N + recurrent_bias))``, and ``h = (1 - z) * n + z * h``.",
        "Weights: ``weight`` ``(features, 3 * units)``, ``recurrent_weight`` ``(units, 3 * units)``,\n"
        "    ``bias`` ``(3 * units,)``, ``recurrent_bias`` ``(units,)``: where a framework has two biases for\n"
        "    r and z, theirs is the sum.",
    )
    gates = 3

    def _parts(self, size: int, units: int) -> dict[str, Part]:
        parts = super()._parts(size, units)
        if self.bias:
            parts["recurrent_bias"] = self.part("bias", (units,), (units, units), (0,))
        return parts
