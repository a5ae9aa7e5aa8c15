"""Convolution in NumPy: windows become columns, slab by slab, and one product gives the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward, rules
from unifw.backends.numpy.layout import batch_first, batch_last
from unifw.backends.numpy.sliding import Columns, Slab
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.window import Pads, Window

__all__ = ["conv", "put_together"]

Array = npt.NDArray[Any]


@rules(L.Conv1D, L.Conv2D, L.Conv3D)
def conv(placed: Placed) -> Forward:
    layer, window, groups, filters = (
        placed.layer, placed.layer.window, placed.layer.groups, placed.layer.filters,
    )  # fmt: skip
    spatial, out = placed.in_shape[1:], placed.out_shape[1:]
    pads = window.pads(spatial)
    columns = Columns(window, pads, placed.in_shape[0], groups, spatial, out)
    gradients = Gradients(placed, columns)

    def forward(call: Call) -> tuple[Array, Backward]:
        x = batch_last(call.inputs[0])
        y = call.room.array("y", (filters, *out, x.shape[-1]), x.dtype)
        flat = _grouped(y, groups)
        weight = call.weights["weight"].reshape(groups, filters // groups, -1)
        bias = call.weights["bias"].reshape(groups, -1, 1) if layer.bias else None
        for slab in columns.slabs(x, call.scratch):
            part = flat[:, :, slab.at]
            np.matmul(weight, slab.matrix, out=part)
            if bias is not None:
                part += bias
        return batch_first(y), lambda dy: gradients(call, x, batch_last(dy))

    return forward


def _grouped(x: Array, groups: int) -> Array:
    """Return ``(groups, channels / groups, values)`` of ``(channels, *spatial, n)``."""
    return x.reshape(groups, len(x) // groups, -1)


class Gradients:
    """The backward pass of a convolution.

    Without a stride, the input's gradient is itself a convolution, of the output's gradient with the
    kernel turned round; the same columns then give the weight's gradient. Else, or where the output
    has so many more channels that those columns would cost more, the input's columns are made again
    for the weight's gradient, and the input's is put together from the gradient of its columns.

    Parameters
    ----------
    placed : Placed
        The layer in its place.
    columns : Columns
        Of its input.
    """

    def __init__(self, placed: Placed, columns: Columns) -> None:
        layer, window, spatial = placed.layer, placed.layer.window, placed.in_shape[1:]
        self._groups, self._filters, self._channels = (
            layer.groups,
            layer.filters,
            placed.in_shape[0],
        )
        self._has_bias, self._columns = layer.bias, columns
        pads = _turned_pads(window, window.pads(spatial))
        self._turned = None
        if pads is not None and self._filters <= 3 * self._channels:
            self._turned = Columns(
                window, pads, self._filters, self._groups, placed.out_shape[1:], spatial,
                is_flipped=True,
            )  # fmt: skip

    def __call__(self, call: Call, x: Array, dy: Array) -> Any:
        """Return the gradients of the input and the weights, in the form of a rule."""
        grads = {"bias": dy.reshape(len(dy), -1).sum(axis=1)} if self._has_bias else {}
        if not call.needs_input_gradient:
            return (None,), grads | {"weight": self._direct(call, x, dy, None)}
        dx = call.room.array("dx", x.shape, x.dtype)
        if self._turned is not None:
            grads["weight"] = self._turned_round(self._turned, call, x, dy, dx)
        else:
            dx.fill(0)
            grads["weight"] = self._direct(call, x, dy, dx)
        return (batch_first(dx),), grads

    # Products are taken with the columns first: for OpenBLAS 0.3 a long sum into few rows and many
    # columns takes twice as long as into many rows and few columns.

    def _direct(self, call: Call, x: Array, dy: Array, dx: Array | None) -> Array:
        kernel = call.weights["weight"]
        weight = kernel.reshape(self._groups, self._filters // self._groups, -1)
        flat = _grouped(dy, self._groups)
        total = np.zeros_like(weight.swapaxes(1, 2))
        for slab in self._columns.slabs(x, call.scratch):
            part = flat[:, :, slab.at]
            total += np.matmul(slab.matrix, part.swapaxes(1, 2))
            if dx is not None:
                room = call.scratch.array("back", slab.matrix.shape, dx.dtype)
                put_together(np.matmul(weight.swapaxes(1, 2), part, out=room), slab, dx)
        return total.swapaxes(1, 2).reshape(kernel.shape)

    def _turned_round(self, columns: Columns, call: Call, x: Array, dy: Array, dx: Array) -> Array:
        kernel, groups = call.weights["weight"], self._groups
        inside, outside = self._channels // groups, self._filters // groups
        weight = kernel.reshape(groups, outside, inside, -1).swapaxes(1, 2)
        turned = weight.reshape(groups, inside, -1)
        flat_x, flat_dx = _grouped(x, groups), _grouped(dx, groups)
        total = np.zeros_like(turned.swapaxes(1, 2))
        for slab in columns.slabs(dy, call.scratch):
            np.matmul(turned, slab.matrix, out=flat_dx[:, :, slab.at])
            total += np.matmul(slab.matrix, flat_x[:, :, slab.at].swapaxes(1, 2))
        # (groups, outside × places, inside) → (groups, outside, inside, places)
        apart = total.reshape(groups, outside, -1, inside).swapaxes(2, 3)
        return apart.reshape(kernel.shape)


def put_together(gradient: Array, slab: Slab, dx: Array) -> None:
    """Add the gradient of a slab's columns to that of the values they were made of."""
    parts = gradient.reshape(len(dx), len(slab.places), *slab.shape)
    for k, (into, source) in enumerate(slab.places):
        dx[source] += parts[:, k][into]


def _turned_pads(window: Window, pads: Pads) -> Pads | None:
    """Return the padding of the convolution backwards; ``None`` if it is not a plain one."""
    if set(window.stride) != {1}:
        return None
    reach = [d * (k - 1) for k, d in zip(window.kernel, window.dilation, strict=True)]
    return tuple((r - before, r - after) for r, (before, after) in zip(reach, pads, strict=True))
