"""Open an exported file in a fresh process, run it, and compare its numbers with the model's."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.data import check_inputs, in_limits, index_limit
from unifw.errors import DataError, ExportError, ExportMismatch
from unifw.export.card import Card
from unifw.export.format import Format, program
from unifw.export.report import Difference
from unifw.process import run_python
from unifw.spec.graph import Graph, Input
from unifw.spec.initializers import random_state

__all__ = [
    "Predict",
    "checked",
    "compare",
    "drive",
    "given_inputs",
    "run_file",
    "sample_inputs",
    "try_file",
    "typed",
]

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Predict = Callable[[Arrays], Arrays]
Differences = dict[str, dict[int, Difference]]

SECONDS = 120


def sample_inputs(graph: Graph, rows: int) -> Arrays:
    """Return made-up inputs: standard normal numbers, and indices within their range."""
    return tuple(_sample(graph, number, rows) for number in range(len(graph.inputs)))


def _sample(graph: Graph, number: int, rows: int) -> Array:
    node = graph.inputs[number]
    draw = random_state("verify", node.name, rows)
    shape = (rows, *node.shape)
    if node.dtype == "int":
        return draw.randint(0, index_limit(graph, node.name), shape).astype(np.int64)
    return draw.standard_normal(shape).astype(np.float32)


def given_inputs(graph: Graph, arrays: Arrays, batch_sizes: Sequence[int]) -> dict[int, Arrays]:
    """Return the first rows of the user's own inputs, for each batch size.

    Raises
    ------
    DataError
        If there are fewer rows than the largest batch has.
    """
    most = max(batch_sizes)
    if len(arrays[0]) < most:
        message = f"inputs has {len(arrays[0])} rows; the largest of batch_sizes needs {most}"
        raise DataError(message)
    whole = typed(graph, arrays)
    return {rows: tuple(x[:rows] for x in whole) for rows in batch_sizes}


def typed(graph: Graph, arrays: Arrays) -> Arrays:
    """Return inputs in the types that files take: float32 and int64."""
    kinds = [np.int64 if node.dtype == "int" else np.float32 for node in graph.inputs]
    return tuple(np.ascontiguousarray(x, kind) for x, kind in zip(arrays, kinds, strict=True))


def checked(card: Card, x: Any) -> Arrays:
    """Return one array per input of a file, in the types that it takes.

    Raises
    ------
    DataError
        If they do not fit its inputs.
    """
    nodes = [Input(port.shape, port.dtype, name=port.name) for port in card.inputs]
    graph = Graph(nodes, nodes)
    arrays = check_inputs(graph, x)
    for port, array in zip(card.inputs, arrays, strict=True):
        if port.limits:
            limits = np.broadcast_to(np.array(port.limits), (math.prod(port.shape),))
            in_limits(f"x ({port.name})", array, limits.reshape(port.shape))
    return typed(graph, arrays)


def compare(
    outputs: Mapping[str, Array],
    names: Sequence[str],
    given: Mapping[int, Arrays],
    predict: Predict,
) -> Differences:
    """Return for each output and batch size how far the file's numbers are from the model's.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        What the file gave: ``batch:place`` to array.
    names : sequence of str
        The net's outputs, by place.
    given : mapping of int to tuple of ndarray
        For each batch size the inputs.
    predict : callable
        The model: tuple of inputs to tuple of outputs.

    Raises
    ------
    ExportMismatch
        If an output is missing, of another shape or not finite.
    """
    found: Differences = {name: {} for name in names}
    for rows, xs in given.items():
        for place, (name, wanted) in enumerate(zip(names, predict(xs), strict=True)):
            label = f"output {name!r}, batch of {rows}"
            got = outputs.get(f"{rows}:{place}")
            if got is None:
                message = f"{label}: the exported file does not give it"
                raise ExportMismatch(message)
            found[name][rows] = _difference(label, got, wanted)
    return found


def run_file(
    form: Format, path: Path, names: Sequence[str], given: Mapping[int, Arrays]
) -> tuple[str, dict[str, Array]]:
    """Run a file in a fresh process on several batches.

    Parameters
    ----------
    form : Format
        What it is written in.
    path : Path
        The file.
    names : sequence of str
        Its inputs.
    given : mapping of int to tuple of ndarray
        For each batch size the inputs.

    Returns
    -------
    runtime, outputs : str, dict of str to ndarray
        The runtime's name and version; ``batch:place`` to array.

    Raises
    ------
    ExportError
        If the runtime cannot run the file, or takes longer than two minutes.
    """
    named = {
        f"{rows}:{name}": x for rows, xs in given.items() for name, x in zip(names, xs, strict=True)
    }
    with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
        inputs, outputs = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        np.savez(inputs, **named)  # type: ignore[arg-type]  # keywords are array names
        told = drive(form, path.resolve(), inputs, outputs)
        with np.load(outputs, allow_pickle=False) as stored:
            return told, dict(stored)


def try_file(form: Format, path: Path) -> str:
    """Open a file in a fresh process, run it on one row of zeros, and return the runtime's name.

    Raises
    ------
    ExportError
        If the runtime cannot run the file.
    """
    return drive(form, path.resolve())


def drive(form: Format, *files: Path, seconds: float = SECONDS) -> str:
    """Run files of a format in a fresh process as ``drive.py`` says, and return the runtime's name."""
    # -I: no folder of the user's shadows a module of the runtime.
    told = run_python(
        ["-I", *map(str, (program("drive.py"), form.runner, *files))],
        what="the exported file", fails=ExportError, seconds=seconds, python=form.python(),
    )  # fmt: skip
    return told.strip().splitlines()[-1]


def _difference(label: str, found: Array, wanted: Array) -> Difference:
    if found.shape != wanted.shape:
        message = f"{label}: the exported file gives shape {found.shape}, the model {wanted.shape}"
        raise ExportMismatch(message)
    if not np.isfinite(wanted).all():
        message = (
            f"{label}: the model's own values are not finite on made-up inputs; pass some of your data "
            "as inputs="
        )
        raise ExportMismatch(message)
    if not np.isfinite(found).all():
        message = f"{label}: the exported file gives values that are not finite"
        raise ExportMismatch(message)
    apart = float(np.abs(found.astype(np.float64) - wanted).max(initial=0))
    return Difference(apart, apart / max(1.0, float(np.abs(wanted).max(initial=0))))
