"""Alink's tables as files: models, rows to train and predict on, and what was predicted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.alink.sparse import SparseRows
from unifw.errors import FileError

__all__ = ["ModelTable", "read_numbers", "read_shares", "vector", "write_rows"]

Array = npt.NDArray[Any]

# A model is a table of the columns model_id, model_info and label_value. The id of a row is the number of a
# text, shifted, plus that of a slice of it: text 0 is the meta data, those from 1 on are the data. Labels
# have rows of their own, whose texts are null.
SHIFT, SLICE, LABELS = 20, 32 * 1024, 0x7FFFFFFF


@dataclass(frozen=True)
class ModelTable:
    """A model of Alink's.

    Attributes
    ----------
    meta, data : dict
        What Alink keeps of the operator, and the numbers.
    labels : tuple of str
        The classes in the order of the numbers; none for a regression.
    label_type : {"BIGINT", "DOUBLE"}
        The type of the column of labels.
    """

    meta: Mapping[str, Any]
    data: Mapping[str, Any]
    labels: tuple[str, ...] = ()
    label_type: str = "BIGINT"

    @property
    def schema(self) -> str:
        """The columns, as Alink's sources are told them."""
        return f"model_id BIGINT, model_info STRING, label_value {self.label_type}"

    def write(self, file: Path) -> None:
        """Write the table as tab-separated values."""
        # Each value of the meta data is itself JSON, within JSON.
        meta = json.dumps({word: json.dumps(value) for word, value in self.meta.items()})
        lines = [
            f"{(number << SHIFT) + place // SLICE}\t{text[place : place + SLICE]}\t\n"
            for number, text in enumerate((meta, json.dumps(self.data)))
            for place in range(0, len(text), SLICE)
        ]
        lines += [f"{(LABELS << SHIFT) + n}\t\t{label}\n" for n, label in enumerate(self.labels)]
        file.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> ModelTable:
        """Read a table that was written as tab-separated values.

        Raises
        ------
        FileError
            If it is no model.
        """
        texts: dict[int, dict[int, str]] = {}
        labels = {}
        try:
            with file.open(encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    number, text, label = line.rstrip("\n").split("\t")
                    kind, place = divmod(int(number), 1 << SHIFT)
                    if kind == LABELS:
                        labels[place] = label
                    else:
                        texts.setdefault(kind, {})[place] = text
            joined = ["".join(texts[kind][n] for n in sorted(texts[kind])) for kind in (0, 1)]
            encoded = json.loads(joined[0])
            meta = {
                word: None if value is None else json.loads(value)
                for word, value in encoded.items()
            }
            data = json.loads(joined[1])
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as err:
            message = f"this is no model table of Alink's that unifw can read: {err!r}"
            raise FileError(message) from err
        ordered = tuple(labels[place] for place in sorted(labels))
        return cls(meta, data, ordered)


def vector(x: Array | SparseRows) -> str:
    """Return the type of a column of such vectors."""
    return "SPARSE_VECTOR" if isinstance(x, SparseRows) else "DENSE_VECTOR"


def write_rows(file: Path, x: Array | SparseRows, *columns: Array) -> None:
    """Write a vector a row, and further columns; floats so that they are read back bit for bit."""
    others = [map(repr, column.tolist()) for column in columns]
    vectors = (
        x.texts() if isinstance(x, SparseRows) else (" ".join(map(repr, row)) for row in x.tolist())
    )
    with file.open("w", encoding="utf-8", newline="\n") as target:
        for row in zip(vectors, *others, strict=True):
            target.write("\t".join(row) + "\n")


def _parts(file: Path) -> Iterable[str]:
    with file.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\n")


def read_numbers(file: Path, rows: int) -> Array:
    """Return what a regression predicted, shape ``(rows, 1)``, from columns of row number and value."""
    found = np.full((rows, 1), np.nan)
    for line in _parts(file):
        number, value = line.split("\t")
        found[int(number), 0] = float(value)
    return found


def read_shares(file: Path, rows: int, classes: int) -> Array:
    """Return the probabilities that were predicted, shape ``(rows, classes)``.

    Columns are row number, class and the probability of each class as JSON; rows come in any order.
    """
    found = np.full((rows, classes), np.nan)
    names = [str(label) for label in range(classes)]
    for line in _parts(file):
        number, _, detail = line.split("\t")
        shares = json.loads(detail)
        found[int(number)] = [float(shares[name]) for name in names]
    return found
