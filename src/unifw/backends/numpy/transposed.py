"""Transposed and separable convolution in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward, rules
from unifw.backends.numpy.convolution import conv, put_together
from unifw.backends.numpy.layout import batch_first, batch_last
from unifw.backends.numpy.sliding import Columns
from unifw.backends.separable import stages
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

Array = npt.NDArray[Any]


@rules(L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D)
def conv_transpose(placed: Placed) -> Forward:
    # The way back of a convolution that reads the output; so its columns are those of the output.
    layer, groups, filters = placed.layer, placed.layer.groups, placed.layer.filters
    spatial, out, channels = placed.in_shape[1:], placed.out_shape[1:], placed.in_shape[0]
    columns = Columns(layer.window, layer.crops(spatial), filters, groups, out, spatial)
    apart = (groups, filters // groups, channels // groups, -1)

    def forward(call: Call) -> tuple[Array, Backward]:
        x = batch_last(call.inputs[0])
        flat = x.reshape(groups, channels // groups, -1)
        matrix = call.weights["weight"].reshape(apart).swapaxes(2, 3)
        matrix = matrix.reshape(groups, -1, channels // groups)
        y = call.room.array("y", (filters, *out, x.shape[-1]), x.dtype)
        y.fill(0)
        for slab in columns.blank(x.shape[-1], x.dtype, call.scratch):
            given = np.matmul(matrix, flat[:, :, slab.at], out=slab.matrix)
            put_together(given, slab, y)
        if layer.bias:
            y += call.weights["bias"].reshape(-1, *(1 for _ in y.shape[1:]))

        def backward(dy: Array) -> Any:
            given = batch_last(dy)
            dx = call.room.array("dx", x.shape, x.dtype)
            total, back = np.zeros_like(matrix), dx.reshape(flat.shape)
            for slab in columns.slabs(given, call.scratch):
                total += np.matmul(slab.matrix, flat[:, :, slab.at].swapaxes(1, 2))
                if call.needs_input_gradient:
                    np.matmul(matrix.swapaxes(1, 2), slab.matrix, out=back[:, :, slab.at])
            weight = total.reshape(groups, filters // groups, -1, channels // groups)
            grads = {"weight": weight.swapaxes(2, 3).reshape(call.weights["weight"].shape)}
            if layer.bias:
                grads["bias"] = given.reshape(filters, -1).sum(axis=1)
            return (batch_first(dx) if call.needs_input_gradient else None,), grads

        return batch_first(y), backward

    return forward


@rules(L.SeparableConv1D, L.SeparableConv2D)
def separable_conv(placed: Placed) -> Forward:
    first, second = map(conv, stages(placed))

    def forward(call: Call) -> tuple[Array, Backward]:
        weights = dict(call.weights)
        depthwise, weights["weight"] = weights.pop("depthwise"), weights.pop("pointwise")
        # What the first leaves must not lie where the second writes.
        room = call.room.within("depthwise")
        middle, back = first(call._replace(weights={"weight": depthwise}, room=room))
        y, behind = second(
            call._replace(weights=weights, inputs=(middle,), needs_input_gradient=True)
        )

        def backward(dy: Array) -> Any:
            (given,), grads = behind(dy)
            dx, found = back(given)
            renamed = {"depthwise": found["weight"], "pointwise": grads["weight"]}
            return dx, renamed | {k: v for k, v in grads.items() if k == "bias"}

        return y, backward

    return forward
