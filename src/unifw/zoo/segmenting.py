"""Nets that say something of every pixel: U-Net."""

from __future__ import annotations

from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import conv_norm

__all__ = ["unet_small"]


def unet_small(
    classes: int = 1, input_shape: Any = (3, 128, 128), *, width: int = 16, depth: int = 3
) -> Graph:
    """Return a small U-Net (Ronneberger et al., 2015): down, up again, and links between the two.

    The paper's form with a quarter of its filters and three halvings instead of four. As it is
    mostly built today, convolutions are padded, so that the logits lie where the pixels are, and
    normalised. With ``"binary_cross_entropy"`` each class is yes or no in every pixel.

    Parameters
    ----------
    classes : int
        Logits of each pixel; default 1.
    input_shape : tuple of int
        Default ``(3, 128, 128)``; height and width are multiples of ``2 ** depth``.
    width : int
        Filters at full size, doubled with each halving; default 16.
    depth : int
        How often the image is halved; default 3.

    Notes
    -----
    482,737 parameters.
    """
    width, depth = check.count("width", width), check.count("depth", depth)
    x = start = Input(input_shape)
    if any(size % 2**depth for size in start.shape[1:]):
        message = f"height and width must be multiples of {2**depth}, got {start.shape[1:]}"
        raise ShapeError(message)
    links = []
    for level in range(1, depth + 1):
        x = _twice(x, f"down{level}", width << (level - 1))
        links.append(x)
        x = L.MaxPool2D(2)(x)
    x = _twice(x, "bottom", width << depth)
    for level in range(depth, 0, -1):
        filters = width << (level - 1)
        up = L.ConvTranspose2D(filters, 2, 2, weight_init="he_normal", name=f"up{level}")
        x = L.Concatenate()(links[level - 1], up(x))
        x = _twice(x, f"up{level}", filters)
    return Graph(start, L.Conv2D(classes, 1, name="classes")(x), "unet_small")


def _twice(x: Symbol, name: str, filters: int) -> Symbol:
    return conv_norm(conv_norm(x, f"{name}_1", filters, 3), f"{name}_2", filters, 3)
