"""Windows over channels-first arrays, as strided slices; shared by convolution and pooling.

Arrays are ``(n, channels, *spatial)`` to the eye, but lie in memory with the channels outermost:
then one matrix product over all samples *is* the next activation, and nothing is transposed.
NumPy keeps that memory order through every value-by-value operation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec.layers.window import Pads, Window

__all__ = ["channels_outermost", "crop", "pad", "positions"]

Array = npt.NDArray[Any]


def channels_outermost(x: Array) -> Array:
    """Return ``(channels, n, *spatial)``, contiguous; free when memory already lies that way."""
    return np.ascontiguousarray(x.swapaxes(0, 1))


def pad(x: Array, pads: Pads, value: float) -> Array:
    """Return channels-outermost ``x`` with ``value`` around its spatial axes."""
    if not any(map(any, pads)):
        return x
    sizes = [n + before + after for n, (before, after) in zip(x.shape[2:], pads, strict=True)]
    padded = np.full((*x.shape[:2], *sizes), value, dtype=x.dtype)
    crop(padded, pads)[...] = x
    return padded


def crop(x: Array, pads: Pads) -> Array:
    """Return the view of padded ``x`` that leaves the padding out."""
    inner = tuple(
        slice(before, n - after) for n, (before, after) in zip(x.shape[2:], pads, strict=True)
    )
    view: Array = x[(slice(None), slice(None), *inner)]
    return view


def positions(window: Window, out: tuple[int, ...]) -> Iterator[Any]:
    """Yield, for each place in the kernel in row-major order, the index of all its inputs.

    The index applies to a padded array whose last axes are spatial; what it selects has the spatial
    shape ``out``.
    """
    for place in itertools.product(*map(range, window.kernel)):
        yield (
            ...,
            *(
                slice(k * d, k * d + s * (n - 1) + 1, s)
                for k, d, s, n in zip(place, window.dilation, window.stride, out, strict=True)
            ),
        )
