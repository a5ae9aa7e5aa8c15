"""The vocabulary of the shared formulas in ONNX's words; see ``unifw.formulas.functional``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from unifw.export.onnx_writer import Writer
from unifw.formulas.functional import Formula
from unifw.spec.graph import Placed

__all__ = ["OnnxFunctional", "Value", "by_formula"]

Array = npt.NDArray[Any]


class Value:
    """The name of a value in the file; what is done with it is written down.

    Parameters
    ----------
    writer : Writer
        Where to.
    name : str
        Its name.
    """

    __slots__ = ("name", "writer")

    def __init__(self, writer: Writer, name: str) -> None:
        self.writer, self.name = writer, name

    def op(self, kind: str, *others: Any, **attributes: Any) -> Value:
        """Return what an operator makes of this value and others (values, or numbers)."""
        return Value(self.writer, self.writer.op(kind, *self._names(others), **attributes))

    def _names(self, others: Sequence[Any]) -> list[str]:
        return [self.name, *(self._name(other) for other in others)]

    def _name(self, other: Any) -> str:
        return other.name if isinstance(other, Value) else self.writer.number(other)

    def _reversed(self, kind: str, first: float) -> Value:
        return Value(self.writer, self.writer.op(kind, self.writer.number(first), self.name))

    def __add__(self, other: Any) -> Value:
        return self.op("Add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Value:
        return self.op("Sub", other)

    def __rsub__(self, other: float) -> Value:
        return self._reversed("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self.op("Mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Value:
        return self.op("Div", other)

    def __rtruediv__(self, other: float) -> Value:
        return self._reversed("Div", other)

    def __neg__(self) -> Value:
        return self.op("Neg")

    def __gt__(self, other: Any) -> Value:
        return self.op("Greater", other)

    def __ge__(self, other: Any) -> Value:
        return self.op("GreaterOrEqual", other)

    def __lt__(self, other: Any) -> Value:
        # Not Less: MNN 3.6 takes equal numbers for less where neither of them is a constant.
        return Value(self.writer, self.writer.op("Greater", self._name(other), self.name))

    def __le__(self, other: Any) -> Value:
        return self.op("LessOrEqual", other)


class OnnxFunctional:
    """The operations; see ``Functional``, whose words they are.

    Parameters
    ----------
    writer : Writer
        Where they are written down.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def _ints(self, *values: int) -> Value:
        return Value(self._writer, self._writer.whole(values))

    def constant(self, array: Array) -> Value:
        return Value(self._writer, self._writer.array(array))

    def exp(self, x: Value) -> Value:
        return x.op("Exp")

    def log(self, x: Value) -> Value:
        return x.op("Log")

    def sqrt(self, x: Value) -> Value:
        return x.op("Sqrt")

    def tanh(self, x: Value) -> Value:
        return x.op("Tanh")

    def sigmoid(self, x: Value) -> Value:
        return x.op("Sigmoid")

    def softplus(self, x: Value) -> Value:
        return x.op("Softplus")

    def where(self, condition: Value, x: Any, y: Any) -> Value:
        return condition.op("Where", x, y)

    def detach(self, x: Value) -> Value:
        return x

    def matmul(self, x: Value, y: Value) -> Value:
        return x.op("MatMul", y)

    def softmax(self, x: Value, axis: int) -> Value:
        return x.op("Softmax", axis=axis)

    def sum(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return x.op("ReduceSum", self._ints(*axes), keepdims=int(keepdims))

    def mean(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self._reduced("ReduceMean", x, axes, keepdims=keepdims)

    def amax(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self._reduced("ReduceMax", x, axes, keepdims=keepdims)

    def _reduced(self, kind: str, x: Value, axes: tuple[int, ...], *, keepdims: bool) -> Value:
        if self._writer.opset >= 18:  # from here on the axes are an input
            return x.op(kind, self._ints(*axes), keepdims=int(keepdims))
        return x.op(kind, axes=list(axes), keepdims=int(keepdims))

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        return x.op("Reshape", self._ints(*shape))

    def per_channel(self, x: Value, spatial: tuple[int, ...]) -> Value:
        return self.reshape(x, (1, -1, *(1 for _ in spatial)))

    def transpose(self, x: Value, order: tuple[int, ...]) -> Value:
        return x.op("Transpose", perm=list(order))

    def concat(self, xs: Sequence[Value], axis: int) -> Value:
        return xs[0].op("Concat", *xs[1:], axis=axis)

    def cut(self, x: Value, axis: int, start: int, stop: int, step: int) -> Value:
        return x.op(
            "Slice", self._ints(start), self._ints(stop), self._ints(axis), self._ints(step)
        )

    def pad(self, x: Value, pads: tuple[tuple[int, int], ...], value: float) -> Value:
        before, after = ([0, *side] for side in zip(*pads, strict=True))
        return x.op("Pad", self._ints(*before, *after), value)

    def zeros(self, x: Value, shape: tuple[int, ...]) -> Value:
        rows = x.op("Shape").op("Slice", self._ints(0), self._ints(1))
        return self.constant(np.zeros((1,) * (len(shape) + 1))).op(
            "Expand", rows.op("Concat", self._ints(*shape), axis=0)
        )

    def to_float(self, x: Value) -> Value:
        return x.op("Cast", to=TensorProto.FLOAT)

    def one_hot(self, x: Value, size: int) -> Value:
        same = x.op("Unsqueeze", self._ints(-1)).op("Equal", self._ints(*range(size)))
        return self.to_float(same)


def by_formula(
    formula: Formula, words: type[OnnxFunctional] = OnnxFunctional
) -> Callable[[Writer, Placed, list[str]], str]:
    """Return the rule that writes a formula down in these words."""

    def rule(writer: Writer, placed: Placed, inputs: list[str]) -> str:
        values = tuple(Value(writer, name) for name in inputs)
        parts = tuple(Value(writer, writer.weight(placed, part)) for part in placed.parts)
        made: Value = formula(placed, words(writer))(values, parts)
        return made.name

    return rule
