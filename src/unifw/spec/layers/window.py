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
    """How a window slides over the spatial axes."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | Pads

    def pads(self, spatial: tuple[int, ...]) -> Pads:
        """Return the (before, after) padding of each axis.

        ``"same"`` gives ``ceil(size / stride)`` outputs; an odd unit of padding goes to the end.
        """
        if self.padding == "valid":
            return ((0, 0),) * len(spatial)
        if isinstance(self.padding, tuple):
            return self.padding
        result = []
        for size, k, s, d in zip(spatial, self.kernel, self.stride, self.dilation, strict=True):
            total = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
            result.append((total // 2, total - total // 2))
        return tuple(result)

    def out(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the number of window positions along each axis."""
        result = []
        for axis, (size, (before, after)) in enumerate(
            zip(spatial, self.pads(spatial), strict=True)
        ):
            k, s, d = self.kernel[axis], self.stride[axis], self.dilation[axis]
            positions = (size + before + after - d * (k - 1) - 1) // s + 1
            if positions < 1:
                message = (
                    f"a window of {d * (k - 1) + 1} does not fit into {size} along axis {axis + 1}; "
                    "use a smaller kernel, padding='same' or a larger input"
                )
                raise ShapeError(message)
            result.append(positions)
        return tuple(result)
