"""Transposed convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Shape, channels
from unifw.spec.layers.conv import Conv
from unifw.spec.layers.window import Pads

__all__ = ["ConvTranspose", "ConvTranspose1D", "ConvTranspose2D", "ConvTranspose3D"]


@dataclass(frozen=True, repr=False)
class ConvTranspose(Conv):
    """Puts a learnt kernel, times each input, where it was read by a convolution; the base of three.

    The way back of a convolution (Zeiler et al., 2010): input ``i`` is multiplied by the kernel and added
    from ``i * stride - before`` on.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the kernel along each axis.
    stride, dilation : int or tuple of int
        Distance of neighbouring inputs in the output, and spacing inside the kernel; default 1.
    padding : int, tuple of int, tuple of pairs, "same" or "valid"
        What is cut off the output; default ``"valid"`` (nothing). ``"same"`` gives ``size * stride``
        outputs, an odd one being cut off the end.
    groups : int
        Groups of channels that do not see each other; default 1.
    bias : bool
        Whether to add a bias per output channel; default ``True``.
    weight_init, bias_init : str or Initializer
        How the weights begin; default ``"glorot_uniform"`` and ``"zeros"``.
    output_padding : int or tuple of int
        Outputs added to the end, less than the larger of stride and dilation; default 0. Not with
        ``"same"``, which says the size already.

    Notes
    -----
    ``(channels, *spatial) -> (filters, *out)`` with
    ``out = (size - 1) * stride + dilation * (kernel - 1) + 1 - before - after + output_padding``.
    Weights: ``weight`` ``(filters, channels / groups, *kernel)``, as of every convolution (PyTorch and Keras
    have other orders), ``bias`` ``(filters,)``.
    """

    output_padding: Any = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        extra = check.ints("output_padding", self.output_padding, self.axes, least=0)
        self.normalise(output_padding=extra)
        if self.padding == "same" and any(extra):
            raise self.refuse(
                "output_padding is not for padding='same', which says the size already"
            )
        for more, s, d in zip(extra, self.stride, self.dilation, strict=True):
            if more >= max(s, d):
                raise self.refuse(
                    f"output_padding {more} must be less than the larger of stride {s} and "
                    f"dilation {d}"
                )

    def crops(self, spatial: Shape) -> Pads:
        """Return what is cut off (before, after) along each axis; negative where outputs are added."""
        if self.padding == "same":
            spare = [reach - s for reach, s in zip(self._reaches, self.stride, strict=True)]
            return tuple((max(n, 0) // 2, n - max(n, 0) // 2) for n in spare)
        pads = self.window.asked(spatial)
        return tuple(
            (before, after - more)
            for (before, after), more in zip(pads, self.output_padding, strict=True)
        )

    @property
    def _reaches(self) -> tuple[int, ...]:
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    def out_shape(self, *shapes: Shape) -> Shape:
        size, spatial = channels(shapes[0], self.axes), shapes[0][1:]
        if size % self.groups:
            message = f"{size} input channels cannot be split into groups={self.groups}"
            raise ShapeError(message)
        sizes = zip(spatial, self.stride, self._reaches, self.crops(spatial), strict=True)
        out = tuple((n - 1) * s + reach - sum(crop) for n, s, reach, crop in sizes)
        if min(out) < 1:
            message = (
                f"padding {self.padding} cuts everything off: {out} would be left of {spatial}"
            )
            raise ShapeError(message)
        return (self.filters, *out)


class ConvTranspose1D(ConvTranspose):
    __doc__ = (ConvTranspose.__doc__ or "").replace("; the base of three", "; along one axis")
    axes = 1


class ConvTranspose2D(ConvTranspose):
    __doc__ = (ConvTranspose.__doc__ or "").replace("; the base of three", "; along two axes")
    axes = 2


class ConvTranspose3D(ConvTranspose):
    __doc__ = (ConvTranspose.__doc__ or "").replace("; the base of three", "; along three axes")
    axes = 3
