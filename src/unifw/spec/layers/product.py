"""Layers that multiply matrices which are both inputs: MatMul and Dot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape
from unifw.spec.layers.merge import axis_index, stretched

__all__ = ["Dot", "MatMul"]


class MatMul(Layer):
    """``x @ y``, the product of matrices that the last two axes hold.

    ``(..., m, k)`` and ``(..., k, n)`` give ``(..., m, n)``, sample by sample. Both have the same number
    of axes; among those before the last two, axes of length 1 are stretched.
    """

    arity = (2, 2)

    def out_shape(self, *shapes: Shape) -> Shape:
        x, y = shapes
        if len(x) != len(y) or len(x) < 2:
            message = (
                "both inputs must have the same number of axes, at least two besides the batch;"
                " Reshape one first"
            )
            raise ShapeError(message)
        if x[-1] != y[-2]:
            message = (
                f"the first input's last axis, {x[-1]}, must be as long as the second's last but one,"
                f" {y[-2]}"
            )
            raise ShapeError(message)
        return (*stretched(x[:-2], y[:-2]), x[-2], y[-1])


@dataclass(frozen=True, repr=False)
class Dot(Layer):
    """Sums the products of two inputs along an axis of each, sample by sample, as Keras' ``Dot``.

    The output has the other axes of the first input, then those of the second, or one axis of length
    1 if there are none.

    Parameters
    ----------
    axes : int or pair of int
        The axis of each input, counted with the batch as 0; negative counts from the end.
    normalize : bool
        Whether to divide both inputs by their lengths along these axes first, which gives cosines;
        default ``False``. Lengths below 1e-6 count as 1e-6.
    """

    arity = (2, 2)

    axes: Any
    normalize: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.axes if isinstance(self.axes, (tuple, list)) else (self.axes, self.axes)
        if len(given) != 2:
            raise self.refuse(f"axes must be one or two whole numbers, got {self.axes!r}")
        check.flag("normalize", self.normalize)
        self.normalise(axes=tuple(check.axis("every one of axes", a) for a in given))

    def places(self, *shapes: Shape) -> tuple[int, int]:
        """Return the place of the summed axis in each input's shape."""
        first, second = (axis_index(a, len(s)) for a, s in zip(self.axes, shapes, strict=True))
        return first, second

    def out_shape(self, *shapes: Shape) -> Shape:
        (x, y), (a, b) = shapes, self.places(*shapes)
        if x[a] != y[b]:
            message = f"axes {self.axes} must be equally long, got {x[a]} and {y[b]}"
            raise ShapeError(message)
        return (*x[:a], *x[a + 1 :], *y[:b], *y[b + 1 :]) or (1,)
