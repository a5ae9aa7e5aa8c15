"""Sliding windows: the arithmetic of kernel, stride, dilation and padding, for any number of axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError, SpecError
from unifw.spec import check

__all__ = ["Pads", "Window", "padding"]

Pads = tuple[tuple[int, int], ...]


def padding(value: Any, axes: int) -> str | Pads:
    """Return padding in its normal form: ``"same"``, ``"valid"`` or a (before, after) pair per axis.

    A whole number pads all sides alike, ``axes`` numbers pad each axis on both sides, and pairs
    say it all.
    """
    if isinstance(value, str):
        return check.choice("padding", value, ("same", "valid"))
    if isinstance(value, (tuple, list)) and any(isinstance(v, (tuple, list)) for v in value):
        if len(value) != axes or not all(
            isinstance(v, (tuple, list)) and len(v) == 2 for v in value
        ):
            message = f"padding must be {axes} pairs (before, after), one per axis, got {value!r}"
            raise SpecError(message)
        return tuple(
            (check.count("padding", a, least=0), check.count("padding", b, least=0))
            for a, b in value
        )
    return tuple((n, n) for n in check.ints("padding", value, axes, least=0))


@dataclass(frozen=True)
class Window:
    """How a window slides over the spatial axes.

    With ``ceil_mode`` a last window that would reach beyond the end counts as well, unless it begins
    behind the input, in the padding or beyond: such a window is given the padding that it lacks.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | Pads
    ceil_mode: bool = False

    def pads(self, spatial: tuple[int, ...]) -> Pads:
        """Return the (before, after) padding of each axis, with which windows reach the end exactly.

        ``"same"`` gives ``ceil(size / stride)`` outputs; an odd unit of padding goes to the end.
        """
        given = self.asked(spatial)
        if not self.ceil_mode:
            return given
        result = []
        for axis, (size, (before, after)) in enumerate(zip(spatial, given, strict=True)):
            reach, step = self._reach(axis), self.stride[axis]
            last = -(-(size + before + after - reach) // step) * step
            last -= step if last >= size + before else 0
            result.append((before, max(after, last + reach - size - before)))
        return tuple(result)

    def asked(self, spatial: tuple[int, ...]) -> Pads:
        """Return the padding of each axis without what ``ceil_mode`` adds."""
        if self.padding == "valid":
            return ((0, 0),) * len(spatial)
        if isinstance(self.padding, tuple):
            return self.padding
        result = []
        for axis, size in enumerate(spatial):
            step = self.stride[axis]
            total = max((-(-size // step) - 1) * step + self._reach(axis) - size, 0)
            result.append((total // 2, total - total // 2))
        return tuple(result)

    def _reach(self, axis: int) -> int:
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def out(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the number of window positions along each axis."""
        result = []
        for axis, (size, (before, after)) in enumerate(
            zip(spatial, self.pads(spatial), strict=True)
        ):
            reach = self._reach(axis)
            positions = (size + before + after - reach) // self.stride[axis] + 1
            if positions < 1:
                message = (
                    f"a window of {reach} does not fit into {size} along axis {axis + 1}; "
                    "use a smaller kernel, padding='same' or a larger input"
                )
                raise ShapeError(message)
            result.append(positions)
        return tuple(result)

    def counts(
        self, spatial: tuple[int, ...], *, with_padding: bool = False
    ) -> tuple[tuple[int, ...], ...]:
        """Return, along each axis, how many positions of each window are inside.

        Inside of the input, or of the input with the padding that was asked for; what ``ceil_mode`` adds
        is never inside. The count of a whole window is the product over the axes.
        """
        result = []
        places = zip(spatial, self.asked(spatial), self.out(spatial), strict=True)
        for axis, (size, (before, after), out) in enumerate(places):
            low, high = (-before, size + after) if with_padding else (0, size)
            starts = (place * self.stride[axis] - before for place in range(out))
            result.append(tuple(min(s + self.kernel[axis], high) - max(s, low) for s in starts))
        return tuple(result)
