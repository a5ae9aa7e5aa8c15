"""Normalisation of each sample by itself."""

from __future__ import annotations

import math
from typing import Any

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []


@formulas(L.RMSNorm)
def rms_norm(placed: Placed, f: Functional) -> Applied:
    layer, rank = placed.layer, len(placed.in_shape) + 1
    axes = tuple(range(rank - layer.axes, rank))
    epsilon, affine = layer.epsilon, layer.affine

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        y = x / f.sqrt(f.mean(x * x, axes, True) + epsilon)
        return y * parts[0] if affine else y

    return applied


@formulas(L.LayerNorm)
def layer_norm(placed: Placed, f: Functional) -> Applied:
    layer, rank = placed.layer, len(placed.in_shape) + 1
    axes = tuple(range(rank - layer.axes, rank))
    epsilon, affine = layer.epsilon, layer.affine

    def applied(inputs: Any, parts: Any) -> Any:
        centred = inputs[0] - f.mean(inputs[0], axes, True)
        y = centred / f.sqrt(f.mean(centred * centred, axes, True) + epsilon)
        return y * parts[0] + parts[1] if affine else y

    return applied


@formulas(L.GroupNorm, L.InstanceNorm)
def group_norm(placed: Placed, f: Functional) -> Applied:
    layer, (channels, *spatial) = placed.layer, placed.in_shape
    groups = layer.groups if isinstance(layer, L.GroupNorm) else channels
    rows, shape = (-1, groups, math.prod(placed.in_shape) // groups), (-1, *placed.in_shape)
    positions = tuple(spatial)
    epsilon, affine = layer.epsilon, layer.affine

    def applied(inputs: Any, parts: Any) -> Any:
        x = f.reshape(inputs[0], rows)
        centred = x - f.mean(x, (2,), True)
        y = centred / f.sqrt(f.mean(centred * centred, (2,), True) + epsilon)
        y = f.reshape(y, shape)
        if affine:
            y = y * f.per_channel(parts[0], positions) + f.per_channel(parts[1], positions)
        return y

    return applied
