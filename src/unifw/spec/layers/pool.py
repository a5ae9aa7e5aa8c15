"""Pooling: the largest or the mean of each window, or of all positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape, channels
from unifw.spec.layers.window import Window, padding

__all__ = [
    "AvgPool",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GlobalPool",
    "MaxPool",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
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
        do not count in a mean unless that is asked for. Less than the window's size.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts as well, provided that it begins in the
        input or before it (PyTorch's rule); default ``False``. ``"same"`` leaves no such window.

    Notes
    -----
    ``(channels, *spatial) -> (channels, *out)``, ``out = (size + pads - pool) // stride + 1``, rounded up
    instead with ``ceil_mode``.
    """

    axes: ClassVar[int]

    pool_size: Any = 2
    stride: Any = None
    padding: Any = "valid"
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        size = check.ints("pool_size", self.pool_size, self.axes)
        stride = size if self.stride is None else check.ints("stride", self.stride, self.axes)
        pads = padding(self.padding, self.axes)
        ceil_mode = check.flag("ceil_mode", self.ceil_mode)
        self.normalise(pool_size=size, stride=stride, padding=pads, ceil_mode=ceil_mode)
        if isinstance(pads, tuple) and any(max(p) >= k for p, k in zip(pads, size, strict=True)):
            raise self.refuse(
                f"padding {pads} must be smaller than pool_size {size}, or a window would see "
                "padding only; put a Pad layer in front if that is meant"
            )

    @property
    def window(self) -> Window:
        """How the window slides."""
        return Window(self.pool_size, self.stride, (1,) * self.axes, self.padding, self.ceil_mode)

    def out_shape(self, *shapes: Shape) -> Shape:
        return (channels(shapes[0], self.axes), *self.window.out(shapes[0][1:]))


class MaxPool(Pool):
    """The largest value of each window; on ties the gradient goes to the first one alone."""


_PARAMETERS, _, _NOTES = (Pool.__doc__ or "").partition("\n")[2].partition("\n    Notes\n")


@dataclass(frozen=True, repr=False)
class AvgPool(Pool):
    __doc__ = f"""The mean of each window.
{_PARAMETERS.rstrip()}
    count_include_pad : bool
        Whether the padding that was asked for counts as zeros in the mean; default ``False``. What
        ``ceil_mode`` adds never counts.

    Notes
{_NOTES}"""

    count_include_pad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(count_include_pad=check.flag("count_include_pad", self.count_include_pad))

    def divisor(self, spatial: Shape) -> npt.NDArray[np.float64]:
        """Return over how many positions each mean is."""
        counts = self.window.counts(spatial, with_padding=self.count_include_pad)
        return reduce(np.multiply.outer, counts, np.ones(()))

    def share(self, spatial: Shape) -> npt.NDArray[np.float64] | None:
        """Return by what a mean that leaves padding out is to be multiplied; ``None`` where by nothing."""
        if not self.count_include_pad:
            return None
        inside = self.replace(count_include_pad=False).divisor(spatial)
        share = np.asarray(inside / self.divisor(spatial))
        return None if (share == 1).all() else share


class MaxPool1D(MaxPool):
    __doc__ = f"{MaxPool.__doc__}\n{(Pool.__doc__ or '').partition(chr(10))[2]}"
    axes = 1


class MaxPool2D(MaxPool):
    __doc__ = MaxPool1D.__doc__
    axes = 2


class MaxPool3D(MaxPool):
    __doc__ = MaxPool1D.__doc__
    axes = 3


class AvgPool1D(AvgPool):
    __doc__ = f"{AvgPool.__doc__}"
    axes = 1


class AvgPool2D(AvgPool):
    __doc__ = f"{AvgPool.__doc__}"
    axes = 2


class AvgPool3D(AvgPool):
    __doc__ = f"{AvgPool.__doc__}"
    axes = 3


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
