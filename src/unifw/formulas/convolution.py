"""Convolutions along any number of axes: what each window sees side by side, then one product.

Inside, channels are last, where a product with a matrix mixes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

Shape = tuple[int, ...]
# A place of the kernel by its number, and the corner in the padded input from which on it reads.
Tap = tuple[int, Shape]


@formulas(L.Conv1D, L.Conv2D, L.Conv3D)
def conv(placed: Placed, f: Functional) -> Applied:
    layer, out = placed.layer, placed.out_shape[1:]
    pads = (*layer.window.pads(placed.in_shape[1:]), (0, 0))
    is_padded, has_bias = any(map(any, pads)), layer.bias
    rows, shape = math.prod(layer.kernel_size) * placed.in_shape[0] // layer.groups, (-1, *out)
    filters, places = layer.filters, _kernel_first(layer.axes)
    seen, product = _seen(f, layer, out), _product(f, placed)
    last, first = _orders(layer.axes)

    def applied(inputs: Any, parts: Any) -> Any:
        x = f.transpose(inputs[0], last)
        if is_padded:
            x = f.pad(x, pads, 0.0)
        y = product(seen(x), f.reshape(f.transpose(parts[0], places), (rows, filters)))
        if has_bias:
            y = y + parts[1]
        return f.transpose(f.reshape(y, (*shape, filters)), first)

    return applied


@formulas(L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D)
def conv_transpose(placed: Placed, f: Functional) -> Applied:
    # Output ``stride * j + phase`` gets the inputs ``j - q`` through the places k of the kernel for which
    # ``dilation * k = stride * q + phase``: for each phase this is a convolution without a stride.
    layer, spatial, out = placed.layer, placed.in_shape[1:], placed.out_shape[1:]
    axes, stride, filters = layer.axes, layer.stride, layer.filters
    starts = tuple(before for before, _ in layer.crops(spatial))
    grid = tuple(-(-(b + n) // s) for b, n, s in zip(starts, out, stride, strict=True))
    shifts = tuple(
        d * (k - 1) // s for k, d, s in zip(layer.kernel_size, layer.dilation, stride, strict=True)
    )
    pads = (
        *((q, max(m - n, 0)) for q, m, n in zip(shifts, grid, spatial, strict=True)),
        (0, 0),
    )
    phases, has_bias = _phases(layer, shifts), layer.bias
    flat = (math.prod(layer.kernel_size), placed.in_shape[0] // layer.groups, filters)
    product, interleaved = _product(f, placed), _interleaved(f, stride, grid, filters)
    kernel, places, (last, first) = flat[1:], _kernel_first(axes), _orders(axes)

    def one(x: Any, weight: Any, taps: Any) -> Any:
        seen, kernels = [], []
        for number, corner in taps:
            part = x
            for axis in range(axes):
                part = f.cut(part, axis + 1, corner[axis], corner[axis] + grid[axis], 1)
            seen.append(part)
            kernels.append(f.reshape(f.cut(weight, 0, number, number + 1, 1), kernel))
        y = product(seen, f.concat(kernels, 0) if len(kernels) > 1 else kernels[0])
        return f.reshape(y, (-1, *grid, filters))

    def applied(inputs: Any, parts: Any) -> Any:
        x = f.pad(f.transpose(inputs[0], last), pads, 0.0)
        weight = f.reshape(f.transpose(parts[0], places), flat)
        found = []
        for taps in phases:
            if len(taps) > 0:
                found.append(one(x, weight, taps))
            else:  # a stride larger than the kernel leaves gaps
                found.append(f.zeros(x, (*grid, filters)))
        y = interleaved(found)
        for axis in range(axes):
            y = f.cut(y, axis + 1, starts[axis], starts[axis] + out[axis], 1)
        if has_bias:
            y = y + parts[1]
        return f.transpose(y, first)

    return applied


# ------------------------------------------------------------------------ what both are made of


def _orders(axes: int) -> tuple[Shape, Shape]:
    """Return the orders that put channels last, and first again."""
    return (0, *range(2, axes + 2), 1), (0, axes + 1, *range(1, axes + 1))


def _kernel_first(axes: int) -> Shape:
    """Return the order that makes ``(*kernel, channels, filters)`` of a weight."""
    return (*range(2, axes + 2), 1, 0)


def _seen(f: Functional, layer: Any, out: Shape) -> Callable[[Any], Any]:
    """Return what cuts out, for each place of the kernel, what all windows see there."""
    axes, kernel, stride, dilation = layer.axes, layer.kernel_size, layer.stride, layer.dilation

    def seen(x: Any) -> Any:
        parts = [x]
        for axis in range(axes):
            step, reach, finer = stride[axis], stride[axis] * (out[axis] - 1) + 1, []
            for part in parts:
                for k in range(kernel[axis]):
                    start = k * dilation[axis]
                    finer.append(f.cut(part, axis + 1, start, start + reach, step))
            parts = finer
        return parts

    return seen


def _product(f: Functional, placed: Placed) -> Callable[[Any, Any], Any]:
    """Return what multiplies parts ``(n, *spatial, channels)``, side by side, by a matrix to all filters."""
    groups, axis = placed.layer.groups, placed.layer.axes + 1
    size, inside, outside = (
        placed.in_shape[0], placed.in_shape[0] // groups, placed.layer.filters // groups,
    )  # fmt: skip

    def product(parts: Any, matrix: Any) -> Any:
        count = len(parts)
        joined = f.concat(parts, axis) if count > 1 else parts[0]
        if groups == 1:
            return f.matmul(f.reshape(joined, (-1, count * size)), matrix)
        rows = f.reshape(joined, (-1, count, size))
        found = []
        for group in range(groups):
            seen = f.cut(rows, 2, group * inside, group * inside + inside, 1)
            given = f.cut(matrix, 1, group * outside, group * outside + outside, 1)
            found.append(f.matmul(f.reshape(seen, (-1, count * inside)), given))
        return f.concat(found, 1)

    return product


def _phases(layer: Any, shifts: Shape) -> tuple[tuple[Tap, ...], ...]:
    """Return the taps of each phase of the stride, the last axis being the quickest to change."""
    phases: list[list[Tap]] = [[(0, ())]]
    for k, s, d, shift in zip(layer.kernel_size, layer.stride, layer.dilation, shifts, strict=True):
        phases = [
            [
                (number * k + place, (*corner, shift - (place * d - phase) // s))
                for number, corner in taps
                for place in range(k)
                if (place * d - phase) % s == 0
            ]
            for taps in phases
            for phase in range(s)
        ]
    return tuple(map(tuple, phases))


def _interleaved(f: Functional, stride: Shape, grid: Shape, filters: int) -> Callable[[Any], Any]:
    """Return what puts the phases between each other, along the last axis first."""
    axes = len(stride)

    def interleaved(found: Any) -> Any:
        now = grid
        for axis in range(axes, 0, -1):
            times = stride[axis - 1]
            apart = (-1, *now[:axis], 1, *now[axis:], filters)
            now = (*now[: axis - 1], now[axis - 1] * times, *now[axis:])
            joined = []
            for first in range(0, len(found), times):
                if times == 1:
                    joined.append(found[first])
                    continue
                some = [f.reshape(found[first + i], apart) for i in range(times)]
                joined.append(f.reshape(f.concat(some, axis + 1), (-1, *now, filters)))
            found = joined
        return found[0]

    return interleaved
