"""Targets, checked against what a loss says it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.arrays import array_of, batched, finite, in_range, shape_message, whole
from unifw.errors import DataError
from unifw.spec.losses import Loss, Targets

__all__ = ["target_of"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def target_of(label: str, value: Any, shape: Shape, loss: Loss) -> Array:
    """Return targets for outputs of ``shape``, without the batch; floats, or class numbers as int64.

    Raises
    ------
    DataError
        If they are not what the loss takes; the message names them as ``label``.
    """
    return _CHECKS[loss.targets](label, array_of(label, value), shape, loss)


def _alike(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    """Return numbers in the shape of the outputs."""
    del loss
    if shape == (1,) and array.ndim == 1:
        array = array[:, None]
    if array.shape[1:] != shape:
        raise DataError(shape_message(label, array.shape, shape))
    return finite(label, array)


def _told(label: str, loss: Loss, must: str, array: Array) -> DataError:
    return DataError(
        f"{label} must {must} for {type(loss).__name__}, got {array.min()} … {array.max()}"
    )


def _shares(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    floats = _alike(label, array, shape, loss)
    if ((floats < 0) | (floats > 1)).any():
        raise _told(label, loss, "lie in [0, 1]", floats)
    return floats


def _counts(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    floats = _alike(label, array, shape, loss)
    if (floats < 0).any():
        raise _told(label, loss, "not be negative", floats)
    return floats


def _signs(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    floats = _alike(label, array, shape, loss)
    if not (np.isin(floats, (0, 1)).all() or np.isin(floats, (-1, 1)).all()):
        raise _told(label, loss, "be 0 and 1, or -1 and 1, not all three,", floats)
    return floats


def _probabilities(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    floats = _alike(label, array, shape, loss)
    sums = floats.sum(axis=loss.place(len(shape) + 1))
    if (floats < 0).any() or not np.allclose(sums, 1, atol=1e-4):
        message = f"{label} must be probabilities, but does not sum to 1 over classes"
        if loss.targets is Targets.CLASSES:
            message = (
                f"{label} has the shape of one-hot targets, but does not sum to 1 over classes"
            )
        raise DataError(message)
    return floats


def _classes(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    place = loss.place(len(shape) + 1) - 1
    numbers = (*shape[:place], *shape[place + 1 :])
    if array.shape[1:] == shape:
        return _probabilities(label, array, shape, loss)
    if array.shape[1:] == (*numbers, 1):
        array = array[..., 0]
    if array.shape[1:] != numbers:
        message = (
            f"{label} must be class numbers of shape {batched(numbers)} or one-hot of shape "
            f"{batched(shape)}, got {array.shape}"
        )
        raise DataError(message)
    classes = whole(label, array)
    in_range(label, classes, shape[place], "classes")
    return classes


def _zeros(label: str, array: Array, shape: Shape, loss: Loss) -> Array:
    del shape
    if array.ndim != 1 or array.any():
        message = (
            f"{label}: {type(loss).__name__} compares the outputs with each other, not with targets; "
            "give zeros of shape (n,)"
        )
        raise DataError(message)
    return finite(label, array)


def _labels(label: str, array: Array, shape: Shape, loss: Any) -> Array:
    time, classes = shape
    if array.ndim != 2 or not array.shape[1]:
        message = (
            f"{label} must be class numbers of shape (n, most labels), filled up with -1, got shape "
            f"{array.shape}"
        )
        raise DataError(message)
    labels = whole(label, array)
    in_range(label, np.maximum(labels, 0), classes, "classes")
    there = labels >= 0
    if (labels < -1).any() or (there[:, 1:] & ~there[:, :-1]).any():
        message = f"{label} must hold class numbers, and -1 at the end of a row only"
        raise DataError(message)
    if (labels == loss.blank).any():
        message = f"{label} holds class {loss.blank}, which is the blank and no label"
        raise DataError(message)
    again = ((labels[:, 1:] == labels[:, :-1]) & there[:, 1:]).sum(axis=1)
    needed = there.sum(axis=1) + again
    if (needed > time).any():
        row = int(needed.argmax())
        message = f"{label} needs {needed[row]} steps in row {row}, but the outputs have {time}"
        raise DataError(message)
    return labels


_CHECKS: Mapping[Targets, Callable[[str, Array, Shape, Any], Array]] = MappingProxyType(
    {
        Targets.NUMBERS: _alike,
        Targets.COUNTS: _counts,
        Targets.SHARES: _shares,
        Targets.SIGNS: _signs,
        Targets.PROBABILITIES: _probabilities,
        Targets.CLASSES: _classes,
        Targets.LABELS: _labels,
        Targets.ZEROS: _zeros,
    }
)
