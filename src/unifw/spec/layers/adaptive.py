"""Adaptive pooling: as many windows as are asked for, whatever the size of what comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape, channels

__all__ = [
    "AdaptiveAvgPool",
    "AdaptiveAvgPool1D",
    "AdaptiveAvgPool2D",
    "AdaptiveAvgPool3D",
    "AdaptiveMaxPool",
    "AdaptiveMaxPool1D",
    "AdaptiveMaxPool2D",
    "AdaptiveMaxPool3D",
    "AdaptivePool",
]


@dataclass(frozen=True, repr=False)
class AdaptivePool(Layer):
    """Base of the layers that reduce a given number of bins.

    Parameters
    ----------
    out_size : int or tuple of int
        How many bins there are along each axis.

    Notes
    -----
    ``(channels, *spatial) -> (channels, *out_size)``. Bin ``i`` of ``m`` holds the positions from
    ``floor(i * size / m)`` up to ``ceil((i + 1) * size / m)``, as in PyTorch: bins may share a position at
    their ends, and each holds at least one.
    """

    axes: ClassVar[int]

    out_size: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(out_size=check.ints("out_size", self.out_size, self.axes))

    def bins(self, spatial: Shape) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Return where each bin begins and ends, along each axis."""
        return tuple(
            tuple((i * size // m, -(-(i + 1) * size // m)) for i in range(m))
            for size, m in zip(spatial, self.out_size, strict=True)
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        return (channels(shapes[0], self.axes), *self.out_size)


class AdaptiveMaxPool(AdaptivePool):
    """The largest value of each bin; on ties the gradient goes to the first one alone."""


class AdaptiveAvgPool(AdaptivePool):
    """The mean of each bin."""


class AdaptiveMaxPool1D(AdaptiveMaxPool):
    __doc__ = f"{AdaptiveMaxPool.__doc__}\n{(AdaptivePool.__doc__ or '').partition(chr(10))[2]}"
    axes = 1


class AdaptiveMaxPool2D(AdaptiveMaxPool):
    __doc__ = AdaptiveMaxPool1D.__doc__
    axes = 2


class AdaptiveMaxPool3D(AdaptiveMaxPool):
    __doc__ = AdaptiveMaxPool1D.__doc__
    axes = 3


class AdaptiveAvgPool1D(AdaptiveAvgPool):
    __doc__ = f"{AdaptiveAvgPool.__doc__}\n{(AdaptivePool.__doc__ or '').partition(chr(10))[2]}"
    axes = 1


class AdaptiveAvgPool2D(AdaptiveAvgPool):
    __doc__ = AdaptiveAvgPool1D.__doc__
    axes = 2


class AdaptiveAvgPool3D(AdaptiveAvgPool):
    __doc__ = AdaptiveAvgPool1D.__doc__
    axes = 3
