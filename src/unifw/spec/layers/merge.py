"""Layers that join several inputs: value by value, or behind each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Divide",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Subtract",
    "axis_index",
    "stretched",
]


def axis_index(axis: int, rank: int) -> int:
    """Return the place of ``axis`` (counted with the batch as 0, or from the end) in a sample's shape."""
    place = axis - 1 if axis > 0 else rank + axis
    if not 0 <= place < rank:
        message = f"axis {axis} is not there in input of {rank} axes besides the batch"
        raise ShapeError(message)
    return place


def stretched(*shapes: Shape) -> Shape:
    """Return the shape that shapes of one length have in common when axes of length 1 are stretched."""
    result = []
    for sizes in zip(*shapes, strict=True):
        wide = set(sizes) - {1}
        if len(wide) > 1:
            message = f"inputs must have the same shape (or 1 along an axis), got {shapes}"
            raise ShapeError(message)
        result.append(wide.pop() if wide else 1)
    return tuple(result)


class Merge(Layer):
    """Base of the layers that combine inputs value by value; axes of length 1 are stretched."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)

    def out_shape(self, *shapes: Shape) -> Shape:
        if len({len(s) for s in shapes}) > 1:
            message = f"inputs must have the same number of axes, got {shapes}; Reshape one first"
            raise ShapeError(message)
        return stretched(*shapes)


class Add(Merge):
    """The sum of its inputs; axes of length 1 are stretched."""


class Multiply(Merge):
    """The product of its inputs; axes of length 1 are stretched."""


class Subtract(Merge):
    """The first input minus the second; axes of length 1 are stretched."""

    arity = (2, 2)


class Divide(Merge):
    """The first input over the second; axes of length 1 are stretched."""

    arity = (2, 2)


class Average(Merge):
    """The mean of its inputs; axes of length 1 are stretched."""


class Maximum(Merge):
    """The largest of its inputs, value by value; axes of length 1 are stretched.

    Among equal values the first input takes the whole gradient.
    """


class Minimum(Merge):
    """The smallest of its inputs, value by value; axes of length 1 are stretched.

    Among equal values the first input takes the whole gradient.
    """


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

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(axis=check.axis("axis", self.axis))

    def out_shape(self, *shapes: Shape) -> Shape:
        place = axis_index(self.axis, len(shapes[0]))
        rest = {(*s[:place], *s[place + 1 :]) for s in shapes}
        if len({len(s) for s in shapes}) > 1 or len(rest) > 1:
            message = f"inputs must agree in all axes but axis {self.axis}, got {shapes}"
            raise ShapeError(message)
        joined = sum(s[place] for s in shapes)
        return (*shapes[0][:place], joined, *shapes[0][place + 1 :])
