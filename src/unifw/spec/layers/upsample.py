"""Upsampling: more values along each axis, repeated or in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape, channels

__all__ = ["UpSample", "UpSample1D", "UpSample2D"]


@dataclass(frozen=True, repr=False)
class UpSample(Layer):
    """Base of the layers that make images or series larger.

    Parameters
    ----------
    scale : int or tuple of int
        How many times as large each axis becomes.
    mode : str
        ``"nearest"`` (default) repeats each value; the other mode, ``"linear"`` for series and ``"bilinear"``
        for images, takes the weighted mean of the two nearest along each axis.
    align_corners : bool
        For the other mode: where new values lie. ``False`` (default): value ``i`` at
        ``(i + 0.5) / scale - 0.5``, held within the ends (half-pixel centres). ``True``: first and last
        values stay first and last, at ``i * (size - 1) / (size * scale - 1)``.

    Notes
    -----
    ``(channels, *spatial) -> (channels, *(size * scale))``; as PyTorch's ``Upsample`` with a scale.
    """

    axes: ClassVar[int]
    linear: ClassVar[str]

    scale: Any
    mode: str = "nearest"
    align_corners: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            scale=check.ints("scale", self.scale, self.axes),
            mode=check.choice("mode", self.mode, ("nearest", self.linear)),
            align_corners=check.flag("align_corners", self.align_corners),
        )
        if self.align_corners and self.mode == "nearest":
            raise self.refuse(f"align_corners is for mode={self.linear!r}; nearest only repeats")

    def out_shape(self, *shapes: Shape) -> Shape:
        size = channels(shapes[0], self.axes)
        return (size, *(n * s for n, s in zip(shapes[0][1:], self.scale, strict=True)))

    def matrices(self, spatial: Shape) -> list[npt.NDArray[np.float64]]:
        """Return the weights of the linear mode along each axis, ``(size, size * scale)``."""
        return [
            _between(self._positions(size, scale), size)
            for size, scale in zip(spatial, self.scale, strict=True)
        ]

    def _positions(self, size: int, scale: int) -> npt.NDArray[np.float64]:
        places = np.arange(size * scale)
        if self.align_corners:
            return np.asarray(places * ((size - 1) / max(size * scale - 1, 1)), dtype=np.float64)
        return np.clip((places + 0.5) / scale - 0.5, 0, size - 1)


def _between(positions: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Return, column by column, the weights of the two values that a position lies between."""
    below = np.floor(positions).astype(int)
    above, share = np.minimum(below + 1, size - 1), positions - below
    matrix, columns = np.zeros((size, len(positions))), np.arange(len(positions))
    np.add.at(matrix, (below, columns), 1 - share)
    np.add.at(matrix, (above, columns), share)
    return matrix


class UpSample1D(UpSample):
    __doc__ = (UpSample.__doc__ or "").replace(
        "Base of the layers that make images or series larger", "Makes series longer"
    )
    axes, linear = 1, "linear"


class UpSample2D(UpSample):
    __doc__ = (UpSample.__doc__ or "").replace(
        "Base of the layers that make images or series larger", "Makes images larger"
    )
    axes, linear = 2, "bilinear"
