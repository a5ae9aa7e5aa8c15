"""Values of a net that is written for ncnn: their shapes, and what operators make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.export.ncnn_writer import AXES, Blob, Writer, canonical
from unifw.export.symbolic import Symbolic

__all__ = ["Value", "numbers"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

BINARY = {"add": 0, "subtract": 1, "multiply": 2, "divide": 3, "maximum": 4, "minimum": 5}
REVERSED = {"add": 0, "subtract": 7, "multiply": 2, "divide": 8, "maximum": 4, "minimum": 5}


class Value(Symbolic):
    """Values of a shape whose first axis is the batch, 1; a blob of the file, or known numbers.

    Parameters
    ----------
    writer : Writer
        Where what is done with it is written down.
    shape : tuple of int
        Of the values.
    held : Blob or ndarray
        The blob, or the numbers.
    limit : int
        Below which number whole numbers stay; 0 for others.
    """

    __slots__ = ("held", "limit", "shape", "writer")

    def __init__(self, writer: Writer, shape: Shape, held: Blob | Array, limit: int = 0) -> None:
        self.writer, self.shape, self.held, self.limit = writer, shape, held, limit

    def blob(self, dims: Shape | None = None) -> Blob:
        """Return the blob in the given axes; by default those of ``canonical``."""
        dims = canonical(self.shape) if dims is None else dims
        if isinstance(self.held, Blob):
            return self.writer.reshaped(self.held, dims)
        return self.writer.constant(self.held, dims)

    def like(self, shape: Shape, held: Blob | Array) -> Value:
        """Return another value of this file."""
        return Value(self.writer, shape, held, self.limit)

    def op(self, kind: str, params: Any = None) -> Value:
        """Return what a layer makes of each number."""
        blob = self.held if isinstance(self.held, Blob) else self.blob()
        return self.like(self.shape, self.writer.op(kind, [blob], blob.dims, params))

    def through(
        self,
        kind: str,
        dims: Shape,
        made: Shape,
        params: Mapping[int, Any],
        data: Sequence[tuple[bool, Array]] = (),
    ) -> Value:
        """Return what a layer makes of this value read in the axes ``dims``, which gives the axes ``made``."""
        blob = self.writer.op(kind, [self.blob(dims)], made, params, data=data)
        return self.like((1, *made), blob)

    def binary(self, word: str, first: Any, second: Any) -> Value:
        if word in COMPARED:
            return COMPARED[word](first, second)
        if isinstance(second, (int, float)):
            return self._scalar(BINARY[word], float(second))
        if isinstance(first, (int, float)):
            return self._scalar(REVERSED[word], float(first))
        if not isinstance(first.held, Blob) and not isinstance(second.held, Blob):
            made = getattr(np, word)(numbers(first), numbers(second))
            return self.like(made.shape, made)
        return self._met(BINARY[word], first, second)

    def _scalar(self, kind: int, number: float) -> Value:
        return self.op("BinaryOp", {0: kind, 1: 1, 2: number})

    def _met(self, kind: int, first: Value, second: Value) -> Value:
        shape = np.broadcast_shapes(first.shape, second.shape)
        a, b = _grouped(first.shape, second.shape)
        if len(a) > AXES:
            first, second = first.stretched(shape), second.stretched(shape)
            a, b = _grouped(shape, shape)
        dims = np.broadcast_shapes(a, b)
        if first.shape == second.shape and isinstance(first.held, Blob):
            a = b = dims = first.held.dims
        blobs = [first.blob(a), second.blob(b)]
        return self.like(shape, self.writer.op("BinaryOp", blobs, dims, {0: kind}))

    def stretched(self, shape: Shape) -> Value:
        """Return the value repeated along its axes of size 1, up to a shape, one axis after the other."""
        made = self.like((1,) * (len(shape) - len(self.shape)) + self.shape, self.held)
        for axis, size in enumerate(shape):
            if made.shape[axis] < size:
                ones = np.ones((1,) * axis + (size,) + (1,) * (len(shape) - axis - 1))
                made = self._met(BINARY["multiply"], made, self.like(ones.shape, ones))
        return made


def numbers(value: Value) -> Array:
    """Return the numbers of a value that are known."""
    return np.asarray(value.held, np.float32).reshape(value.shape)


def _grouped(a: Shape, b: Shape) -> tuple[Shape, Shape]:
    """Return two shapes that broadcast, neighbours merged that do so alike."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    groups: list[tuple[int, int]] = []
    for m, n in pairs:
        if m == n == 1:
            continue
        if groups and _kind(*groups[-1]) == _kind(m, n):
            groups[-1] = (groups[-1][0] * m, groups[-1][1] * n)
        else:
            groups.append((m, n))
    groups = groups or [(1, 1)]
    return tuple(m for m, _ in groups), tuple(n for _, n in groups)


def _kind(m: int, n: int) -> int:
    return (m > n) - (m < n)


# ------------------------------------------------------------------------ comparisons: 1 where they hold


def _greater(a: Any, b: Any) -> Value:
    if isinstance(b, (int, float)):
        y, bound = a, float(b)
    elif isinstance(a, (int, float)):
        y, bound = -b, -float(a)
    else:
        y, bound = a - b, 0.0
    made: Value = y.op("Threshold", {0: bound})
    return made


COMPARED: dict[str, Callable[[Any, Any], Value]] = {
    "greater": _greater,
    "less": lambda a, b: _greater(b, a),
    "greater_equal": lambda a, b: 1.0 - _greater(b, a),
    "less_equal": lambda a, b: 1.0 - _greater(a, b),
}
