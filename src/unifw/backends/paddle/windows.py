"""Convolution and pooling in Paddle.

Series go through the operations for images, with a height of 1: those take padding that differs
from side to side, which some for series (paddle 3.3) do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from unifw.backends.eager import Call, Forward, by_formula
from unifw.backends.paddle.functional import functional
from unifw.formulas.table import formulas
from unifw.spec.graph import Placed
from unifw.spec.layers.window import Pads

__all__ = ["avg_pool", "conv", "conv_transpose", "max_pool"]


def _image(values: tuple[int, ...], fill: int) -> list[int]:
    return [*(fill,) * (2 - len(values)), *values]


def _sides(pads: Pads) -> list[int]:
    return [n for pair in ((0, 0),) * (2 - len(pads)) + pads for n in pair]


def _as_image(x: Any) -> Any:
    return x.unsqueeze(2) if x.ndim == 3 else x


def _biased(y: Any, bias: Any) -> Any:
    """Add one number per channel to images.

    Left to broadcasting, which goes over strided memory (paddle 3.3), that costs more than the convolution; so
    the bias is spread out beforehand.
    """
    channels, *spatial = y.shape[1:]
    size = math.prod(spatial)
    spread = bias.reshape([channels, 1]).expand([channels, size]).reshape([-1])
    return (y.flatten(1) + spread).reshape([-1, channels, *spatial])


class _Bias(PyLayer):
    """The same in training: the gradient of the bias is a product with ones, for the same reason.

    Not for a bias that wants no gradient: a backward that gives one is refused (paddle 3.3).
    """

    @staticmethod
    def forward(ctx: Any, y: Any, bias: Any) -> Any:
        del ctx
        return _biased(y, bias)

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        del ctx
        flat = dy.flatten(2)
        ones = paddle.ones([flat.shape[2]], dtype=dy.dtype)
        return dy, paddle.matmul(flat, ones).sum(0)


def conv(placed: Placed) -> Forward:
    layer, window = placed.layer, placed.layer.window
    settings = {
        "stride": _image(window.stride, 1),
        "padding": _sides(window.pads(placed.in_shape[1:])),
        "dilation": _image(window.dilation, 1),
        "groups": layer.groups,
    }
    series, function = layer.axes == 1, F.conv3d if layer.axes == 3 else F.conv2d

    def forward(call: Call) -> Any:
        weight, bias = _as_image(call.weights["weight"]), call.weights.get("bias")
        y = function(_as_image(call.x), weight, None, **settings)
        if bias is not None:
            y = _Bias.apply(y, bias) if call.training and layer.trainable else _biased(y, bias)
        return y.squeeze(2) if series else y

    return forward


def conv_transpose(placed: Placed) -> Forward:
    layer, crops = placed.layer, placed.layer.crops(placed.in_shape[1:])
    if any(-after >= step for (_, after), step in zip(crops, layer.stride, strict=True)):
        # Outputs added to the end, as many as the stride or more, come out wrong (paddle 3.3).
        return by_formula(functional)(formulas.find(layer))(placed)
    settings = {
        "stride": _image(layer.stride, 1),
        "padding": _sides(tuple((before, max(after, 0)) for before, after in crops)),
        "output_padding": _image(tuple(max(-after, 0) for _, after in crops), 0),
        "dilation": _image(layer.dilation, 1),
        "groups": layer.groups,
    }
    function = F.conv3d_transpose if layer.axes == 3 else F.conv2d_transpose
    series, groups, channels = layer.axes == 1, layer.groups, placed.in_shape[0]
    kernel = _image(layer.kernel_size, 1)
    ours = [groups, layer.filters // groups, channels // groups, *kernel]
    theirs = [channels, layer.filters // groups, *kernel]
    order = [0, 2, 1, *range(3, len(ours))]

    def forward(call: Call) -> Any:
        weight = call.weights["weight"].reshape(ours).transpose(order).reshape(theirs)
        y, bias = function(_as_image(call.x), weight, None, **settings), call.weights.get("bias")
        if bias is not None:
            y = _Bias.apply(y, bias) if call.training and layer.trainable else _biased(y, bias)
        return y.squeeze(2) if series else y

    return forward


def max_pool(placed: Placed) -> Forward:
    return _pool(placed, F.max_pool3d if placed.layer.axes == 3 else F.max_pool2d)


def avg_pool(placed: Placed) -> Forward:
    # Padding is never counted: the pool would take what is after an axis to be as much as before it
    # (paddle 3.3).
    pool = _pool(placed, F.avg_pool3d if placed.layer.axes == 3 else F.avg_pool2d)
    share = placed.layer.share(placed.in_shape[1:])
    if share is None:
        return pool
    factor = functional().constant(share[None, None])
    return lambda call: pool(call) * factor


def _pool(placed: Placed, function: Callable[..., Any]) -> Forward:
    window = placed.layer.window
    settings = {
        "kernel_size": _image(window.kernel, 1),
        "stride": _image(window.stride, 1),
        "padding": _sides(window.pads(placed.in_shape[1:])),
    }
    series = placed.layer.axes == 1

    def forward(call: Call) -> Any:
        y = function(_as_image(call.x), **settings)
        return y.squeeze(2) if series else y

    return forward
