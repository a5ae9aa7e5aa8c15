"""Checks of single arrays that users give; each returns the array in its normal form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.errors import DataError

__all__ = ["array_of", "batched", "finite", "in_range", "shape_message", "whole"]

Array = npt.NDArray[Any]


def array_of(label: str, value: Any) -> Array:
    """Return what users gave as an array of numbers with one row per sample."""
    try:
        array = np.asarray(value)
    except ValueError as err:
        message = f"{label} cannot become an array: its rows differ in length"
        raise DataError(message) from err
    if array.dtype.kind not in "fiub":
        message = f"{label} must hold numbers, got dtype {array.dtype}"
        raise DataError(message)
    if array.ndim == 0:
        message = f"{label} must have one row per sample, got a single number"
        raise DataError(message)
    if not len(array):
        message = f"{label} is empty"
        raise DataError(message)
    return array


def shape_message(label: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return what is wrong with a shape, and the mend."""
    message = f"{label} must have shape {batched(wanted)}, got {got}"
    if got == wanted:
        return message + "; for one sample use x[None]"
    if len(got) == len(wanted) + 1 and got[1:] == (*wanted[1:], wanted[0]):
        return message + "; channels go first: use numpy.moveaxis(x, -1, 1)"
    if int(np.prod(got[1:])) == int(np.prod(wanted)):
        return message + f"; use x.reshape(-1, {', '.join(map(str, wanted))})"
    return message


def finite(label: str, array: Array) -> Array:
    """Return the array as floats, none of them NaN, infinite or beyond float32."""
    floats = array if array.dtype.kind == "f" else array.astype(np.float32)
    largest = np.finfo(np.float32).max
    # Both are NaN where a value is, and then neither comparison holds.
    if not (floats.max() <= largest and floats.min() >= -largest):
        good = np.abs(floats) <= largest
        rows = np.flatnonzero(~good.reshape(len(floats), -1).all(axis=1))
        message = (
            f"{label} holds NaN or infinity (or numbers beyond float32) in {len(rows)} rows, the "
            f"first being row {rows[0]}"
        )
        raise DataError(message)
    return floats if floats.dtype == np.float64 else floats.astype(np.float32, copy=False)


def whole(label: str, array: Array) -> Array:
    """Return the array as int64, if it holds whole numbers."""
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.floor(array))).all():
        message = f"{label} must hold whole numbers, got dtype {array.dtype} with fractions"
        raise DataError(message)
    if array.dtype.kind in "fu" and (array.max() >= 2**63 or array.min() < -(2**63)):
        message = f"{label} must hold whole numbers of 64 bits, got {array.min()} … {array.max()}"
        raise DataError(message)
    return array.astype(np.int64)


def in_range(label: str, array: Array, size: int, what: str) -> None:
    """Refuse whole numbers that are not in ``0 … size - 1``, which count ``what``."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= size:
        message = f"{label} must lie in 0 … {size - 1} ({size} {what}), got {low} … {high}"
        raise DataError(message)


def batched(shape: tuple[int, ...]) -> str:
    """Return a shape without the batch as it is written with it: ``"(n, 3, 4)"``."""
    return f"({', '.join(map(str, ('n', *shape)))})"
