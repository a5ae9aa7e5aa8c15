"""Values at other positions: each a weighted mean of those along an axis, so one product for each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

Array = npt.NDArray[Any]


def _products(f: Functional, matrices: Sequence[Array]) -> Applied:
    """Return what multiplies each spatial axis by a matrix ``(positions, new positions)``."""
    # The last axis is multiplied and becomes the first, until each has been the last.
    held = tuple(f.constant(matrix) for matrix in reversed(matrices))
    rank = len(matrices) + 2
    order = (0, 1, rank - 1, *range(2, rank - 1))
    is_image = rank > 3

    def applied(inputs: Any, parts: Any) -> Any:
        y = inputs[0]
        for matrix in held:
            y = f.matmul(y, matrix)
            if is_image:
                y = f.transpose(y, order)
        return y

    return applied


@formulas(L.AdaptiveAvgPool1D, L.AdaptiveAvgPool2D, L.AdaptiveAvgPool3D)
def adaptive_avg_pool(placed: Placed, f: Functional) -> Applied:
    spatial = placed.in_shape[1:]
    matrices = []
    for size, bins in zip(spatial, placed.layer.bins(spatial), strict=True):
        matrix = np.zeros((size, len(bins)))
        for column, (start, stop) in enumerate(bins):
            matrix[start:stop, column] = 1 / (stop - start)
        matrices.append(matrix)
    return _products(f, matrices)


@formulas(L.UpSample1D, L.UpSample2D)
def upsample(placed: Placed, f: Functional) -> Applied:
    layer, spatial = placed.layer, placed.in_shape[1:]
    if layer.mode != "nearest":
        return _products(f, layer.matrices(spatial))
    scale, channels = layer.scale, placed.in_shape[0]
    # For each axis the shape with one for the repeats behind it, and the one where they are part of it.
    shapes = []
    now = (channels, *spatial)
    for axis in range(1, len(now)):
        apart = (-1, *now[: axis + 1], 1, *now[axis + 1 :])
        now = (*now[:axis], now[axis] * scale[axis - 1], *now[axis + 1 :])
        shapes.append((axis + 2, scale[axis - 1], apart, (-1, *now)))

    def applied(inputs: Any, parts: Any) -> Any:
        y = inputs[0]
        for axis, times, apart, joined in shapes:
            if times > 1:
                y = f.concat([f.reshape(y, apart)] * times, axis)
                y = f.reshape(y, joined)
        return y

    return applied
