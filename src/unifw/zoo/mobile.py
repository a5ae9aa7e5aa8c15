"""Small and quick convolutional nets: SqueezeNet and ShuffleNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unifw.errors import SpecError
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import conv_norm, conv_relu, scaled

__all__ = ["shufflenet_v1", "squeezenet"]


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
    x = start = Input(input_shape)
    x = conv_relu(x, "stem", scaled(64, width), 3, stride=2)
    number = 1
    for stage in stages:
        x = _whole_pool(x)
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


def _whole_pool(x: Symbol) -> Symbol:
    """Pool 3 x 3 with stride 2 so that no pixel is left out: what PyTorch calls ``ceil_mode``."""
    after = tuple((0, (size - 3) % 2) for size in x.shape[1:])
    return L.MaxPool2D(3, 2, after)(x)


# Filters of the first stage by the number of groups: about the same cost (table 1 of the paper).
SHUFFLED = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


def shufflenet_v1(
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    groups: int = 3,
    width: float = 1.0,
    depths: Sequence[int] = (4, 8, 4),
) -> Graph:
    """Return the first ShuffleNet (Zhang et al., 2018): grouped 1 x 1 convolutions and shuffles.

    Parameters
    ----------
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; any size, as the last stage is averaged.
    groups : {1, 2, 3, 4, 8}
        Groups of the 1 x 1 convolutions; default 3.
    width : float
        Multiplies the filters (the paper's s in "ShuffleNet s x"); default 1.
    depths : sequence of int
        Blocks in each stage; a stage halves the image and doubles the filters. Default
        ``(4, 8, 4)``.

    Notes
    -----
    1,864,728 parameters with three groups, the 1.9M of its authors: the last layer has no bias.
    The stride of a stage's first block lies in its mean pooling, which leaves padding out of the
    mean.
    """
    if groups not in SHUFFLED:
        raise SpecError(f"groups must be one of {', '.join(map(str, SHUFFLED))}, got {groups!r}")
    start = Input(input_shape)
    x = conv_norm(start, "stem", scaled(24, width), 3, stride=2)
    x = L.MaxPool2D(3, 2, 1)(x)
    for stage, depth in enumerate(depths, 2):
        filters = scaled(SHUFFLED[groups], width, 4 * groups) << (stage - 2)
        for block in range(1, depth + 1):
            # The stem has few channels: its 1 x 1 convolution is not grouped (section 3.2).
            first = 1 if stage == 2 and block == 1 else groups
            x = _shuffle_block(
                x, f"stage{stage}_block{block}", filters, (first, groups), halves=block == 1
            )
    last = L.Dense(classes, bias=False, name="classes")
    return Graph(start, last(L.GlobalAvgPool()(x)), "shufflenet_v1")


def _shuffle_block(
    x: Symbol, name: str, filters: int, groups: tuple[int, int], *, halves: bool
) -> Symbol:
    inner, stride = filters // 4, 2 if halves else 1
    first, last = groups
    y = conv_norm(x, f"{name}_1", inner, 1, groups=first)
    y = _shuffled(y, last)
    y = conv_norm(y, f"{name}_2", inner, 3, stride=stride, groups=inner, activation=None)
    new = filters - x.shape[0] if halves else filters
    y = conv_norm(y, f"{name}_3", new, 1, groups=last, activation=None)
    if halves:
        return L.Concatenate()(L.AvgPool2D(3, 2, 1)(x), L.ReLU()(y))
    return L.ReLU()(L.Add()(y, x))


def _shuffled(x: Symbol, groups: int) -> Symbol:
    """Deal the channels of each group out to all groups."""
    if groups == 1:
        return x
    channels, *image = x.shape
    x = L.Reshape((groups, channels // groups, *image))(x)
    return L.Reshape((channels, *image))(L.Permute((2, 1, 3, 4))(x))
