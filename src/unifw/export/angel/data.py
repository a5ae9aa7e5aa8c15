"""``write_data``: arrays in the formats of text that Angel reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.arrays import array_of, finite, whole
from unifw.checkpoint import replacing
from unifw.errors import DataError
from unifw.export.angel import keys
from unifw.spec import check

__all__ = ["write_data"]

Array = npt.NDArray[Any]


def write_data(  # noqa: PLR0913 - two arrays, and how they are written
    path: str | os.PathLike[str],
    x: Any,
    y: npt.ArrayLike,
    *,
    format: str = "dense",  # noqa: A002 - Angel's word
    signs: bool = False,
    first: int = 0,
) -> None:
    """Write rows as Angel reads them: the label, then what ``format`` has of the row.

    Parameters
    ----------
    path : path
        The file; an older one is replaced by a whole new one only.
    x : array of shape (n, ...), or (fields, values)
        Rows of numbers, flattened as ``Flatten`` does it; or the tuple that ``unifw.sparse.padded`` gives, of
        which every place is written, for ``"libsvm"``.
    y : array of shape (n,) or (n, 1)
        Labels: numbers, classes counted from 0, or 0 and 1.
    format : {"dense", "libsvm", "dummy"}
        ``"dense"``, the default, is every number in its place; ``"libsvm"`` is ``column:number`` of those that
        are not 0; ``"dummy"`` is the columns of the ones, and all else must be 0.
    signs : bool
        Whether labels of 0 are written as -1, which logloss and hingeloss (``"binary_cross_entropy"``,
        ``"hinge"``) take for the other side; default ``False``.
    first : int
        What the first column, or index 0 of ``fields``, is called: 0, the default, for Angel; 1 for PyTorch on
        Angel, which subtracts 1.

    Raises
    ------
    DataError
        If the arrays do not fit together, or the format or the signs.
    FileError
        If the file cannot be written.
    """
    check.choice("format", format, keys.DATA_FORMATS)
    check.flag("signs", signs)
    check.count("first", first, least=0)
    labels = _floats("y", y)
    if isinstance(x, tuple):
        lines = _pairs(*_padded(x, labels, format), first)
    else:
        rows = _floats("x", x)
        _check_rows("x", rows, labels)
        lines = WRITERS[format](rows.reshape(len(rows), -1), first)
    words = _labels(labels.reshape(-1), signs=signs)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
        for label, line in zip(words, lines, strict=True):
            file.write(f"{label} {line}".rstrip() + "\n")


def _floats(label: str, given: npt.ArrayLike) -> Array:
    array = array_of(label, given)
    # Whole numbers in float64, where they stay whole.
    return finite(label, array if array.dtype.kind == "f" else array.astype(np.float64))


def _check_rows(label: str, rows: Array, labels: Array) -> None:
    if rows.ndim < 2 or labels.size != len(rows) or labels.shape[0] != len(rows):
        message = (
            f"{label} must have rows, and y one label for each; got shapes {rows.shape} and "
            f"{labels.shape}"
        )
        raise DataError(message)


def _padded(x: tuple[Any, ...], labels: Array, form: str) -> tuple[Array, Array]:
    if len(x) != 2 or form != "libsvm":
        message = "a pair (fields, values) is written in format 'libsvm'; other rows are one array"
        raise DataError(message)
    fields, values = whole("fields", array_of("fields", x[0])), _floats("values", x[1])
    _check_rows("fields", fields, labels)
    if fields.shape != values.shape or fields.ndim != 2 or fields.min() < 0:
        message = (
            "fields and values must be of one shape (n, width), and no field below 0; got "
            f"{fields.shape} and {values.shape}, from {fields.min()} on"
        )
        raise DataError(message)
    return fields, values


def _labels(labels: Array, *, signs: bool) -> list[str]:
    if signs:
        if not np.isin(labels, (-1, 0, 1)).all():
            message = "signs=True takes labels of 0 and 1, or -1 and 1"
            raise DataError(message)
        labels = np.where(labels > 0, 1, -1)
    return [_number(label) for label in labels.tolist()]


def _number(value: float) -> str:
    """Write a number so that it is read back as it was."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _dense(rows: Array, first: int) -> Iterator[str]:
    del first  # places need no names
    for row in rows.tolist():
        yield " ".join(map(_number, row))


def _libsvm(rows: Array, first: int) -> Iterator[str]:
    for row in rows:
        there = np.flatnonzero(row)
        pairs = zip(there.tolist(), row[there].tolist(), strict=True)
        yield " ".join(f"{column + first}:{_number(value)}" for column, value in pairs)


def _pairs(fields: Array, values: Array, first: int) -> Iterator[str]:
    for row, numbers in zip((fields + first).tolist(), values.tolist(), strict=True):
        yield " ".join(f"{c}:{_number(v)}" for c, v in zip(row, numbers, strict=True))


def _dummy(rows: Array, first: int) -> Iterator[str]:
    if not np.isin(rows, (0, 1)).all():
        message = "format 'dummy' holds ones alone; take 'libsvm' for other numbers"
        raise DataError(message)
    for row in rows:
        yield " ".join(map(str, (np.flatnonzero(whole("x", row)) + first).tolist()))


WRITERS: Mapping[str, Callable[[Array, int], Iterator[str]]] = {
    "dense": _dense,
    "libsvm": _libsvm,
    "dummy": _dummy,
}
