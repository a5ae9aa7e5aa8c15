"""Windows over arrays of ``(channels, *spatial, n)``, as strided slices; shared by convolution and pooling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy.typing as npt

from unifw.backends.numpy.layout import Room
from unifw.spec.layers.window import Pads, Window

__all__ = ["Columns", "Slab", "crop", "pad", "positions"]

Array = npt.NDArray[Any]

# How many numbers a slab of columns holds: with float32 they stay in a core's second cache.
SLAB = 1 << 20


def pad(x: Array, pads: Pads, value: float, room: Room) -> Array:
    """Return ``x`` with ``value`` around its spatial axes; itself if there is nothing to put there."""
    if not any(map(any, pads)):
        return x
    sizes = [n + before + after for n, (before, after) in zip(x.shape[1:-1], pads, strict=True)]
    padded = room.array("padded", (len(x), *sizes, x.shape[-1]), x.dtype)
    padded.fill(value)
    crop(padded, pads)[...] = x
    return padded


def crop(x: Array, pads: Pads) -> Array:
    """Return the view of padded ``x`` that leaves the padding out."""
    inner = (
        slice(before, n - after) for n, (before, after) in zip(x.shape[1:-1], pads, strict=True)
    )
    view: Array = x[(slice(None), *inner)]
    return view


def positions(window: Window, out: tuple[int, ...]) -> Iterator[Any]:
    """Yield, for each place in the kernel in row-major order, the index of all its inputs.

    What the index selects of a padded array has the spatial shape ``out``.
    """
    for place in itertools.product(*map(range, window.kernel)):
        steps = zip(place, window.dilation, window.stride, out, strict=True)
        yield (
            slice(None),
            *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in steps),
        )


class Place(NamedTuple):
    """Where the inputs of one place in the kernel are, for some of the windows.

    Attributes
    ----------
    into, source : index
        Of the columns that have an input, and of those inputs.
    empty : tuple of index
        Of the columns that lie in the padding.
    """

    into: Any
    source: Any
    empty: tuple[Any, ...]


class Slab(NamedTuple):
    """Some rows of windows as columns.

    Attributes
    ----------
    at : slice
        Which columns of the whole matrix these are.
    matrix : ndarray of shape (groups, channels / groups * places, columns)
        The columns.
    places : list of Place
        Where the inputs of each place in the kernel are.
    shape : tuple of int
        That of one channel's columns of one place: ``(rows, *out[1:], n)``.
    """

    at: slice
    matrix: Array
    places: list[Place]
    shape: tuple[int, ...]


def _axis(offset: int, stride: int, size: int, first: int, last: int) -> tuple[int, int, slice]:
    """Return which of the windows ``first … last - 1`` have an input, and the inputs along one axis."""
    low = min(max(first, -(offset // stride)), last)
    high = max(low, min(last, (size - 1 - offset) // stride + 1))
    start = stride * low + offset
    source = slice(start, start + stride * (high - low - 1) + 1, stride)
    return low - first, high - first, source if high > low else slice(0, 0)


class Columns:
    """All windows of an array as the columns of a matrix, a slab of rows at a time.

    A whole matrix of columns would be as many times its input as the kernel has places; a slab of it
    stays in cache, and the product that follows finds it there. Padding is never put around the
    array; where a window reaches into it, its column is zero.

    Parameters
    ----------
    window : Window
        The window; its padding is not looked at.
    pads : tuple of pairs
        Zeros around the array.
    channels, groups : int
        Of the array, and how many matrices they are cut into.
    spatial, out : tuple of int
        The spatial shapes of the array and of the result.
    is_flipped : bool
        Whether the kernel's places are taken from the last to the first.
    """

    def __init__(  # noqa: PLR0913 - the geometry of a convolution has so many numbers
        self, window: Window, pads: Pads, channels: int, groups: int,
        spatial: tuple[int, ...], out: tuple[int, ...], *, is_flipped: bool = False,
    ) -> None:  # fmt: skip
        self._window, self._pads, self._out = window, pads, out
        self._spatial, self._flipped = spatial, is_flipped
        self._channels, self._groups = channels, groups
        self._places = math.prod(window.kernel)
        self._is_all = self._places == 1 and set(window.stride) == {1} and spatial == out
        self._known: dict[tuple[int, int], list[Place]] = {}

    def slabs(self, x: Array, scratch: Room) -> Iterator[Slab]:
        """Yield all slabs, each in the memory of the one before.

        Parameters
        ----------
        x : ndarray of shape (channels, *spatial, n)
            The array.
        scratch : Room
            Where the columns lie.
        """
        width, count = math.prod(self._out[1:]) * x.shape[-1], self._out[0]
        step = max(1, SLAB // max(self._channels * self._places * width, 1))
        for first in range(0, count, count if self._is_all else step):
            last = count if self._is_all else min(first + step, count)
            places, shape = self._at(first, last), (last - first, *self._out[1:], x.shape[-1])
            columns = x if self._is_all else self._filled(x, places, shape, scratch)
            matrix = columns.reshape(
                self._groups, self._channels // self._groups * self._places, -1
            )
            yield Slab(slice(first * width, last * width), matrix, places, shape)

    def blank(self, rows: int, dtype: Any, scratch: Room) -> Iterator[Slab]:
        """Yield all slabs of an array of so many ``rows`` with columns of any content, to be written to."""
        width, count = math.prod(self._out[1:]) * rows, self._out[0]
        step = max(1, SLAB // max(self._channels * self._places * width, 1))
        inside = self._channels // self._groups * self._places
        for first in range(0, count, step):
            last = min(first + step, count)
            shape = (last - first, *self._out[1:], rows)
            matrix = scratch.array("columns", (self._groups, inside, math.prod(shape)), dtype)
            yield Slab(slice(first * width, last * width), matrix, self._at(first, last), shape)

    def _at(self, first: int, last: int) -> list[Place]:
        if (first, last) not in self._known:
            found = [
                self._place(place, first, last)
                for place in itertools.product(*map(range, self._window.kernel))
            ]
            self._known[first, last] = found[::-1] if self._flipped else found
        return self._known[first, last]

    def _place(self, place: tuple[int, ...], first: int, last: int) -> Place:
        into, source, empty = [slice(None)], [slice(None)], []
        for axis, (k, size, n) in enumerate(zip(place, self._spatial, self._out, strict=True)):
            offset = k * self._window.dilation[axis] - self._pads[axis][0]
            span = (first, last) if axis == 0 else (0, n)
            low, high, found = _axis(offset, self._window.stride[axis], size, *span)
            rows = span[1] - span[0]
            blanks = (slice(0, low), slice(high, rows))
            empty += [(*into, blank) for blank in blanks if blank.start < blank.stop]
            into.append(slice(low, high))
            source.append(found)
        return Place(tuple(into), tuple(source), tuple(empty))

    def _filled(
        self, x: Array, places: list[Place], shape: tuple[int, ...], scratch: Room
    ) -> Array:
        columns = scratch.array("columns", (self._channels, self._places, *shape), x.dtype)
        for k, (into, source, empty) in enumerate(places):
            part = columns[:, k]
            part[into] = x[source]
            for blank in empty:
                part[blank] = 0
        return columns
