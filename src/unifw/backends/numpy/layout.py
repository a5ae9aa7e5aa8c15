"""How values lie in memory, and memory that is used again.

Values are ``(n, channels, *spatial)`` to the eye, as everywhere, but the windowed layers keep the batch
innermost: ``(channels, *spatial, n)``. There a product of two matrices over all samples *is* the next
value, nothing is transposed, and every slice of a window runs over long stretches of memory. NumPy
keeps the order through every value-by-value operation, so other layers need not know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Room", "batch_first", "batch_last", "blocks", "reshaped"]

Array = npt.NDArray[Any]

# How many numbers are worked on at a time: with float32 they stay in a core's second cache.
BLOCK = 1 << 17
# Below this size, fresh memory costs less than looking for the old.
SMALL = 1 << 14


class Room:
    """Memory for results, by name: taken once, used again in every step.

    What a step leaves here is overwritten by the next. So whatever leaves the session is copied.
    """

    def __init__(self) -> None:
        self._held: dict[str, Array] = {}
        self._within: dict[str, Room] = {}

    def within(self, name: str) -> Room:
        """Return a room of that name in this one, where nothing else lies."""
        return self._within.setdefault(name, Room())

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return a contiguous array of any content."""
        size = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.size < size or held.dtype != dtype:
            held = self._held[name] = np.empty(size, dtype)
        return held[:size].reshape(shape)

    def like(self, name: str, x: Array) -> Array | None:
        """Return an array of the shape of ``x`` that lies in memory as ``x`` does.

        ``None`` for a small one, which as the ``out`` of an operation means a fresh one.
        """
        if x.size < SMALL:
            return None
        order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
        held = self.array(name, tuple(x.shape[axis] for axis in order), x.dtype)
        return held.transpose(np.argsort(order))


def batch_last(x: Array) -> Array:
    """Return ``(channels, *spatial, n)``, contiguous; free where memory already lies that way."""
    return np.ascontiguousarray(x.transpose(*range(1, x.ndim), 0))


def batch_first(x: Array) -> Array:
    """Return the view ``(n, channels, *spatial)`` of what has its batch last."""
    return x.transpose(x.ndim - 1, *range(x.ndim - 1))


def reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    """Return ``x`` with each row in another shape, without a copy in either layout."""
    if x.flags.c_contiguous:
        return x.reshape(len(x), *shape)
    return batch_first(batch_last(x).reshape(*shape, len(x)))


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Yield slices that cut ``rows`` rows of ``width`` numbers into pieces that stay in cache."""
    step = max(1, BLOCK // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, start + step)
