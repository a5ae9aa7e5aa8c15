"""Convolutions one after the other, then dense layers: LeNet, AlexNet, VGG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import conv_relu, dense, scaled

__all__ = ["alexnet", "alexnet_small", "lenet5", "vgg", "vgg11", "vgg16"]


def lenet5(classes: int = 10, input_shape: Any = (1, 28, 28)) -> Graph:
    """Return LeNet-5 (LeCun et al., 1998): tanh and mean pooling.

    As it is built today: every map of the second convolution reads all of the first, pooling has no
    weights, and the last layer is dense. The 28 x 28 of MNIST are padded to the paper's 32 x 32.

    Parameters
    ----------
    classes : int
        Number of logits; default 10.
    input_shape : tuple of int
        Default ``(1, 28, 28)``; at least 12 x 12.

    Notes
    -----
    61,706 parameters.
    """
    x = start = Input(input_shape)
    for number, (filters, padding) in enumerate(((6, 2), (16, 0)), 1):
        x = L.Conv2D(filters, 5, padding=padding, name=f"conv{number}")(x)
        x = L.AvgPool2D(2)(L.Tanh()(x))
    x = L.Flatten()(x)
    for number, units in enumerate((120, 84), 1):
        x = L.Tanh()(L.Dense(units, name=f"dense{number}")(x))
    return Graph(start, L.Dense(classes, name="classes")(x), "lenet5")


def alexnet(
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    width: float = 1.0,
    dropout: float = 0.5,
) -> Graph:
    """Return AlexNet (Krizhevsky et al., 2012) in its one-tower form (Krizhevsky, 2014).

    Parameters
    ----------
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; at least 63 x 63. The dense layers always read 6 x 6 means.
    width : float
        Multiplies filters and hidden units; default 1.
    dropout : float
        Rate before the two hidden dense layers; default 0.5.

    Notes
    -----
    61,100,840 parameters, those of torchvision.
    """
    x = start = Input(input_shape)
    x = conv_relu(x, "conv1", scaled(64, width), 11, stride=4, padding=2)
    x = L.MaxPool2D(3, 2)(x)
    x = conv_relu(x, "conv2", scaled(192, width), 5, padding=2)
    x = L.MaxPool2D(3, 2)(x)
    for number, filters in enumerate((384, 256, 256), 3):
        x = conv_relu(x, f"conv{number}", scaled(filters, width), 3, padding=1)
    x = L.AdaptiveAvgPool2D(6)(L.MaxPool2D(3, 2)(x))
    return Graph(start, _alexnet_head(x, classes, width, dropout), "alexnet")


def alexnet_small(
    classes: int = 10,
    input_shape: Any = (3, 32, 32),
    *,
    width: float = 1.0,
    dropout: float = 0.5,
) -> Graph:
    """Return AlexNet for small images such as CIFAR's.

    Small are the windows, not the layers: all kernels are 3 x 3, the first with stride 2, and
    pooling takes 2 x 2, so that 32 x 32 pixels end as 2 x 2. Filters and hidden units are AlexNet's.

    Parameters
    ----------
    classes : int
        Number of logits; default 10.
    input_shape : tuple of int
        Default ``(3, 32, 32)``; at least 15 x 15.
    width, dropout : float
        As for ``alexnet``.

    Notes
    -----
    23,272,266 parameters.
    """
    x = start = Input(input_shape)
    x = conv_relu(x, "conv1", scaled(64, width), 3, stride=2, padding=1)
    x = L.MaxPool2D(2)(x)
    x = conv_relu(x, "conv2", scaled(192, width), 3, padding=1)
    x = L.MaxPool2D(2)(x)
    for number, filters in enumerate((384, 256, 256), 3):
        x = conv_relu(x, f"conv{number}", scaled(filters, width), 3, padding=1)
    x = L.MaxPool2D(2)(x)
    return Graph(start, _alexnet_head(x, classes, width, dropout), "alexnet_small")


def _alexnet_head(x: Symbol, classes: int, width: float, dropout: float) -> Symbol:
    x = L.Flatten()(x)
    for number in (1, 2):
        x = dense(L.Dropout(dropout)(x), f"dense{number}", scaled(4096, width), L.ReLU())
    return L.Dense(classes, name="classes")(x)


def vgg(  # noqa: PLR0913 - each with a default
    depths: Sequence[int],
    classes: int = 1000,
    input_shape: Any = (3, 224, 224),
    *,
    width: float = 1.0,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> Graph:
    """Return a VGG net (Simonyan & Zisserman, 2015): stages of 3 x 3 convolutions, then pooling.

    Parameters
    ----------
    depths : sequence of int
        Convolutions in each stage; the stages have 64, 128, 256, 512, 512 … filters.
    classes : int
        Number of logits; default 1000.
    input_shape : tuple of int
        Default ``(3, 224, 224)``; each stage halves it. The dense layers always read 7 x 7 means.
    width : float
        Multiplies the filters; default 1.
    hidden : int
        Units of the two hidden dense layers; default 4096.
    dropout : float
        Rate after each of them; default 0.5.
    """
    depths = check.counts("depths", depths)
    x = start = Input(input_shape)
    for stage, depth in enumerate(depths, 1):
        filters = scaled(min(64 << (stage - 1), 512), width)
        for number in range(1, depth + 1):
            x = conv_relu(x, f"stage{stage}_conv{number}", filters, 3, padding=1)
        x = L.MaxPool2D(2)(x)
    x = L.Flatten()(L.AdaptiveAvgPool2D(7)(x))
    for number in (1, 2):
        x = L.Dropout(dropout)(dense(x, f"dense{number}", hidden, L.ReLU()))
    return Graph(start, L.Dense(classes, name="classes")(x), f"vgg{sum(depths) + 3}")


def vgg11(classes: int = 1000, input_shape: Any = (3, 224, 224), **options: Any) -> Graph:
    """Return VGG with 11 layers (configuration A): 132,863,336 parameters; options are ``vgg``'s."""
    return vgg((1, 1, 2, 2, 2), classes, input_shape, **options)


def vgg16(classes: int = 1000, input_shape: Any = (3, 224, 224), **options: Any) -> Graph:
    """Return VGG with 16 layers (configuration D): 138,357,544 parameters; options are ``vgg``'s."""
    return vgg((2, 2, 3, 3, 3), classes, input_shape, **options)
