"""How large the whole numbers of an input may be, position by position."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec.graph import Graph, Placed
from unifw.spec.layers import Concatenate, Flatten, Permute, Reshape, Slice

__all__ = ["index_limit", "index_limits", "told_limits"]

Array = npt.NDArray[np.int64]
# What every framework can hold.
MOST = int(np.iinfo(np.int32).max)
ELSEWHERE = -1


def index_limits(graph: Graph, source: str) -> Array:
    """Return below which number each whole number of an input or node must stay, in the shape of one sample.

    That is the smallest limit of the layers it reaches (a table's rows, a series' length), through those that
    only move values; without one, the largest 32-bit number.
    """
    shapes = {node.name: node.shape for node in graph.inputs}
    shapes |= {placed.name: placed.out_shape for placed in graph if placed.dtype == "int"}
    own = np.arange(math.prod(shapes[source])).reshape(1, *shapes[source])
    # Which position of the source is where.
    places = {node.name: np.full((1, *node.shape), ELSEWHERE) for node in graph.inputs}
    places[source] = own
    limits = np.full(own.size, MOST, dtype=np.int64)
    for placed in graph:
        read = [places.get(name) for name in placed.sources]
        known = [seen for seen in read if seen is not None]
        if not known:
            continue
        for place, seen in enumerate(read):
            limit = placed.layer.index_limit(place, *placed.in_shapes)
            if seen is not None and limit is not None:
                reached = seen[seen != ELSEWHERE]
                limits[reached] = np.minimum(limits[reached], limit)
        if placed.dtype == "int" and placed.name != source and len(known) == len(read):
            places[placed.name] = MOVES[type(placed.layer)](placed, known)
    return limits.reshape(own.shape[1:])


def told_limits(graph: Graph, source: str) -> tuple[int, ...]:
    """Return the limits of an input's numbers as a card tells them: none, one for all, or one for each."""
    limits = index_limits(graph, source).ravel().tolist()
    if set(limits) <= {MOST}:
        return ()
    return tuple(limits[:1] if len(set(limits)) == 1 else limits)


def index_limit(graph: Graph, source: str) -> int:
    """Return below which number all values of an integer input may stay: the smallest of its limits."""
    return int(index_limits(graph, source).min())


def _reshaped(placed: Placed, xs: Sequence[Array]) -> Array:
    return xs[0].reshape(1, *placed.out_shape)


def _permuted(placed: Placed, xs: Sequence[Array]) -> Array:
    return xs[0].transpose(0, *placed.layer.axes)


def _joined(placed: Placed, xs: Sequence[Array]) -> Array:
    return np.concatenate(xs, placed.layer.axis)


def _cut(placed: Placed, xs: Sequence[Array]) -> Array:
    x = xs[0]
    for axis, start, stop, step in placed.layer.cuts(placed.in_shape):
        x = x[(slice(None),) * (axis + 1) + (slice(start, stop, step),)]
    return x.reshape(1, *placed.out_shape)


# The layers that move whole numbers about.
MOVES: Mapping[type[Any], Callable[[Placed, Sequence[Array]], Array]] = MappingProxyType(
    {
        Flatten: _reshaped,
        Reshape: _reshaped,
        Permute: _permuted,
        Concatenate: _joined,
        Slice: _cut,
    }
)
