"""The layer that cuts a part out of its input: Slice."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec.layers.base import Layer, Shape

__all__ = ["Slice"]


@dataclass(frozen=True, repr=False)
class Slice(Layer):
    """A part of each axis, as ``x[:, 2:5]`` makes of a symbol.

    Parameters
    ----------
    places : tuple
        For each axis after the batch, first to last, what of it stays: a whole number for one position,
        which drops the axis, or ``(start, stop, step)`` as in a Python slice, where ``None`` stands for
        what is left out and steps are at least 1. Negative numbers count from the end. Axes for which
        nothing is said stay whole.

    Examples
    --------
    >>> import unifw as uf
    >>> from unifw import layers as L
    >>> x = uf.Input((3, 8, 8))
    >>> L.Slice((0, (2, -1, None)))(x).shape == x[:, 0, 2:-1].shape == (5, 8)
    True
    """

    takes = "any"
    gives = "same"

    places: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.places if isinstance(self.places, (tuple, list)) else (self.places,)
        self.normalise(places=tuple(self._place(place) for place in given))

    def _place(self, given: Any) -> Any:
        if isinstance(given, slice):
            given = (given.start, given.stop, given.step)
        if not isinstance(given, (tuple, list)):
            return self._whole(given)
        if len(given) != 3:
            raise self.refuse(f"a part of an axis is (start, stop, step), got {given!r}")
        start, stop, step = (None if n is None else self._whole(n) for n in given)
        if step is not None and step < 1:
            raise self.refuse(f"steps must be at least 1, got {step}")
        return (start, stop, None if step == 1 else step)

    def _whole(self, given: Any) -> int:
        wrong = self.refuse(f"places are whole numbers or (start, stop, step), got {given!r}")
        if isinstance(given, bool):
            raise wrong
        try:
            return operator.index(given)
        except TypeError:
            raise wrong from None

    def cuts(self, shape: Shape) -> tuple[tuple[int, int, int, int], ...]:
        """Return ``(place of the axis, start, stop, step)`` for what is cut, none of them negative."""
        if len(self.places) > len(shape):
            message = f"{len(self.places)} places for {len(shape)} axes besides the batch"
            raise ShapeError(message)
        cuts = []
        for axis, (place, size) in enumerate(zip(self.places, shape, strict=False)):
            if isinstance(place, int):
                if not -size <= place < size:
                    message = f"position {place} is not there in axis {axis + 1}, {size} long"
                    raise ShapeError(message)
                cuts.append((axis, place % size, place % size + 1, 1))
                continue
            start, stop, step = slice(*place).indices(size)
            if start >= stop:
                message = f"nothing is left of axis {axis + 1}, {size} long"
                raise ShapeError(message)
            if (start, stop, step) != (0, size, 1):
                cuts.append((axis, start, stop, step))
        return tuple(cuts)

    def out_shape(self, *shapes: Shape) -> Shape:
        sizes = list(shapes[0])
        for axis, start, stop, step in self.cuts(shapes[0]):
            sizes[axis] = len(range(start, stop, step))
        dropped = {axis for axis, place in enumerate(self.places) if isinstance(place, int)}
        return tuple(n for axis, n in enumerate(sizes) if axis not in dropped)
