"""Windows over arrays of ``(channels, *spatial, n)``, as strided slices; shared by convolution and pooling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.layout import Room
from unifw.spec.layers.window import Pads, Window

__all__ = ["Columns", "Slab", "crop", "pad", "positions"]

Array = npt.NDArray[Any]

# How many numbers a slab of columns holds: with float32 they stay in a core's second cache.
SLAB = 1 << 18


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
    """

    into: Any
    source: Any


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


class Layout(NamedTuple):
    """Where all windows of a padded array are in memory.

    Attributes
    ----------
    padded : tuple of int
        Its shape.
    edges : tuple of index
        Of its padding.
    inside, cropped : index
        Of the rest, and of what is there: padding may be negative, and crop.
    shape, strides, offset : tuple of int, tuple of int, int
        Those of a view of it, the strides in bytes: ``(channels, *kernel, *out, n)``.
    """

    padded: tuple[int, ...]
    edges: tuple[Any, ...]
    inside: Any
    cropped: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


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
    stays in cache, and the product that follows finds it there. A slab is one copy out of a padded array.

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
        self._layouts: dict[tuple[int, int], Layout] = {}

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
        windows = x if self._is_all else self._windows(x, scratch)
        before = (slice(None),) * (1 + len(self._out))
        for first in range(0, count, count if self._is_all else step):
            last = count if self._is_all else min(first + step, count)
            places, shape = self._at(first, last), (last - first, *self._out[1:], x.shape[-1])
            columns = x
            if not self._is_all:
                columns = scratch.array("columns", (self._channels, self._places, *shape), x.dtype)
                apart = (self._channels, *self._window.kernel, *shape)
                columns.reshape(apart)[...] = windows[(*before, slice(first, last))]
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

    def _windows(self, x: Array, scratch: Room) -> Array:
        """Return a view of all windows: ``(channels, *kernel, *out, n)``; of a copy, if there is padding."""
        known = self._layouts.get((x.shape[-1], x.itemsize))
        if known is None:
            known = self._layouts[x.shape[-1], x.itemsize] = self._layout(x)
        padded = x
        if known.padded != x.shape:
            padded = scratch.array("padded", known.padded, x.dtype)
            for edge in known.edges:
                padded[edge] = 0
            padded[known.inside] = x[known.cropped]
        return np.ndarray(known.shape, x.dtype, padded, known.offset, known.strides)

    def _layout(self, x: Array) -> Layout:
        window, every = self._window, slice(None)
        around = [(max(before, 0), max(after, 0)) for before, after in self._pads]
        cropped = [
            slice(max(-before, 0), n - max(-after, 0))
            for n, (before, after) in zip(self._spatial, self._pads, strict=True)
        ]
        sizes = [c.stop - c.start + sum(pair) for c, pair in zip(cropped, around, strict=True)]
        edges = []
        for axis, (size, (before, after)) in enumerate(zip(sizes, around, strict=True), start=1):
            ends = (slice(0, before), slice(size - after, size))
            edges += [(every,) * axis + (end,) for end in ends if end.start < end.stop]
        inside = [
            slice(before, n - after) for n, (before, after) in zip(sizes, around, strict=True)
        ]
        padded = (len(x), *sizes, x.shape[-1])
        channel, *axes, row = (math.prod(padded[i + 1 :]) * x.itemsize for i in range(len(padded)))
        reach = [size * d for size, d in zip(axes, window.dilation, strict=True)]
        offset = 0
        if self._flipped:
            offset = sum(r * (k - 1) for r, k in zip(reach, window.kernel, strict=True))
            reach = [-r for r in reach]
        jumps = [size * step for size, step in zip(axes, window.stride, strict=True)]
        return Layout(
            padded, tuple(edges), (every, *inside), (every, *cropped),
            (len(x), *window.kernel, *self._out, x.shape[-1]), (channel, *reach, *jumps, row), offset,
        )  # fmt: skip

    def _at(self, first: int, last: int) -> list[Place]:
        if (first, last) not in self._known:
            found = [
                self._place(place, first, last)
                for place in itertools.product(*map(range, self._window.kernel))
            ]
            self._known[first, last] = found[::-1] if self._flipped else found
        return self._known[first, last]

    def _place(self, place: tuple[int, ...], first: int, last: int) -> Place:
        into, source = [slice(None)], [slice(None)]
        for axis, (k, size, n) in enumerate(zip(place, self._spatial, self._out, strict=True)):
            offset = k * self._window.dilation[axis] - self._pads[axis][0]
            span = (first, last) if axis == 0 else (0, n)
            low, high, found = _axis(offset, self._window.stride[axis], size, *span)
            into.append(slice(low, high))
            source.append(found)
        return Place(tuple(into), tuple(source))
