"""One ``.npz`` that NumPy alone runs: weights, and a program that ``runners/run_numpy.py`` reads."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unifw.errors import FileError
from unifw.export.card import Card, parse_card
from unifw.export.content import Content
from unifw.export.format import LARGEST, Format, bounded, program
from unifw.export.numpy_recorder import record, rules
from unifw.export.runners.run_numpy import WORDS
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "Npz"]

VERSION = 1


class Npz(Format):
    """Files that end in ``.npz``."""

    name = "numpy"
    title = "one NumPy archive, with a reader of 130 lines"
    run_by = "NumPy"
    suffixes = (".npz",)
    has_card = False  # it is inside
    runner = program("run_numpy.py")

    def gaps(self, graph: Graph) -> list[str]:
        return rules.gaps(graph.labelled)

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        recorder, outputs = record(content.graph, content.floats)
        arrays, said = recorder.arrays(), recorder.program()
        told = {
            "unifw_numpy": VERSION,
            "card": json.loads(content.card.to_json()),
            "arrays": list(arrays),
            "program": said,
            "outputs": outputs,
        }
        text = np.frombuffer(json.dumps(told, ensure_ascii=False).encode(), np.uint8)
        numbered = {f"array_{place}": array for place, array in enumerate(arrays.values())}
        with path.open("wb") as file:  # NumPy would give another ending to a path
            np.savez(file, model=text, **numbered)  # type: ignore[arg-type]  # names, not options
        return {"instructions": len(said)}

    def inspect(self, path: Path) -> Card:
        bounded(path)
        return _guarded(path, lambda: _inspected(path))


def _guarded(path: Path, look: Callable[[], Card]) -> Card:
    try:
        return look()
    except FileError:
        raise
    # What is in a file may bring up nearly anything in zipfile, zlib, NumPy and json.
    except Exception as err:
        message = f"{path} is truncated or no file of format 'numpy': {type(err).__name__} {err}"
        raise FileError(message) from err


def _inspected(path: Path) -> Card:
    with zipfile.ZipFile(path) as archive:
        entries, size = archive.namelist(), sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST:
        message = f"{path} unpacks to {size:,} bytes; at most {LARGEST:,} are opened"
        raise FileError(message)
    with np.load(path, allow_pickle=False) as stored:
        told = json.loads(stored["model"].tobytes())
        if told["unifw_numpy"] != VERSION:
            message = f"{path} is of version {told['unifw_numpy']!r}; this unifw reads {VERSION}"
            raise FileError(message)
        count = len(told["arrays"])
        expected = {"model.npy", *(f"array_{place}.npy" for place in range(count))}
        if len(entries) != len(expected) or set(entries) != expected:
            message = f"{path} has other entries than model.npy and {count} arrays"
            raise FileError(message)
        for place in range(count):
            _floats(path, place, stored[f"array_{place}"])
    card = parse_card(json.dumps(told["card"]), str(path))
    _check(path, told, len(card.inputs) + count)
    if len(told["outputs"]) != len(card.outputs):
        message = f"{path} tells of {len(card.outputs)} outputs and has {len(told['outputs'])}"
        raise FileError(message)
    return card


def _floats(path: Path, place: int, array: Any) -> None:
    if array.dtype != np.float32:
        message = f"{path}: array_{place} is {array.dtype}, not float32"
        raise FileError(message)


def _check(path: Path, told: Mapping[str, Any], known: int) -> None:
    """Raise ``FileError`` unless all words are known, and read only values that are there by then."""
    for place, (word, operands, arguments) in enumerate(told["program"]):
        if word not in WORDS or not isinstance(arguments, list):
            message = f"{path} has an instruction that is not known: {word!r}"
            raise FileError(message)
        _within(path, [x for x in operands if not _is_number(x)], known + place)
    _within(path, told["outputs"], known + len(told["program"]))


def _is_number(operand: Any) -> bool:
    return isinstance(operand, list) and len(operand) == 1 and isinstance(operand[0], float)


def _within(path: Path, references: Sequence[Any], end: int) -> None:
    for found in references:
        if type(found) is not int or not 0 <= found < end:
            message = f"{path} refers to value {found!r}; there are {end} by then"
            raise FileError(message)


FORMAT = Npz()
