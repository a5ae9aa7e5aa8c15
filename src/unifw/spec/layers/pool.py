"""Pooling: the largest or the mean of each window, or of all positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape, channels
from unifw.spec.layers.window import Window, padding

__all__ = [
    "AvgPool",
    "AvgPool1D",
    "AvgPool2D",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GlobalPool",
    "MaxPool",
    "MaxPool1D",
    "MaxPool2D",
    "Pool",
]


@dataclass(frozen=True, repr=False)
class Pool(Layer):
    """Base of the layers that reduce windows.

    Parameters
    ----------
    pool_size : int or tuple of int
        Size of the window along each axis; default 2.
    stride : int or tuple of int, optional
        Step of the window; default the window's size.
    padding : int, tuple of int, tuple of pairs, "same" or "valid"
        Positions added around the input; default ``"valid"`` (none). They never win a maximum and
        do not count in a mean. Less than the window's size.

    Notes
    -----
    ``(channels, *spatial) -> (channels, *out)``, ``out = (size + pads - pool) // stride + 1``.
    """

    axes: ClassVar[int]

    pool_size: Any = 2
    stride: Any = None
    padding: Any = "valid"

    def __post_init__(self) -> None:
        super().__post_init__()
        size = check.ints("pool_size", self.pool_size, self.axes)
        stride = size if self.stride is None else check.ints("stride", self.stride, self.axes)
        pads = padding(self.padding, self.axes)
        self.normalise(pool_size=size, stride=stride, padding=pads)
        if isinstance(pads, tuple) and any(max(p) >= k for p, k in zip(pads, size, strict=True)):
            raise self.refuse(
                f"padding {pads} must be smaller than pool_size {size}, or a window would see "
                "padding only; put a Pad layer in front if that is meant"
            )

    @property
    def window(self) -> Window:
        """How the window slides."""
        return Window(self.pool_size, self.stride, (1,) * self.axes, self.padding)

    def out_shape(self, *shapes: Shape) -> Shape:
        return (channels(shapes[0], self.axes), *self.window.out(shapes[0][1:]))


class MaxPool(Pool):
    """The largest value of each window; on ties the gradient goes to the first one alone."""


class AvgPool(Pool):
    """The mean of each window; padding is not counted."""


class MaxPool1D(MaxPool):
    __doc__ = f"{MaxPool.__doc__}\n{(Pool.__doc__ or '').partition(chr(10))[2]}"
    axes = 1


class MaxPool2D(MaxPool):
    __doc__ = MaxPool1D.__doc__
    axes = 2


class AvgPool1D(AvgPool):
    __doc__ = f"{AvgPool.__doc__}\n{(Pool.__doc__ or '').partition(chr(10))[2]}"
    axes = 1


class AvgPool2D(AvgPool):
    __doc__ = AvgPool1D.__doc__
    axes = 2


class GlobalPool(Layer):
    """Base of the layers that reduce all positions of a channel: ``(channels, *spatial) -> (channels,)``."""

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) < 2:
            message = f"needs input of shape (channels, *spatial), got {shapes[0]}"
            raise ShapeError(message)
        return shapes[0][:1]


class GlobalAvgPool(GlobalPool):
    """The mean over all positions of each channel: ``(channels, *spatial) -> (channels,)``."""


class GlobalMaxPool(GlobalPool):
    """The largest value of each channel: ``(channels, *spatial) -> (channels,)``.

    On ties the gradient goes to the first one alone, in row-major order.
    """
