"""Residual nets (He et al., 2016): for small images, and for those of ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unifw.errors import SpecError
from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import conv_norm

__all__ = ["resnet", "resnet8", "resnet18", "resnet20", "resnet34", "resnet50", "resnet_cifar"]


def resnet_cifar(
    depth: int = 1, classes: int = 10, input_shape: Any = (3, 32, 32), *, width: int = 16
) -> Graph:
    """Return the paper's residual net for CIFAR-10: three stages of ``depth`` basic blocks.

    Where a stage halves the image and doubles the filters, the shortcut takes every other pixel and
    pads the channels with zeros (the paper's option A), so it has no weights.

    Parameters
    ----------
    depth : int
        Blocks in each stage; the net has ``6 * depth + 2`` layers. Default 1.
    classes : int
        Number of logits; default 10.
    input_shape : tuple of int
        Default ``(3, 32, 32)``; any size, as the last stage is averaged.
    width : int
        Filters of the first stage, an even number; default 16.
    """
    depth, width = check.count("depth", depth), check.count("width", width, least=2)
    if width % 2:
        message = f"width must be even, as half of the new channels lie on either side, got {width}"
        raise SpecError(message)
    start = Input(input_shape)
    x = conv_norm(start, "stem", width, 3)
    for stage in range(1, 4):
        for block in range(1, depth + 1):
            halves = stage > 1 and block == 1
            shortcut = _subsampled(x) if halves else x
            name = f"stage{stage}_block{block}"
            filters = width << (stage - 1)
            x = _basic(x, shortcut, name, filters, 2 if halves else 1)
    return _classified(start, x, classes, f"resnet{6 * depth + 2}")


def _subsampled(x: Symbol) -> Symbol:
    """Take every other pixel, and put half as many channels of zeros on either side."""
    extra = x.shape[0] // 2
    return L.Pad(((extra, extra), (0, 0), (0, 0)))(L.MaxPool2D(1, 2)(x))


def resnet8(classes: int = 10, input_shape: Any = (3, 32, 32), **options: Any) -> Graph:
    """Return a residual net of 8 layers for CIFAR: 75,290 parameters; options as ``resnet_cifar``'s."""
    return resnet_cifar(1, classes, input_shape, **options)


def resnet20(classes: int = 10, input_shape: Any = (3, 32, 32), **options: Any) -> Graph:
    """Return a residual net of 20 layers for CIFAR: 269,722 parameters; options as ``resnet_cifar``'s."""
    return resnet_cifar(3, classes, input_shape, **options)


def resnet(  # noqa: PLR0913 - each with a default
    depths: Sequence[int],
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    bottleneck: bool = False,
    width: int = 64,
    name: str = "resnet",
) -> Graph:
    """Return the paper's residual net for ImageNet, as torchvision has it.

    Parameters
    ----------
    depths : sequence of int
        Blocks in each stage; a stage halves the image (but for the first) and doubles the filters.
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; any size, as the last stage is averaged.
    bottleneck : bool
        Whether a block is three convolutions (1 x 1, 3 x 3 with the stride, 1 x 1 to four times the
        filters) or, by default, two of 3 x 3.
    width : int
        Filters of the first stage; default 64.
    name : str
        Name of the net; default ``"resnet"``.
    """
    depths, width = check.counts("depths", depths), check.count("width", width)
    check.flag("bottleneck", bottleneck)
    start = Input(input_shape)
    x = conv_norm(start, "stem", width, 7, stride=2)
    x = L.MaxPool2D(3, 2, 1)(x)
    build, expansion = (_bottleneck, 4) if bottleneck else (_basic, 1)
    for stage, depth in enumerate(depths, 1):
        filters = width << (stage - 1)
        for block in range(1, depth + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            label = f"stage{stage}_block{block}"
            shortcut = x
            if stride > 1 or x.shape[0] != filters * expansion:
                shortcut = conv_norm(
                    x, f"{label}_shortcut", filters * expansion, 1, stride=stride, activation=None
                )
            x = build(x, shortcut, label, filters, stride)
    return _classified(start, x, classes, name)


def _basic(x: Symbol, shortcut: Symbol, name: str, filters: int, stride: int) -> Symbol:
    x = conv_norm(x, f"{name}_1", filters, 3, stride=stride)
    x = conv_norm(x, f"{name}_2", filters, 3, activation=None)
    return L.ReLU()(L.Add()(x, shortcut))


def _bottleneck(x: Symbol, shortcut: Symbol, name: str, filters: int, stride: int) -> Symbol:
    x = conv_norm(x, f"{name}_1", filters, 1)
    x = conv_norm(x, f"{name}_2", filters, 3, stride=stride)
    x = conv_norm(x, f"{name}_3", 4 * filters, 1, activation=None)
    return L.ReLU()(L.Add()(x, shortcut))


def _classified(start: Symbol, x: Symbol, classes: int, name: str) -> Graph:
    return Graph(start, L.Dense(classes, name="classes")(L.GlobalAvgPool()(x)), name)


def resnet18(classes: int = 1000, input_shape: Any = (3, 224, 224), *, width: int = 64) -> Graph:
    """Return ResNet-18: 11,689,512 parameters; ``width`` as of ``resnet``."""
    return resnet((2, 2, 2, 2), classes, input_shape, width=width, name="resnet18")


def resnet34(classes: int = 1000, input_shape: Any = (3, 224, 224), *, width: int = 64) -> Graph:
    """Return ResNet-34: 21,797,672 parameters; ``width`` as of ``resnet``."""
    return resnet((3, 4, 6, 3), classes, input_shape, width=width, name="resnet34")


def resnet50(classes: int = 1000, input_shape: Any = (3, 224, 224), *, width: int = 64) -> Graph:
    """Return ResNet-50: 25,557,032 parameters; ``width`` as of ``resnet``."""
    return resnet((3, 4, 6, 3), classes, input_shape, bottleneck=True, width=width, name="resnet50")
