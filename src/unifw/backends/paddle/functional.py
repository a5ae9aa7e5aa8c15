"""The vocabulary of the shared formulas in Paddle's words; see ``unifw.formulas.functional``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import paddle.nn.functional as F

__all__ = ["FUNCTIONAL", "PaddleFunctional"]

Array = npt.NDArray[Any]


class PaddleFunctional:
    """The operations; see ``Functional``, whose words they are."""

    exp = staticmethod(paddle.exp)
    log = staticmethod(paddle.log)
    sqrt = staticmethod(paddle.sqrt)
    tanh = staticmethod(paddle.tanh)
    sigmoid = staticmethod(F.sigmoid)
    softplus = staticmethod(F.softplus)
    where = staticmethod(paddle.where)
    matmul = staticmethod(paddle.matmul)

    def constant(self, array: Array) -> Any:
        return paddle.to_tensor(np.asarray(array, dtype=np.float32))

    def detach(self, x: Any) -> Any:
        return x.detach()

    def softmax(self, x: Any, axis: int) -> Any:
        return F.softmax(x, axis)

    def sum(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return paddle.sum(x, list(axes), keepdim=keepdims)

    def mean(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return paddle.mean(x, list(axes), keepdim=keepdims)

    def amax(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return paddle.amax(x.detach(), list(axes), keepdim=keepdims)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape(list(shape))

    def per_channel(self, x: Any, spatial: tuple[int, ...]) -> Any:
        return x.reshape([1, -1, *(1 for _ in spatial)])

    def transpose(self, x: Any, order: tuple[int, ...]) -> Any:
        return x.transpose(list(order))

    def concat(self, xs: Sequence[Any], axis: int) -> Any:
        return paddle.concat(list(xs), axis)

    def cut(self, x: Any, axis: int, start: int, stop: int, step: int) -> Any:
        return x[(slice(None),) * axis + (slice(start, stop, step),)]

    def pad(self, x: Any, pads: tuple[tuple[int, int], ...], value: float) -> Any:
        sides = ((0, 0),) * (x.ndim - len(pads)) + tuple(pads)
        return F.pad(x, [n for pair in sides for n in pair], value=value)

    def zeros(self, x: Any, shape: tuple[int, ...]) -> Any:
        rows = x.shape[0] if paddle.in_dynamic_mode() else paddle.shape(x)[0]
        return paddle.zeros([rows, *shape], dtype="float32")

    def to_float(self, x: Any) -> Any:
        return x.astype("float32")

    def one_hot(self, x: Any, size: int) -> Any:
        return F.one_hot(x, size)


FUNCTIONAL = PaddleFunctional()
