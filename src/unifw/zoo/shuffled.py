"""Convolutional nets that shuffle channels: ShuffleNet in both versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unifw.errors import SpecError
from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import conv_norm, scaled

__all__ = ["shufflenet_v1", "shufflenet_v2"]

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
    groups, depths = check.count("groups", groups), check.counts("depths", depths)
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


def shufflenet_v2(  # noqa: PLR0913 - each with a default
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    filters: Sequence[int] = (116, 232, 464),
    depths: Sequence[int] = (4, 8, 4),
    stem: int = 24,
    last: int = 1024,
) -> Graph:
    """Return ShuffleNetV2 (Ma et al., 2018), as torchvision has it: half of the channels pass by.

    Parameters
    ----------
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; any size, as the last stage is averaged.
    filters : sequence of int
        Filters of each stage, even numbers; a stage halves the image. Default
        ``(116, 232, 464)``, the paper's 1 x; ``(48, 96, 192)`` is its 0.5 x, ``(176, 352, 704)``
        its 1.5 x, and ``(244, 488, 976)`` with ``last=2048`` its 2 x.
    depths : sequence of int
        Blocks in each stage; default ``(4, 8, 4)``.
    stem : int
        Filters of the first convolution; default 24.
    last : int
        Filters of the last convolution; default 1024.

    Notes
    -----
    2,278,604 parameters.
    """
    filters, depths = check.counts("filters", filters), check.counts("depths", depths)
    if len(filters) != len(depths) or any(f % 2 for f in filters):
        message = f"filters must be even numbers, one for each of depths, got {filters!r}"
        raise SpecError(message)
    start = Input(input_shape)
    x = conv_norm(start, "stem", stem, 3, stride=2)
    x = L.MaxPool2D(3, 2, 1)(x)
    for stage, (wide, depth) in enumerate(zip(filters, depths, strict=True), 2):
        for block in range(1, depth + 1):
            name, half = f"stage{stage}_block{block}", wide // 2
            if block == 1:
                passed = _depth_conv(x, f"{name}_pass_1", stride=2)
                passed = conv_norm(passed, f"{name}_pass_2", half, 1)
                y = _half(x, name, half, stride=2)
            else:
                passed, y = x[:, :half], _half(x[:, half:], name, half)
            x = _shuffled(L.Concatenate()(passed, y), 2)
    x = conv_norm(x, "last", last, 1)
    return Graph(start, L.Dense(classes, name="classes")(L.GlobalAvgPool()(x)), "shufflenet_v2")


def _half(x: Symbol, name: str, filters: int, *, stride: int = 1) -> Symbol:
    x = conv_norm(x, f"{name}_1", filters, 1)
    x = _depth_conv(x, f"{name}_2", stride=stride)
    return conv_norm(x, f"{name}_3", filters, 1)


def _depth_conv(x: Symbol, name: str, *, stride: int) -> Symbol:
    """Convolve each channel by itself."""
    channels = x.shape[0]
    return conv_norm(x, name, channels, 3, stride=stride, groups=channels, activation=None)


def _shuffled(x: Symbol, groups: int) -> Symbol:
    """Deal the channels of each group out to all groups."""
    if groups == 1:
        return x
    channels, *image = x.shape
    x = L.Reshape((groups, channels // groups, *image))(x)
    return L.Reshape((channels, *image))(L.Permute((2, 1, 3, 4))(x))
