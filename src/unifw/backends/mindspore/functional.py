"""The vocabulary of the shared formulas in MindSpore's words; see ``unifw.formulas.functional``.

The graph compiler reads the source of these methods, and that of the formulas.
"""

from __future__ import annotations

from typing import Any

import mindspore
import numpy as np
import numpy.typing as npt
from mindspore import Tensor, ops

from unifw.backends.mindspore.gradients import Softmax

__all__ = ["FUNCTIONAL", "MindSporeFunctional", "product", "put_around"]

Array = npt.NDArray[Any]

MATRICES, BATCHES = ops.MatMul(), ops.BatchMatMul()


def product(x: Any, y: Any) -> Any:
    """Return ``(..., m, k) @ (..., k, n)``; ``y`` has the axes of ``x`` before the last two, or rank 2.

    Not ops.matmul: its gradient writes both operands anew, transposed, and a matrix is repeated for
    each sample (mindspore 2.10).
    """
    if y.ndim > 2:
        return BATCHES(x, y)
    if x.ndim == 2:
        return MATRICES(x, y)
    rows = MATRICES(ops.reshape(x, (-1, x.shape[-1])), y)
    return ops.reshape(rows, (-1, *x.shape[1:-1], y.shape[1]))


def put_around(x: Any, pads: Any, value: float) -> Any:
    """Put a constant around the last axes.

    By joining: in a compiled training step, ops.pad after a pool and before an unfold never comes
    to an end (mindspore 2.10, CPU).
    """
    first = x.ndim - len(pads)
    for i in range(len(pads)):
        axis = first + i
        before, after = pads[i]
        if before:
            x = ops.cat(
                (
                    ops.full((*x.shape[:axis], before, *x.shape[axis + 1 :]), value, dtype=x.dtype),
                    x,
                ),
                axis,
            )
        if after:
            x = ops.cat(
                (x, ops.full((*x.shape[:axis], after, *x.shape[axis + 1 :]), value, dtype=x.dtype)),
                axis,
            )
    return x


@mindspore.jit_class
class MindSporeFunctional:
    """The operations; see ``Functional``, whose words they are."""

    def __init__(self) -> None:
        self.last_softmax = Softmax()

    def constant(self, array: Array) -> Any:
        return Tensor(np.asarray(array, dtype=np.float32))

    def exp(self, x: Any) -> Any:
        return ops.exp(x)

    def log(self, x: Any) -> Any:
        return ops.log(x)

    def sqrt(self, x: Any) -> Any:
        return ops.sqrt(x)

    def tanh(self, x: Any) -> Any:
        # ops.tanh is off by up to 1e-4 between 3 and 5 (mindspore 2.10, CPU); its sigmoid by 1e-6.
        return ops.sigmoid(x * 2.0) * 2.0 - 1.0

    def sigmoid(self, x: Any) -> Any:
        return ops.sigmoid(x)

    def softplus(self, x: Any) -> Any:
        # log(1 + exp(x)) = x + log(1 + exp(-x)): each where it cannot overflow. The sign is detached, so
        # the gradient is right at 0 as well.
        sign = ops.stop_gradient(ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x)))
        positive = x * ops.stop_gradient(ops.where(x >= 0, sign, ops.zeros_like(x)))
        return positive + ops.log1p(ops.exp(-x * sign))

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        return ops.where(condition, x, y)

    def detach(self, x: Any) -> Any:
        return ops.stop_gradient(x)

    def matmul(self, x: Any, y: Any) -> Any:
        return product(x, y)

    def softmax(self, x: Any, axis: int) -> Any:
        return self.last_softmax(x) if axis == x.ndim - 1 else ops.softmax(x, axis)

    def sum(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return ops.sum(x, axes, keepdims)

    def mean(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return ops.mean(x, axes, keepdims)

    def amax(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return ops.stop_gradient(ops.amax(x, axes, keepdims))

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return ops.reshape(x, shape)

    def per_channel(self, x: Any, spatial: tuple[int, ...]) -> Any:
        return ops.reshape(x, (1, -1) + (1,) * len(spatial))

    def transpose(self, x: Any, order: tuple[int, ...]) -> Any:
        return ops.transpose(x, order)

    def concat(self, xs: Any, axis: int) -> Any:
        return ops.cat(xs, axis)

    def cut(self, x: Any, axis: int, start: int, stop: int, step: int) -> Any:
        if step > 1:
            # The gradient of a slice with a step reads out of bounds on every axis but the last
            # (mindspore 2.10, CPU: StridedSliceGrad).
            return ops.gather(x, ops.arange(start, stop, step), axis)
        return x[(slice(None),) * axis + (slice(start, stop),)]

    def pad(self, x: Any, pads: tuple[tuple[int, int], ...], value: float) -> Any:
        return put_around(x, pads, value)

    def zeros(self, x: Any, shape: tuple[int, ...]) -> Any:
        return ops.zeros((x.shape[0], *shape))

    def to_float(self, x: Any) -> Any:
        return ops.cast(x, mindspore.float32)

    def one_hot(self, x: Any, size: int) -> Any:
        return ops.one_hot(x, size, 1.0, 0.0)


FUNCTIONAL = MindSporeFunctional()
