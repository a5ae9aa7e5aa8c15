"""Layers that join several inputs: Add, Multiply, Concatenate."""

from __future__ import annotations

from dataclasses import dataclass

from unifw.errors import ShapeError
from unifw.spec.layers.base import Layer, Shape

__all__ = ["Add", "Concatenate", "Merge", "Multiply", "axis_index"]


def axis_index(axis: int, rank: int) -> int:
    """Return the place of ``axis`` (counted with the batch as 0, or from the end) in a sample's shape."""
    if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
        message = f"axis must be a whole number other than 0, the batch, got {axis!r}"
        raise ShapeError(message)
    place = axis - 1 if axis > 0 else rank + axis
    if not 0 <= place < rank:
        message = f"axis {axis} is not there in input of {rank} axes besides the batch"
        raise ShapeError(message)
    return place


class Merge(Layer):
    """Base of the layers that combine inputs value by value; axes of length 1 are stretched."""

    arity = (2, None)

    def out_shape(self, *shapes: Shape) -> Shape:
        if len({len(s) for s in shapes}) > 1:
            message = f"inputs must have the same number of axes, got {shapes}; Reshape one first"
            raise ShapeError(message)
        result = []
        for sizes in zip(*shapes, strict=True):
            wide = set(sizes) - {1}
            if len(wide) > 1:
                message = f"inputs must have the same shape (or 1 along an axis), got {shapes}"
                raise ShapeError(message)
            result.append(wide.pop() if wide else 1)
        return tuple(result)


class Add(Merge):
    """The sum of its inputs; axes of length 1 are stretched."""


class Multiply(Merge):
    """The product of its inputs; axes of length 1 are stretched."""


@dataclass(frozen=True, repr=False)
class Concatenate(Layer):
    """Puts its inputs behind each other along an axis.

    Parameters
    ----------
    axis : int
        Counted with the batch as 0: default 1, the channels. Negative counts from the end.
    """

    takes = "any"
    gives = "same"
    arity = (2, None)

    axis: int = 1

    def out_shape(self, *shapes: Shape) -> Shape:
        place = axis_index(self.axis, len(shapes[0]))
        rest = {(*s[:place], *s[place + 1 :]) for s in shapes}
        if len({len(s) for s in shapes}) > 1 or len(rest) > 1:
            message = f"inputs must agree in all axes but axis {self.axis}, got {shapes}"
            raise ShapeError(message)
        joined = sum(s[place] for s in shapes)
        return (*shapes[0][:place], joined, *shapes[0][place + 1 :])
