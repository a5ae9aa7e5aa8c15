"""Pooling: the largest or the mean of each window, one axis after the other.

The first of the largest in row-major order is the first along the last axis, and among those the first
along the axis before: so a maximum, too, may be taken axis by axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["LOWEST"]

# What stands for "nothing" in a maximum. Not -inf, as MegEngine multiplies it by masks of zeros.
LOWEST = float(np.finfo(np.float32).min)


@formulas(L.MaxPool1D, L.MaxPool2D, L.MaxPool3D)
def max_pool(placed: Placed, f: Functional) -> Applied:
    window, out = placed.layer.window, placed.out_shape[1:]
    pads, axes = window.pads(placed.in_shape[1:]), tuple(range(len(out), 0, -1))
    kernel, stride, is_padded = window.kernel, window.stride, any(map(any, pads))

    def applied(inputs: Any, parts: Any) -> Any:
        y = f.pad(inputs[0], pads, LOWEST) if is_padded else inputs[0]
        for axis in axes:
            step, reach = stride[axis - 1], stride[axis - 1] * (out[axis - 1] - 1) + 1
            largest = f.cut(y, axis + 1, 0, reach, step)
            for place in range(1, kernel[axis - 1]):
                other = f.cut(y, axis + 1, place, place + reach, step)
                largest = f.where(other > largest, other, largest)
            y = largest
        return y

    return applied


@formulas(L.AvgPool1D, L.AvgPool2D, L.AvgPool3D)
def avg_pool(placed: Placed, f: Functional) -> Applied:
    window, out = placed.layer.window, placed.out_shape[1:]
    pads, axes = window.pads(placed.in_shape[1:]), tuple(range(1, len(out) + 1))
    kernel, stride, is_padded = window.kernel, window.stride, any(map(any, pads))
    share = f.constant(1 / placed.layer.divisor(placed.in_shape[1:])[None, None])

    def applied(inputs: Any, parts: Any) -> Any:
        y = f.pad(inputs[0], pads, 0.0) if is_padded else inputs[0]
        for axis in axes:
            step, reach = stride[axis - 1], stride[axis - 1] * (out[axis - 1] - 1) + 1
            total = f.cut(y, axis + 1, 0, reach, step)
            for place in range(1, kernel[axis - 1]):
                total = total + f.cut(y, axis + 1, place, place + reach, step)
            y = total
        return y * share

    return applied


@formulas(L.AdaptiveMaxPool1D, L.AdaptiveMaxPool2D, L.AdaptiveMaxPool3D)
def adaptive_max_pool(placed: Placed, f: Functional) -> Applied:
    bins = placed.layer.bins(placed.in_shape[1:])
    axes = tuple(range(len(bins), 0, -1))

    def applied(inputs: Any, parts: Any) -> Any:
        y = inputs[0]
        for axis in axes:
            found = []
            for start, stop in bins[axis - 1]:
                part = f.cut(y, axis + 1, start, stop, 1)
                size = stop - start
                while size > 1:  # the larger of each two neighbours, until one is left
                    even = f.cut(part, axis + 1, 0, size - size % 2, 2)
                    odd = f.cut(part, axis + 1, 1, size, 2)
                    larger = f.where(odd > even, odd, even)
                    if size % 2:
                        larger = f.concat(
                            [larger, f.cut(part, axis + 1, size - 1, size, 1)], axis + 1
                        )
                    part = larger
                    size = (size + 1) // 2
                found.append(part)
            y = f.concat(found, axis + 1) if len(found) > 1 else found[0]
        return y

    return applied
