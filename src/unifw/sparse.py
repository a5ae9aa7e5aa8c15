"""Sparse rows as the embedding layers take them: which columns are there, and the numbers in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.arrays import finite, in_range, whole
from unifw.errors import DataError
from unifw.spec import check

__all__ = ["padded"]

WANTED = "a sparse matrix of one row or more in CSR form is wanted, as .tocsr() gives"

Array = npt.NDArray[Any]


def padded(matrix: Any, width: int | None = None) -> tuple[Array, Array]:
    """Return the columns and the numbers of a sparse matrix in rows of one width.

    Column ``c`` becomes index ``c + 1``; index 0 with the number 0 fills a row up. So a net that looks them up
    has a vocabulary of ``matrix.shape[1] + 1``: ``uf.zoo.wide`` and ``uf.zoo.deepfm(…, values=True)`` do. A
    libsvm file is read by ``sklearn.datasets.load_svmlight_file``.

    Parameters
    ----------
    matrix : scipy.sparse matrix or array of shape (n, columns)
        In CSR form; others have ``.tocsr()``.
    width : int, optional
        Default that of the longest row.

    Returns
    -------
    (fields, values) : ndarray of int64 and of float32, each of shape (n, width)
        In the order of the matrix.

    Raises
    ------
    DataError
        If it is no such matrix, holds NaN or infinity, or a row is longer than ``width``: nothing is cut off.

    Examples
    --------
    >>> import unifw as uf
    >>> from scipy.sparse import csr_matrix
    >>> fields, values = uf.sparse.padded(csr_matrix([[0, 5.0, 7.0], [0, 0, 2.0]]))
    >>> fields.tolist(), values.tolist()
    ([[2, 3], [3, 0]], [[5.0, 7.0], [2.0, 0.0]])
    """
    starts, columns, numbers = _parts(matrix)
    lengths = np.diff(starts)
    longest = max(int(lengths.max()), 1)
    if width is None:
        width = longest
    elif longest > check.count("width", width):
        row = int(lengths.argmax())
        message = f"row {row} holds {longest} numbers, more than width={width}; nothing is cut off"
        raise DataError(message)
    fields = np.zeros((len(lengths), width), np.int64)
    values = np.zeros((len(lengths), width), np.float32)
    there = np.arange(width) < lengths[:, None]
    fields[there] = columns + 1
    values[there] = numbers
    return fields, values


def _parts(matrix: Any) -> tuple[Array, Array, Array]:
    """Return where rows start, their columns and their numbers, if they fit together."""
    try:
        starts, columns, numbers = (
            np.asarray(getattr(matrix, name)) for name in ("indptr", "indices", "data")
        )
        rows, width = matrix.shape
    except (AttributeError, TypeError, ValueError) as err:
        message = f"{WANTED}; got {type(matrix).__name__}"
        raise DataError(message) from err
    if getattr(matrix, "format", "csr") != "csr" or len(starts) != rows + 1 or not rows:
        message = f"{WANTED}; got {matrix!r}"
        raise DataError(message)
    if len(columns):
        in_range("columns", whole("columns", columns), width, "columns")
        finite("the matrix", numbers)
    return starts, columns, numbers
