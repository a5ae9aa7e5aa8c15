"""Convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Part, Shape, channels
from unifw.spec.layers.weighted import Biased
from unifw.spec.layers.window import Window, padding

__all__ = ["Conv", "Conv1D", "Conv2D", "Conv3D"]


@dataclass(frozen=True, repr=False)
class Conv(Biased):
    """Cross-correlation of channels-first data with learnt kernels; the base of Conv1D, 2D and 3D.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the kernel along each axis.
    stride, dilation : int or tuple of int
        Step of the window, and spacing inside it; default 1.
    padding : int, tuple of int, tuple of pairs, "same" or "valid"
        Zeros added around the input; default ``"valid"`` (none). ``"same"`` gives
        ``ceil(size / stride)`` outputs, an odd zero going to the end.
    groups : int
        Groups of channels that do not see each other; default 1.
    bias : bool
        Whether to add a bias per output channel; default ``True``.
    weight_init, bias_init : str or Initializer
        How the weights begin; default ``"glorot_uniform"`` and ``"zeros"``.
    weight_regularizer, bias_regularizer : str or Regularizer, optional
        What the weights add to the training loss: ``"l1"``, ``"l2"``, ``L2(0.001)`` …
    weight_constraint, bias_constraint : str or Constraint, optional
        What the weights are turned into after each step: ``"non_neg"``, ``MaxNorm(2)`` …

    Notes
    -----
    ``(channels, *spatial) -> (filters, *out)`` with
    ``out = (size + pads - dilation * (kernel - 1) - 1) // stride + 1``.
    Weights: ``weight`` ``(filters, channels / groups, *kernel)``, ``bias`` ``(filters,)``.
    """

    axes: ClassVar[int]

    filters: int
    kernel_size: Any
    stride: Any = 1
    padding: Any = "valid"
    dilation: Any = 1
    groups: int = 1
    bias: bool = True
    weight_init: Any = "glorot_uniform"
    bias_init: Any = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            filters=check.count("filters", self.filters),
            kernel_size=check.ints("kernel_size", self.kernel_size, self.axes),
            stride=check.ints("stride", self.stride, self.axes),
            padding=padding(self.padding, self.axes),
            dilation=check.ints("dilation", self.dilation, self.axes),
            groups=check.count("groups", self.groups),
            bias=check.flag("bias", self.bias),
        )
        if self.filters % self.groups:
            raise self.refuse(f"filters={self.filters} must be a multiple of groups={self.groups}")

    @property
    def window(self) -> Window:
        """How the kernel slides."""
        return Window(self.kernel_size, self.stride, self.dilation, self.padding)

    def out_shape(self, *shapes: Shape) -> Shape:
        size = channels(shapes[0], self.axes)
        if size % self.groups:
            message = f"{size} input channels cannot be split into groups={self.groups}"
            raise ShapeError(message)
        return (self.filters, *self.window.out(shapes[0][1:]))

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        fan_in = shapes[0][0] // self.groups
        area = math.prod(self.kernel_size)
        fans = (fan_in * area, self.filters // self.groups * area)
        shape = (self.filters, fan_in, *self.kernel_size)
        incoming = tuple(range(1, len(shape)))
        parts = {"weight": self.part("weight", shape, fans, incoming)}
        if self.bias:
            parts["bias"] = self.part("bias", (self.filters,), fans, (0,))
        return parts


class Conv1D(Conv):
    __doc__ = (Conv.__doc__ or "").replace("; the base of Conv1D, 2D and 3D", " along one axis")
    axes = 1


class Conv2D(Conv):
    __doc__ = (Conv.__doc__ or "").replace("; the base of Conv1D, 2D and 3D", " along two axes")
    axes = 2


class Conv3D(Conv):
    __doc__ = (Conv.__doc__ or "").replace("; the base of Conv1D, 2D and 3D", " along three axes")
    axes = 3
