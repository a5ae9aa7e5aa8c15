"""Layers that make one value of all values along axes: Mean, Sum, Max, Min."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape
from unifw.spec.layers.merge import axis_index

__all__ = ["Max", "Mean", "Min", "Reduction", "Sum"]


@dataclass(frozen=True, repr=False)
class Reduction(Layer):
    """Base of the layers that make one value of all values along axes.

    Parameters
    ----------
    axes : int or tuple of int, optional
        Which axes, counted with the batch as 0; negative counts from the end. All but the batch when
        left out.
    keepdims : bool
        Whether these axes stay, 1 long; default ``False``.
    """

    axes: Any = None
    keepdims: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check.flag("keepdims", self.keepdims)
        if self.axes is None:
            return
        axes = self.axes if isinstance(self.axes, (tuple, list)) else (self.axes,)
        if not axes:
            raise self.refuse("axes must name at least one axis; leave them out for all")
        self.normalise(axes=tuple(check.axis("every one of axes", a) for a in axes))

    def places(self, shape: Shape) -> tuple[int, ...]:
        """Return the places of the axes in a sample's shape, in order."""
        rank = len(shape)
        axes = range(1, rank + 1) if self.axes is None else self.axes
        places = sorted(axis_index(axis, rank) for axis in axes)
        if not places:
            message = "there is no axis besides the batch"
            raise ShapeError(message)
        if len(set(places)) < len(places):
            message = f"axes {self.axes} name one of {rank} axes besides the batch twice"
            raise ShapeError(message)
        return tuple(places)

    def out_shape(self, *shapes: Shape) -> Shape:
        (shape,), places = shapes, self.places(shapes[0])
        if self.keepdims:
            return tuple(1 if i in places else n for i, n in enumerate(shape))
        return tuple(n for i, n in enumerate(shape) if i not in places)


class Mean(Reduction):
    """The mean along axes."""


class Sum(Reduction):
    """The sum along axes."""


class Max(Reduction):
    """The largest value along axes.

    Among equal values the first, in row-major order, takes the whole gradient, as in max pooling.
    """


class Min(Reduction):
    """The smallest value along axes.

    Among equal values the first, in row-major order, takes the whole gradient, as in max pooling.
    """
