"""The vocabulary of the shared formulas in MegEngine's words; see ``unifw.formulas.functional``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import megengine.functional as F
import numpy as np
import numpy.typing as npt
from megengine import Tensor
from megengine.jit.tracing import is_tracing

__all__ = ["FUNCTIONAL", "MegEngineFunctional"]

Array = npt.NDArray[Any]


class MegEngineFunctional:
    """The operations; see ``Functional``, whose words they are."""

    exp = staticmethod(F.exp)
    log = staticmethod(F.log)
    sqrt = staticmethod(F.sqrt)
    tanh = staticmethod(F.tanh)
    sigmoid = staticmethod(F.sigmoid)
    softplus = staticmethod(F.softplus)

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        # F.where takes no numbers (megengine 1.13).
        if not isinstance(x, Tensor):
            x = F.full_like(condition.astype("float32"), x)
        if not isinstance(y, Tensor):
            y = F.full_like(condition.astype("float32"), y)
        return F.where(condition, x, y)

    def constant(self, array: Array) -> Any:
        return Tensor(np.asarray(array, dtype=np.float32))

    def detach(self, x: Any) -> Any:
        return x.detach()

    def matmul(self, x: Any, y: Any) -> Any:
        # The gradient of a product of a 3-D and a 2-D tensor crashes the process (megengine 1.13).
        if y.ndim == 2 < x.ndim:
            rows = F.matmul(x.reshape(-1, x.shape[-1]), y)
            return rows.reshape(*x.shape[:-1], y.shape[-1])
        return F.matmul(x, y)

    def softmax(self, x: Any, axis: int) -> Any:
        # F.softmax gives nan where all values are below about -90 (megengine 1.13).
        e = F.exp(x - F.max(x.detach(), axis, keepdims=True))
        return e / F.sum(e, axis, keepdims=True)

    def sum(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return F.sum(x, list(axes), keepdims)

    def mean(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return F.mean(x, list(axes), keepdims)

    def amax(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        return F.max(x.detach(), list(axes), keepdims)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape(*shape)

    def per_channel(self, x: Any, spatial: tuple[int, ...]) -> Any:
        # Spread over all positions beforehand. Two gradients that are each summed over the batch and the
        # positions at once, with the channels between them, now and then hold what lay in memory before (2 % of
        # the steps; megengine 1.13, not if it waits for every operation). One sum after the other is right.
        return F.broadcast_to(x.reshape(1, -1, *(1 for _ in spatial)), (1, x.shape[0], *spatial))

    def transpose(self, x: Any, order: tuple[int, ...]) -> Any:
        return F.transpose(x, order)

    def concat(self, xs: Sequence[Any], axis: int) -> Any:
        return F.concat(list(xs), axis)

    def cut(self, x: Any, axis: int, start: int, stop: int, step: int) -> Any:
        # A slice that is not contiguous, such as x[:, 4:8], plus or times what is stretched over its rows, a
        # bias of shape (4,), reads the wrong numbers (megengine 1.13; F.copy and reshape do not help). A
        # product with a number lays the slice out anew.
        before = (slice(None),) * axis
        if is_tracing():
            # The product is optimised away in a compiled graph; reading by places lays it out anew.
            places = Tensor(np.arange(start, stop, step, dtype=np.int32), device=x.device)
            return x[(*before, places)]
        return x[(*before, slice(start, stop, step))] * 1

    def pad(self, x: Any, pads: tuple[tuple[int, int], ...], value: float) -> Any:
        sides = ((0, 0),) * (x.ndim - len(pads)) + tuple(pads)
        return F.nn.pad(x, sides, constant_value=value)

    def zeros(self, x: Any, shape: tuple[int, ...]) -> Any:
        return F.zeros((x.shape[0], *shape), dtype="float32", device=x.device)

    def to_float(self, x: Any) -> Any:
        return x.astype("float32")

    def one_hot(self, x: Any, size: int) -> Any:
        return F.one_hot(x, size).astype("float32")


FUNCTIONAL = MegEngineFunctional()
