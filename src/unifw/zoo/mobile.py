"""Small convolutional nets: SqueezeNet and MobileNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unifw.errors import SpecError
from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import conv_norm, conv_relu, eights, scaled

__all__ = ["mobilenet_v2", "squeezenet"]


def squeezenet(
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    width: float = 1.0,
    stages: Sequence[Sequence[int]] = ((16, 16), (32, 32), (48, 48, 64, 64)),
    dropout: float = 0.5,
) -> Graph:
    """Return SqueezeNet (Iandola et al., 2016) in version 1.1, as torchvision has it.

    The logits are, as published, the means of a convolution followed by ReLU: never below 0.

    Parameters
    ----------
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; at least 17 x 17 with three stages.
    width : float
        Multiplies the filters; default 1.
    stages : sequence of sequence of int
        Filters that each fire module squeezes to (it expands to eight times as many); a stage begins
        with max pooling.
    dropout : float
        Rate before the last convolution; default 0.5.

    Notes
    -----
    1,235,496 parameters.
    """
    stages = tuple(check.counts("every one of stages", stage) for stage in stages)
    x = start = Input(input_shape)
    x = conv_relu(x, "stem", scaled(64, width), 3, stride=2)
    number = 1
    for stage in stages:
        x = L.MaxPool2D(3, 2, ceil_mode=True)(x)
        for squeeze in stage:
            number += 1
            x = _fire(x, f"fire{number}", scaled(squeeze, width), scaled(4 * squeeze, width))
    x = L.Dropout(dropout)(x)
    x = conv_relu(x, "classes", classes, 1)
    return Graph(start, L.GlobalAvgPool()(x), "squeezenet")


def _fire(x: Symbol, name: str, squeeze: int, expand: int) -> Symbol:
    x = conv_relu(x, f"{name}_squeeze", squeeze, 1)
    return L.Concatenate()(
        conv_relu(x, f"{name}_expand1", expand, 1),
        conv_relu(x, f"{name}_expand3", expand, 3, padding=1),
    )


# Table 2 of the paper: how many times wider a block is inside, its filters, how many there are, and
# the stride of the first.
INVERTED = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(  # noqa: PLR0913 - each with a default
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    width: float = 1.0,
    stages: Sequence[tuple[int, int, int, int]] = INVERTED,
    last: int = 1280,
    dropout: float = 0.2,
) -> Graph:
    """Return MobileNetV2 (Sandler et al., 2018), as torchvision has it: inverted residuals, ReLU6.

    Parameters
    ----------
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; any size, as the last stage is averaged.
    width : float
        Multiplies the filters, which stay multiples of 8; the last ones only where it exceeds 1.
        Default 1.
    stages : sequence of tuple of int
        For each stage how many times wider its blocks are inside, its filters, the number of its
        blocks, and the stride of the first; default those of the paper's table 2.
    last : int
        Filters of the last convolution; default 1280.
    dropout : float
        Rate before the dense layer; default 0.2.

    Notes
    -----
    3,504,872 parameters.
    """
    if any(len(check.counts("every one of stages", stage)) != 4 for stage in stages):
        message = f"every one of stages is (expansion, filters, blocks, stride), got {stages}"
        raise SpecError(message)
    x = start = Input(input_shape)
    x = conv_norm(x, "stem", eights(32, width), 3, stride=2, activation=L.ReLU6())
    for stage, (wider, filters, blocks, stride) in enumerate(stages, 1):
        for block in range(1, blocks + 1):
            name = f"stage{stage}_block{block}"
            step = stride if block == 1 else 1
            x = _inverted(x, name, wider, eights(filters, width), step)
    x = conv_norm(x, "last", eights(last, max(1.0, width)), 1, activation=L.ReLU6())
    x = L.Dropout(dropout)(L.GlobalAvgPool()(x))
    return Graph(start, L.Dense(classes, name="classes")(x), "mobilenet_v2")


def _inverted(x: Symbol, name: str, wider: int, filters: int, stride: int) -> Symbol:
    """Widen, convolve each channel by itself, narrow; nothing cuts off what is narrow."""
    y, inner = x, wider * x.shape[0]
    if wider != 1:
        y = conv_norm(y, f"{name}_widen", inner, 1, activation=L.ReLU6())
    y = conv_norm(
        y, f"{name}_depth", inner, 3, stride=stride, groups=inner, activation=L.ReLU6()
    )  # fmt: skip
    y = conv_norm(y, f"{name}_narrow", filters, 1, activation=None)
    return y + x if y.shape == x.shape else y
