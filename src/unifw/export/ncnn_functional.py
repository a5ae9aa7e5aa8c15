"""The vocabulary of the shared formulas in ncnn's layers; see ``unifw.formulas.functional``.

ncnn has no batch, so the batch of every shape here is 1. What an operation needs in axes that ncnn can hold, it
gets by merging neighbours that stay neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.export.ncnn_value import Value, numbers
from unifw.export.ncnn_writer import AXES, Blob, Writer
from unifw.formulas.functional import Formula
from unifw.spec.graph import Placed

__all__ = ["NcnnFunctional", "by_formula"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

UNARY = {"sqrt": 5, "exp": 7, "log": 8}
REDUCED = {"sum": 0, "mean": 3, "max": 4}
# By the innermost axis first: what Permute calls an order.
ORDERS = {
    2: ("WH", "HW"),
    3: ("WHC", "HWC", "WCH", "CWH", "HCW", "CHW"),
    4: (
        "WHDC", "HWDC", "WDHC", "DWHC", "HDWC", "DHWC", "WHCD", "HWCD", "WCHD", "CWHD", "HCWD", "CHWD",
        "WDCH", "DWCH", "WCDH", "CWDH", "DCWH", "CDWH", "HDCW", "DHCW", "HCDW", "CHDW", "DCHW", "CDHW",
    ),
}  # fmt: skip


class NcnnFunctional:
    """The operations; see ``Functional``, whose words they are.

    Parameters
    ----------
    writer : Writer
        Where they are written down.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def constant(self, array: Array) -> Value:
        made = np.asarray(array, np.float32)
        return Value(self.writer, made.shape, made)

    # -------------------------------------------------------------------- number by number

    def exp(self, x: Value) -> Value:
        return x.op("UnaryOp", {0: UNARY["exp"]})

    def log(self, x: Value) -> Value:
        return x.op("UnaryOp", {0: UNARY["log"]})

    def sqrt(self, x: Value) -> Value:
        return x.op("UnaryOp", {0: UNARY["sqrt"]})

    def tanh(self, x: Value) -> Value:
        return x.op("TanH")

    def sigmoid(self, x: Value) -> Value:
        return x.op("Sigmoid")

    def softplus(self, x: Value) -> Value:
        # The layer Softplus overflows.
        made: Value = self.log(self.exp(-x.op("AbsVal")) + 1.0) + x.op("ReLU")
        return made

    def where(self, condition: Value, x: Any, y: Any) -> Value:
        """Multiply by ones and zeros, which is exact for all finite numbers."""
        made: Value = condition * x + (1.0 - condition) * y
        return made

    def maximum(self, x: Value, y: Value) -> Value:
        return x.binary("maximum", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        return x.binary("minimum", x, y)

    def detach(self, x: Value) -> Value:
        return x

    # -------------------------------------------------------------------- products and sums

    def matmul(self, x: Value, y: Value) -> Value:
        *outer, m, k = x.shape
        n = y.shape[-1]
        count, rows = math.prod(outer), m
        if len(y.shape) == 2:
            count, rows = 1, math.prod(outer) * m
        front = (count,) if count > 1 else ()
        blobs = [x.blob((*front, rows, k)), y.blob((*front, k, n))]
        return x.like((*outer, m, n), self.writer.op("MatMul", blobs, (*front, rows, n)))

    def softmax(self, x: Value, axis: int) -> Value:
        dims, place = _around(x.shape, axis, axis + 1)
        made = self.writer.op("Softmax", [x.blob(dims)], dims, {0: place, 1: 1})
        return x.like(x.shape, made)

    def sum(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self._reduced("sum", x, axes, keepdims=keepdims)

    def mean(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self._reduced("mean", x, axes, keepdims=keepdims)

    def amax(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self._reduced("max", x, axes, keepdims=keepdims)

    def _reduced(self, kind: str, x: Value, axes: tuple[int, ...], *, keepdims: bool) -> Value:
        kept = [i for i in range(len(x.shape)) if i not in axes]
        shape = tuple(x.shape[i] for i in kept)
        if keepdims:
            shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        axes = tuple(sorted(axes))
        if axes[-1] - axes[0] >= len(axes):  # not side by side
            x = self.transpose(x, (*kept, *axes))
            axes = tuple(range(len(kept), len(x.shape)))
        dims, place = _around(x.shape, axes[0], axes[-1] + 1)
        left = (*dims[:place], *dims[place + 1 :]) or (1,)
        params = {0: REDUCED[kind], 1: 0, 3: [place], 4: 0, 5: 1}
        return x.like(shape, self.writer.op("Reduction", [x.blob(dims)], left, params))

    # -------------------------------------------------------------------- moving

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        missing = math.prod(x.shape) // math.prod(n for n in shape if n != -1)
        return x.like(tuple(missing if n == -1 else n for n in shape), x.held)

    def per_channel(self, x: Value, spatial: tuple[int, ...]) -> Value:
        return self.reshape(x, (1, -1, *(1 for _ in spatial)))

    def transpose(self, x: Value, order: tuple[int, ...]) -> Value:
        shape = tuple(x.shape[i] for i in order)
        if not isinstance(x.held, Blob):
            return x.like(shape, np.transpose(numbers(x), order))
        sizes, places = _merged(x.shape, order)
        blob = x.held
        while len(sizes) > AXES:  # one axis after the other to its place
            place = next(i for i, now in enumerate(places) if now != i)
            at = places[place]
            before, between = math.prod(sizes[:place]), math.prod(sizes[place:at])
            parts = (before, between, sizes[at], math.prod(sizes[at + 1 :]))
            blob = self._permuted(blob, parts, (0, 2, 1, 3))
            now = [*range(place), at, *(i for i in range(place, len(sizes)) if i != at)]
            moved = tuple(sizes[i] for i in now)
            sizes, places = _merged(moved, tuple(now.index(i) for i in places))
        return x.like(shape, blob if len(sizes) < 2 else self._permuted(blob, sizes, places))

    def _permuted(self, blob: Blob, sizes: Shape, places: Shape) -> Blob:
        given = self.writer.reshaped(blob, sizes)
        names = {2: "HW", 3: "CHW", 4: "CDHW"}[len(sizes)]
        order = ORDERS[len(sizes)].index("".join(names[i] for i in reversed(places)))
        dims = tuple(sizes[i] for i in places)
        return self.writer.op("Permute", [given], dims, {0: order})

    def concat(self, xs: Sequence[Value], axis: int) -> Value:
        first = xs[0].shape
        size = sum(x.shape[axis] for x in xs)
        found = [_around(x.shape, axis, axis + 1) for x in xs]
        place = found[0][1]
        blobs = [x.blob(dims) for x, (dims, _) in zip(xs, found, strict=True)]
        dims = (*found[0][0][:place], size, *found[0][0][place + 1 :])
        shape = (*first[:axis], size, *first[axis + 1 :])
        return xs[0].like(shape, self.writer.op("Concat", blobs, dims, {0: place}))

    def cut(self, x: Value, axis: int, start: int, stop: int, step: int) -> Value:
        size, count = x.shape[axis], -(-(stop - start) // step)
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        if not isinstance(x.held, Blob):
            return x.like(shape, numbers(x)[(slice(None),) * axis + (slice(start, stop, step),)])
        if count == size:
            return x
        if step == 1:
            return x.like(shape, self._cropped(x, axis, start, stop))
        # Whole steps, of which the first place each is taken.
        end = start + count * step
        if end > size:
            x = self._padded(x, axis, (0, end - size), 0.0)
        if (start, end) != (0, x.shape[axis]):
            x = self.cut(x, axis, start, end, 1)
        apart = x.like((*shape[:axis], count, step, *shape[axis + 1 :]), x.held)
        return x.like(shape, self._cropped(apart, axis + 1, 0, 1))

    def _cropped(self, x: Value, axis: int, start: int, stop: int) -> Blob:
        dims, place = _around(x.shape, axis, axis + 1)
        left = (*dims[:place], stop - start, *dims[place + 1 :])
        params = {9: [start], 10: [stop], 11: [place]}
        return self.writer.op("Crop", [x.blob(dims)], left, params)

    def pad(self, x: Value, pads: tuple[tuple[int, int], ...], value: float) -> Value:
        for axis, sides in enumerate(pads, len(x.shape) - len(pads)):
            if any(sides):
                x = self._padded(x, axis, sides, value)
        return x

    def _padded(self, x: Value, axis: int, sides: tuple[int, int], value: float) -> Value:
        inner = math.prod(x.shape[axis + 1 :])
        rows, columns = math.prod(x.shape[:axis]), x.shape[axis] * inner
        left, right = (side * inner for side in sides)
        shape = (*x.shape[:axis], x.shape[axis] + sum(sides), *x.shape[axis + 1 :])
        params = {0: 0, 1: 0, 2: left, 3: right, 4: 0, 5: float(value)}
        blob = x.blob((rows, columns))
        dims = (rows, columns + left + right)
        return x.like(shape, self.writer.op("Padding", [blob], dims, params))

    # -------------------------------------------------------------------- made anew

    def zeros(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self.constant(np.zeros((1, *shape)))

    def to_float(self, x: Value) -> Value:
        # ncnn casts no whole numbers, but it looks them up.
        return self.reshape(self.rows(x, np.arange(x.limit)[:, None]), x.shape)

    def one_hot(self, x: Value, size: int) -> Value:
        return self.rows(x, np.eye(size))

    def rows(self, x: Value, table: Array) -> Value:
        """Return the rows of a table that whole numbers name, the new axis last."""
        count, (rows, columns) = math.prod(x.shape), table.shape
        params = {0: columns, 1: rows, 2: 0, 3: rows * columns}
        made = x.through("Embed", (count,), (count, columns), params, [(True, table)])
        return self.reshape(made, (*x.shape, columns))


def _around(shape: Shape, start: int, stop: int) -> tuple[Shape, int]:
    """Return what is before, in and behind some axes, each as one axis, and the place of the second.

    What is before or behind is left out if it is of size 1.
    """
    before, behind = math.prod(shape[:start]), math.prod(shape[stop:])
    front, back = (before,) if before > 1 else (), (behind,) if behind > 1 else ()
    return (*front, math.prod(shape[start:stop]), *back), len(front)


def _merged(shape: Shape, order: Shape) -> tuple[Shape, Shape]:
    """Return sizes and order without axes of size 1, and with those as one that stay side by side."""
    groups: list[list[int]] = []
    for axis in (i for i in order if shape[i] > 1):
        between = shape[groups[-1][-1] + 1 : axis] if groups and groups[-1][-1] < axis else (0,)
        if groups and all(n == 1 for n in between):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    ranked = sorted(groups)
    sizes = tuple(math.prod(shape[i] for i in group) for group in ranked)
    return sizes, tuple(ranked.index(group) for group in groups)


def by_formula(formula: Formula) -> Callable[[NcnnFunctional, Placed, Any], Value]:
    """Return the rule that writes a formula down."""

    def rule(f: NcnnFunctional, placed: Placed, inputs: Any) -> Value:
        parts = tuple(f.constant(f.writer.weight(placed, part)) for part in placed.parts)
        made: Value = formula(placed, f)(tuple(inputs), parts)
        return made

    return rule
