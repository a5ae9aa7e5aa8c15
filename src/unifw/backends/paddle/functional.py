"""The vocabulary of the shared formulas in Paddle's words; see ``unifw.formulas.functional``.

There is one for each dtype. While a net is built, the framework's default dtype says which it is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import paddle.nn.functional as F

__all__ = ["PaddleFunctional", "building", "functional", "functional_of", "put_around"]

Array = npt.NDArray[Any]


def _rows(x: Any) -> Any:
    """Return the batch size; while a net is saved, what will tell it."""
    return paddle.shape(x)[0] if x.shape[0] < 0 else x.shape[0]


def put_around(x: Any, sides: Sequence[tuple[int, int]], value: float) -> Any:
    """Put a constant around all axes.

    In a saved file by joining, as oneDNN's kernel for F.pad writes beyond its memory (paddle 3.3).
    """
    if paddle.in_dynamic_mode():
        return F.pad(x, [n for pair in sides for n in pair], value=value)
    for axis, pair in enumerate(sides):
        shape = [_rows(x), *x.shape[1:]]
        ends = [
            paddle.full([*shape[:axis], n, *shape[axis + 1 :]], value, x.dtype) if n else None
            for n in pair
        ]
        parts = [part for part in (ends[0], x, ends[1]) if part is not None]
        x = paddle.concat(parts, axis) if len(parts) > 1 else x
    return x


class PaddleFunctional:
    """The operations; see ``Functional``, whose words they are.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the floats that it makes.
    """

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    exp = staticmethod(paddle.exp)
    log = staticmethod(paddle.log)
    sqrt = staticmethod(paddle.sqrt)
    tanh = staticmethod(paddle.tanh)
    sigmoid = staticmethod(F.sigmoid)
    softplus = staticmethod(F.softplus)
    where = staticmethod(paddle.where)
    matmul = staticmethod(paddle.matmul)

    def constant(self, array: Array) -> Any:
        return paddle.to_tensor(np.asarray(array, dtype=self._dtype))

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
        return put_around(x, ((0, 0),) * (x.ndim - len(pads)) + tuple(pads), value)

    def zeros(self, x: Any, shape: tuple[int, ...]) -> Any:
        return paddle.zeros([_rows(x), *shape], dtype=self._dtype)

    def to_float(self, x: Any) -> Any:
        return x.astype(self._dtype)

    def one_hot(self, x: Any, size: int) -> Any:
        return F.one_hot(x, size).astype(self._dtype)


class Doubles(PaddleFunctional):
    """The same in float64; paddle.where (3.3) takes numbers in single precision."""

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        return paddle.where(condition, self._exact(x), self._exact(y))

    def _exact(self, x: Any) -> Any:
        return paddle.full([], x, dtype=self._dtype) if isinstance(x, float) else x


FUNCTIONALS = {"float32": PaddleFunctional("float32"), "float64": Doubles("float64")}


@contextmanager
def building(dtype: str) -> Iterator[None]:
    """Build a net of this dtype in the block."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def functional() -> PaddleFunctional:
    """Return the words for the net that is being built."""
    return FUNCTIONALS[paddle.get_default_dtype()]


def functional_of(x: Any) -> PaddleFunctional:
    """Return the words for the dtype of a float tensor."""
    return FUNCTIONALS["float64" if x.dtype == paddle.float64 else "float32"]
