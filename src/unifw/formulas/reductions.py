"""One value of all values along axes, and parts of axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []


@formulas(L.Mean, L.Sum)
def mean_or_sum(placed: Placed, f: Functional) -> Applied:
    layer = placed.layer
    is_mean, keepdims = isinstance(layer, L.Mean), layer.keepdims
    axes = tuple(place + 1 for place in layer.places(placed.in_shape))

    def applied(inputs: Any, parts: Any) -> Any:
        if is_mean:
            return f.mean(inputs[0], axes, keepdims)
        return f.sum(inputs[0], axes, keepdims)

    return applied


@formulas(L.Max, L.Min)
def extreme(placed: Placed, f: Functional) -> Applied:
    places, shape = placed.layer.places(placed.in_shape), placed.in_shape
    kept = tuple(i for i in range(len(shape)) if i not in places)
    order = (0, *(i + 1 for i in (*kept, *places)))
    size, rows = math.prod(shape[i] for i in places), math.prod(shape[i] for i in kept)
    is_least, out = isinstance(placed.layer, L.Min), (-1, *placed.out_shape)
    # How many stand behind each place, itself included: among equal values the first has the most.
    behind = f.constant(np.arange(size, 0, -1).reshape(1, 1, size))

    def applied(inputs: Any, parts: Any) -> Any:
        x = f.reshape(f.transpose(inputs[0], order), (-1, rows, size))
        y = f.detach(-x if is_least else x)
        places_won = f.where(y >= f.amax(y, (2,), True), 1.0, 0.0) * behind
        first = places_won >= f.amax(places_won, (2,), True)
        return f.reshape(f.sum(f.where(first, x, 0.0), (2,), False), out)

    return applied


@formulas(L.Slice)
def part(placed: Placed, f: Functional) -> Applied:
    cuts, out = placed.layer.cuts(placed.in_shape), (-1, *placed.out_shape)
    is_dropped = len(placed.out_shape) < len(placed.in_shape)

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        for i in range(len(cuts)):
            x = f.cut(x, cuts[i][0] + 1, cuts[i][1], cuts[i][2], cuts[i][3])
        return f.reshape(x, out) if is_dropped else x

    return applied
