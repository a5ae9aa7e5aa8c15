"""Separable convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Part, Shape, channels
from unifw.spec.layers.conv import Conv, Conv1D, Conv2D

__all__ = ["SeparableConv", "SeparableConv1D", "SeparableConv2D"]

_PLAIN: dict[int, type[Conv]] = {1: Conv1D, 2: Conv2D}


@dataclass(frozen=True, repr=False)
class SeparableConv(Conv):
    """A convolution of each channel by itself, then one of 1 that mixes them; the base of two.

    Sifre, 2014; Chollet, 2017.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the first, depthwise kernels along each axis.
    stride, dilation : int or tuple of int
        Step of their window, and spacing inside it; default 1.
    padding : int, tuple of int, tuple of pairs, "same" or "valid"
        Zeros added around the input; default ``"valid"`` (none). ``"same"`` gives
        ``ceil(size / stride)`` outputs, an odd zero going to the end.
    groups : int
        Groups of channels that the second, pointwise convolution does not mix; default 1.
    bias : bool
        Whether to add a bias per output channel, at the end; default ``True``.
    weight_init, bias_init : str or Initializer
        How both kernels and the bias begin; default ``"glorot_uniform"`` and ``"zeros"``. What is said
        of the weight's regularizer and constraint holds for both kernels as well.
    depth_multiplier : int
        Depthwise kernels for each channel; default 1.

    Notes
    -----
    ``(channels, *spatial) -> (filters, *out)``, ``out`` as that of ``Conv``. Weights: ``depthwise``
    ``(channels * depth_multiplier, 1, *kernel)``, those of a channel behind each other, ``pointwise``
    ``(filters, channels * depth_multiplier / groups, 1 …)``, ``bias`` ``(filters,)``.
    """

    depth_multiplier: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(depth_multiplier=check.count("depth_multiplier", self.depth_multiplier))

    def stages(self, size: int) -> tuple[Conv, Conv]:
        """Return the two convolutions that it is, for an input of so many channels."""
        plain, middle = _PLAIN[self.axes], size * self.depth_multiplier
        first = plain(
            middle, self.kernel_size, self.stride, self.padding, self.dilation, size, bias=False
        )
        return first, plain(
            self.filters, 1, groups=self.groups, bias=self.bias, trainable=self.trainable
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        size = channels(shapes[0], self.axes)
        if size * self.depth_multiplier % self.groups:
            message = (
                f"{size} input channels times depth_multiplier={self.depth_multiplier} cannot be "
                f"split into groups={self.groups}"
            )
            raise ShapeError(message)
        first, second = self.stages(size)
        return second.out_shape(first.out_shape(*shapes))

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        size, area = shapes[0][0], math.prod(self.kernel_size)
        middle, ones = size * self.depth_multiplier, (1,) * self.axes
        inner = (middle // self.groups, self.filters // self.groups)
        fans, incoming = (area, self.depth_multiplier * area), tuple(range(1, self.axes + 2))
        parts = {
            "depthwise": self.part("weight", (middle, 1, *self.kernel_size), fans, incoming),
            "pointwise": self.part("weight", (self.filters, inner[0], *ones), inner, incoming),
        }
        if self.bias:
            parts["bias"] = self.part("bias", (self.filters,), inner, (0,))
        return parts


class SeparableConv1D(SeparableConv):
    __doc__ = (SeparableConv.__doc__ or "").replace("; the base of two", ", along one axis")
    axes = 1


class SeparableConv2D(SeparableConv):
    __doc__ = (SeparableConv.__doc__ or "").replace("; the base of two", ", along two axes")
    axes = 2
