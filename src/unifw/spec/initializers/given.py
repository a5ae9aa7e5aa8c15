"""Weights that begin with given numbers."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.errors import ShapeError
from unifw.spec.initializers.base import Initializer, Shape

__all__ = ["FromArray"]

SHOWN = 16


@dataclass(frozen=True, repr=False)
class FromArray(Initializer):
    """The weight begins as a copy of an array, whatever the seed; training goes on from there.

    Parameters
    ----------
    array : array_like
        Finite numbers in exactly the weight's shape and neutral layout; kept as float32.

    Notes
    -----
    A frozen value like any other: ``array`` holds the numbers as text (the shape, then base64 of
    little-endian float32), which is what travels with the net as JSON and may be given as well;
    ``values`` is the array again. It is meant for tables of up to some million numbers; give larger
    ones to ``uf.Model(..., weights=)`` or ``model.load_weights``, which keep them out of the
    description.
    """

    array: Any

    def __post_init__(self) -> None:
        values = self._read(self.array) if isinstance(self.array, str) else self._cast(self.array)
        if not np.isfinite(values).all():
            raise self.refuse("the array holds values that are not finite in float32")
        size = "x".join(map(str, values.shape))
        text = base64.b64encode(values.astype("<f4").tobytes()).decode()
        self.normalise(array=f"{size}:{text}")

    @property
    def shape(self) -> Shape:
        """The shape of the array, which is that of the weight."""
        return tuple(int(size) for size in self.array.partition(":")[0].split("x") if size)

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """A copy of the array."""
        return self._read(self.array)

    def fits(self, shape: Shape) -> None:
        if shape != self.shape:
            raise ShapeError(f"the weight has shape {shape}, the array given {self.shape}")

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        return self.values

    def __repr__(self) -> str:
        """Print the numbers if they are few, else their shape."""
        few = math.prod(self.shape) <= SHOWN
        shown = f"{self.values.tolist()}" if few else f"<float32 of shape {self.shape}>"
        return f"{type(self).__name__}({shown})"

    def _cast(self, given: Any) -> npt.NDArray[np.float32]:
        try:
            array = np.asarray(given)
        except ValueError as err:
            raise self.refuse(f"the array's rows differ in length: {err}") from err
        if array.dtype.kind not in "fiu":
            raise self.refuse(f"array must hold real numbers, got {array.dtype}")
        if not array.ndim:
            raise self.refuse(
                f"array must have axes, got the single number {given!r}; use Constant"
            )
        with np.errstate(over="ignore"):  # what overflows is refused as not finite
            return array.astype(np.float32)

    def _read(self, text: str) -> npt.NDArray[np.float32]:
        size, _, rest = text.partition(":")
        try:
            raw = base64.b64decode(rest, validate=True)
        except ValueError:  # also binascii.Error
            raw = b""
        shape = tuple(int(n) for n in size.split("x")) if re.fullmatch(r"\d+(x\d+)*", size) else ()
        if not shape or len(raw) != 4 * math.prod(shape):
            raise self.refuse("this text holds no array")
        return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(shape)
