"""Convolution and pooling in MindSpore.

Series become images of height 1. Padding is put on beforehand, but for the framework's own convolution, which
takes any.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from timeit import repeat
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, ops

from unifw.backends.mindspore.cells import Parts, Rule
from unifw.backends.mindspore.functional import put_around
from unifw.backends.separable import stages
from unifw.formulas.pooling import LOWEST
from unifw.spec.graph import Placed

__all__ = ["AvgPool", "Columns", "MaxPool", "Own", "OwnSeparable", "SeparableConv", "conv"]


def _image(values: tuple[Any, ...], fill: Any) -> tuple[Any, ...]:
    return (fill,) * (2 - len(values)) + values


@cache
def own_is_quicker() -> bool:
    """Tell whether the framework convolves by its own quicker than by columns and a product.

    On a CPU that is measured, once in a process: mindspore 2.10's own takes half the time of the
    columns on some processors and ten times as long on others, for convolutions of all kinds.
    """
    if mindspore.get_context("device_target") != "CPU":
        return True
    x, weight, rows = (
        Tensor(np.ones(shape, dtype=np.float32))
        for shape in ((16, 8, 18, 18), (16, 8, 3, 3), (16, 72))
    )
    conv, product = ops.Conv2D(16, 3), ops.MatMul()

    def own() -> None:
        conv(x, weight).asnumpy()

    def columns() -> None:
        product(rows, ops.reshape(ops.unfold(x, 3), (72, -1))).asnumpy()

    # The first call of each is no measure: it compiles.
    own_took, columns_took = (min(repeat(way, number=1, repeat=4)) for way in (own, columns))
    return own_took < columns_took


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


class Convolution(Windowed):
    """Base of the two ways to convolve."""

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        """Keep what both need."""
        del training
        self.place(placed)
        self.weight, self.bias = parts["weight"], parts.get("bias")
        self.has_bias = placed.layer.bias
        # The gradient of a plus with a bias of another shape takes thrice as long (mindspore 2.10).
        self.add = ops.BiasAdd()

    def finished(self, y: Any) -> Any:
        """Return an image with the bias, in the shape of the output."""
        if self.has_bias:
            y = self.add(y, self.read(self.bias))
        return ops.reshape(y, self.shape) if self.is_series else y


class Own(Convolution):
    """By the framework's own convolution."""

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        super().build(placed, parts, training=training)
        around = tuple(side for pair in _image(self.pads, (0, 0)) for side in pair)
        self.conv = ops.Conv2D(
            placed.layer.filters,
            self.kernel,
            pad_mode="pad",
            pad=around,
            stride=self.stride,
            dilation=self.dilation,
            group=placed.layer.groups,
        )

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x, weight = inputs[0], self.read(self.weight)
        if self.is_series:
            x, weight = ops.expand_dims(x, 2), ops.expand_dims(weight, 2)
        return self.finished(self.conv(x, weight))


class Columns(Convolution):
    """By laying windows out as columns, and one product."""

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        super().build(placed, parts, training=training)
        layer = placed.layer
        groups, size = layer.groups, placed.in_shape[0] * math.prod(self.kernel)
        positions = math.prod(placed.out_shape[1:])
        self.columns = (-1, groups, size // groups, positions)
        self.matrix = (groups, layer.filters // groups, size // groups)
        self.is_grouped = groups > 1
        self.rows = (layer.filters, size)
        self.image = (-1, layer.filters, *_image(placed.out_shape[1:], 1))

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x, weight = self.padded(inputs[0], 0.0), self.read(self.weight)
        columns = ops.unfold(x, self.kernel, self.dilation, 0, self.stride)
        if self.is_grouped:
            y = ops.matmul(ops.reshape(weight, self.matrix), ops.reshape(columns, self.columns))
        else:
            y = ops.matmul(ops.reshape(weight, self.rows), columns)
        return self.finished(ops.reshape(y, self.image))


def conv(placed: Placed, parts: Parts, *, training: bool) -> Rule:
    """Make the cell of a convolution in the way that is quicker here."""
    kind = Own if own_is_quicker() else Columns
    return kind(placed, parts, training=training)


class SeparableConv(Rule):
    """Both its convolutions by the same rule."""

    conv: Callable[..., Rule] = staticmethod(conv)

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        first, second = stages(placed)
        rest = {"weight": parts["pointwise"]} | {k: v for k, v in parts.items() if k == "bias"}
        self.depthwise = self.conv(first, {"weight": parts["depthwise"]}, training=training)
        self.pointwise = self.conv(second, rest, training=training)

    def construct(self, inputs: Any, masks: Any) -> Any:
        return self.pointwise((self.depthwise(inputs, masks),), masks)


class OwnSeparable(SeparableConv):
    conv = Own


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
