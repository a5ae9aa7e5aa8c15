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
    # Output ``stride * j + phase`` gets the inputs ``j - q`` through the places of the (dilated) kernel at
    # ``stride * q + phase``. So all phases come from one product: the inputs at all distances q, side by
    # side, by a kernel with zeros up to a multiple of the stride. Then the phases are put between each other.
    layer, spatial, out = placed.layer, placed.in_shape[1:], placed.out_shape[1:]
    axes, stride, filters = layer.axes, layer.stride, layer.filters
    starts = tuple(before for before, _ in layer.crops(spatial))
    grid = tuple(-(-(b + n) // s) for b, n, s in zip(starts, out, stride, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True))
    counts = tuple(-(-n // s) for n, s in zip(reach, stride, strict=True))
    room = zip(counts, grid, spatial, strict=True)
    pads = (*((q - 1, max(m - n, 0)) for q, m, n in room), (0, 0))
    places, product = math.prod(stride), _product(f, placed, math.prod(stride))
    last, _ = _orders(axes)
    whole, matrix = _whole_kernel(f, layer, counts), (-1, filters * places)
    interleaved, sizes = _interleaved(f, layer, grid), zip(grid, stride, strict=True)
    joined = (-1, filters, *(m * s for m, s in sizes))
    has_bias = layer.bias

    def applied(inputs: Any, parts: Any) -> Any:
        seen = [f.pad(f.transpose(inputs[0], last), pads, 0.0)]
        for axis in range(axes):
            finer = []
            for part in seen:
                for q in range(counts[axis]):
                    start = counts[axis] - 1 - q
                    finer.append(f.cut(part, axis + 1, start, start + grid[axis], 1))
            seen = finer
        y = product(seen, f.reshape(whole(parts[0]), matrix))
        y = f.reshape(interleaved(y), joined)
        for axis in range(axes):
            y = f.cut(y, axis + 2, starts[axis], starts[axis] + out[axis], 1)
        if has_bias:
            y = y + f.per_channel(parts[1], out)
        return y

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


def _product(f: Functional, placed: Placed, times: int = 1) -> Callable[[Any, Any], Any]:
    """Return what multiplies parts ``(n, *spatial, channels)``, side by side, by a matrix.

    Its columns are those of the filters one after the other, ``times`` for each.
    """
    groups, axis = placed.layer.groups, placed.layer.axes + 1
    size, inside = placed.in_shape[0], placed.in_shape[0] // groups
    outside = placed.layer.filters // groups * times

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


def _whole_kernel(f: Functional, layer: Any, counts: Shape) -> Callable[[Any], Any]:
    """Return what makes ``(distances, channels, filters, phases)`` of a weight, zeros in all gaps."""
    axes, kernel, stride, dilation = layer.axes, layer.kernel_size, layer.stride, layer.dilation
    sizes = tuple(q * s for q, s in zip(counts, stride, strict=True))
    # Axis by axis from the last, its distances go to the front and its phases to the end.
    steps, front, behind = [], 1, 1
    for q, s in zip(counts[::-1], stride[::-1], strict=True):
        steps.append((front, -1, q, s, behind))
        front, behind = front * q, behind * s
    end = (front, layer.filters, -1, behind)
    head = (layer.filters, -1)

    def whole(weight: Any) -> Any:
        now = kernel
        for axis in range(axes):
            lead, rest = ((0, 0),) * (axis + 1), ((0, 0),) * (axes - axis - 1)
            size = now[axis]
            if dilation[axis] > 1:
                size = size * dilation[axis]
                weight = f.reshape(weight, (*head, *now[: axis + 1], 1, *now[axis + 1 :]))
                weight = f.pad(weight, (*lead, (0, 0), (0, dilation[axis] - 1), *rest), 0.0)
                weight = f.reshape(weight, (*head, *now[:axis], size, *now[axis + 1 :]))
            if size < sizes[axis]:
                weight = f.pad(weight, (*lead, (0, sizes[axis] - size), *rest), 0.0)
            elif size > sizes[axis]:
                weight = f.cut(weight, axis + 2, 0, sizes[axis], 1)
            now = (*now[:axis], sizes[axis], *now[axis + 1 :])
        for shape in steps:
            weight = f.transpose(f.reshape(weight, shape), (2, 0, 1, 3, 4))
        return f.transpose(f.reshape(weight, end), (0, 2, 1, 3))

    return whole


def _interleaved(f: Functional, layer: Any, grid: Shape) -> Callable[[Any], Any]:
    """Return what puts the phases of ``(n * grid, filters * phases)`` between each other, channels first.

    Axis by axis from the last, as MegEngine 1.13 has seven axes at most.
    """
    steps, done, rest = [], 1, layer.filters * math.prod(layer.stride)
    for m, s in zip(grid[::-1], layer.stride[::-1], strict=True):
        rest //= s
        steps.append((-1, m, done, rest, s))
        done *= m * s
    *others, last = steps

    def interleaved(y: Any) -> Any:
        for shape in others:
            y = f.transpose(f.reshape(y, shape), (0, 1, 4, 2, 3))
        return f.transpose(f.reshape(y, last), (0, 3, 1, 4, 2))

    return interleaved
