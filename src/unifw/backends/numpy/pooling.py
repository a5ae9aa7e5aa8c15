"""Pooling in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward, pure, rules
from unifw.backends.numpy.layout import Room, batch_first, batch_last, blocks
from unifw.backends.numpy.sliding import crop, pad, positions
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.window import Window

__all__: list[str] = []

Array = npt.NDArray[Any]


def _is_tiled(window: Window, padded: tuple[int, ...]) -> bool:
    """Whether each value of the padded input lies in exactly one window."""
    sizes = zip(window.kernel, window.stride, padded, strict=True)
    return all(k == s and n % s == 0 for k, s, n in sizes)


@rules(L.MaxPool1D, L.MaxPool2D, L.MaxPool3D)
def max_pool(placed: Placed) -> Forward:
    window, out = placed.layer.window, placed.out_shape[1:]
    pads = window.pads(placed.in_shape[1:])
    places = list(positions(window, out))

    def forward(call: Call) -> tuple[Array, Backward]:
        x = pad(batch_last(call.inputs[0]), pads, -np.inf, call.room)
        y = call.room.array("y", (len(x), *out, x.shape[-1]), x.dtype)
        cuts = list(blocks(len(x), x[0].size))
        for cut in cuts:
            part, found = x[cut], y[cut]
            found[...] = part[places[0]]
            for place in places[1:]:
                np.maximum(found, part[place], out=found)

        def backward(dy: Array) -> Any:
            dx, given = call.room.array("dx", x.shape, x.dtype), batch_last(dy)
            tiled = _is_tiled(window, x.shape[1:-1])
            for cut in cuts:
                _to_the_first(
                    call.scratch, places, x[cut], y[cut], given[cut], dx[cut], tiled=tiled
                )
            return (batch_first(crop(dx, pads)),), {}

        return batch_first(y), backward

    return forward


def _to_the_first(  # noqa: PLR0913 - two arrays of each pass
    room: Room, places: list[Any], x: Array, y: Array, dy: Array, dx: Array, *, tiled: bool
) -> None:
    """Pass a gradient on to the first value of each window that equals its maximum."""
    rest, part = (room.array(name, y.shape, y.dtype) for name in ("rest", "part"))
    equal = room.array("equal", y.shape, np.bool_)
    rest[...] = dy
    if not tiled:
        dx.fill(0)
    for place in places[:-1]:
        into = dx[place] if tiled else part
        np.multiply(rest, np.equal(x[place], y, out=equal), out=into)
        rest -= into
        if not tiled:
            dx[place] += into
    # Whoever comes last has what is left: an earlier equal has taken it otherwise.
    if tiled:
        dx[places[-1]] = rest
    else:
        dx[places[-1]] += rest


@rules(L.AvgPool1D, L.AvgPool2D, L.AvgPool3D)
def avg_pool(placed: Placed) -> Forward:
    window, spatial, out = placed.layer.window, placed.in_shape[1:], placed.out_shape[1:]
    pads = window.pads(spatial)
    places = list(positions(window, out))
    divisor = placed.layer.divisor(spatial)[..., None]

    def forward(call: Call) -> tuple[Array, Backward]:
        x = pad(batch_last(call.inputs[0]), pads, 0, call.room)
        share = np.asarray(1 / divisor, dtype=x.dtype)
        y = call.room.array("y", (len(x), *out, x.shape[-1]), x.dtype)
        y[...] = x[places[0]]
        for place in places[1:]:
            y += x[place]
        y *= share

        def backward(dy: Array) -> Any:
            part = batch_last(dy) * share
            dx = call.room.array("dx", x.shape, x.dtype)
            if _is_tiled(window, x.shape[1:-1]):
                for place in places:
                    dx[place] = part
            else:
                dx.fill(0)
                for place in places:
                    dx[place] += part
            return (batch_first(crop(dx, pads)),), {}

        return batch_first(y), backward

    return forward


@rules(L.GlobalAvgPool)
def global_avg_pool(placed: Placed) -> Forward:
    size = math.prod(placed.in_shape[1:])

    def forward(call: Call) -> tuple[Array, Backward]:
        x = batch_last(call.inputs[0])

        def backward(dy: Array) -> Any:
            dx = call.room.array("dx", x.shape, x.dtype)
            dx.reshape(len(x), size, -1)[...] = batch_last(dy / size)[:, None]
            return (batch_first(dx),), {}

        return batch_first(x.reshape(len(x), size, -1).mean(axis=1)), backward

    return forward


@rules(L.GlobalMaxPool)
@pure
def global_max_pool(layer: L.GlobalMaxPool, x: Array) -> Any:
    del layer
    flat = x.reshape(*x.shape[:2], -1)
    winner = flat.argmax(axis=2)[:, :, None]

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(flat)
        np.put_along_axis(dx, winner, dy[:, :, None], axis=2)
        return dx.reshape(x.shape)

    return np.take_along_axis(flat, winner, axis=2)[:, :, 0], backward
