"""Layers that move values without computing: Flatten, Reshape, Permute, Pad."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape

__all__ = ["Flatten", "Pad", "Permute", "Reshape"]


class Flatten(Layer):
    """All axes but the batch become one, in row-major order."""

    takes = "any"
    gives = "same"

    def out_shape(self, *shapes: Shape) -> Shape:
        return (math.prod(shapes[0]),)


@dataclass(frozen=True, repr=False)
class Reshape(Layer):
    """The same values, in row-major order, in another shape.

    Parameters
    ----------
    shape : tuple of int
        The new shape without the batch axis; one axis may be -1.
    """

    takes = "any"
    gives = "same"

    shape: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
        if sum(1 for n in given if n == -1) > 1:
            raise self.refuse(f"only one axis of shape may be -1, got {self.shape!r}")
        fixed = tuple(-1 if n == -1 else check.count("every axis of shape", n) for n in given)
        self.normalise(shape=fixed)

    def out_shape(self, *shapes: Shape) -> Shape:
        size = math.prod(shapes[0])
        fixed = math.prod(n for n in self.shape if n != -1)
        if size % fixed or (-1 not in self.shape and size != fixed):
            message = f"{size} values do not fit into {self.shape}"
            raise ShapeError(message)
        return tuple(size // fixed if n == -1 else n for n in self.shape)


@dataclass(frozen=True, repr=False)
class Permute(Layer):
    """Reorders the axes.

    Parameters
    ----------
    axes : tuple of int
        The new order; axes count from 1, as 0 is the batch, which stays. ``(2, 1)`` swaps two axes.
    """

    takes = "any"
    gives = "same"

    axes: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.axes if isinstance(self.axes, (tuple, list)) else (self.axes,)
        axes = tuple(check.count("every axis of axes", a) for a in given)
        if sorted(axes) != list(range(1, len(axes) + 1)):
            raise self.refuse(f"axes must name each of 1 … {len(axes)} once, got {self.axes!r}")
        self.normalise(axes=axes)

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != len(self.axes):
            message = (
                f"axes {self.axes} need {len(self.axes)} axes besides the batch, got {shapes[0]}"
            )
            raise ShapeError(message)
        return tuple(shapes[0][a - 1] for a in self.axes)


@dataclass(frozen=True, repr=False)
class Pad(Layer):
    """Puts a constant around the last axes.

    Parameters
    ----------
    padding : tuple of pairs
        ``(before, after)`` for each of the last axes: ``((1, 1), (2, 2))`` pads height and width.
    value : float
        What is put there; default 0.
    """

    padding: Any
    value: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = self.padding
        if (
            not isinstance(pairs, (tuple, list))
            or not pairs
            or not all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs)
        ):
            raise self.refuse(f"padding must be pairs (before, after), got {pairs!r}")
        self.normalise(
            padding=tuple(check.ints("padding", p, 2, least=0) for p in pairs),
            value=check.number("value", self.value),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        kept = len(shapes[0]) - len(self.padding)
        if kept < 0:
            message = f"{len(self.padding)} pairs of padding for {len(shapes[0])} axes"
            raise ShapeError(message)
        padded = (n + sum(pair) for n, pair in zip(shapes[0][kept:], self.padding, strict=True))
        return (*shapes[0][:kept], *padded)
