"""Open an exported file in a fresh process, run it, and compare its numbers with the model's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.data import index_limit
from unifw.errors import ExportError, ExportMismatch
from unifw.process import run_python
from unifw.spec.graph import Graph
from unifw.spec.initializers import random_state

__all__ = ["Predict", "sample_inputs", "verify"]

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Predict = Callable[[Arrays], Arrays]

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


def verify(  # noqa: PLR0913 - a file, its runner, and what to compare
    path: Path,
    runner: Path,
    graph: Graph,
    predict: Predict,
    *,
    tolerance: float,
    batch_sizes: Sequence[int],
) -> tuple[str, dict[int, float]]:
    """Return the runtime's name and, for each batch size, the largest difference.

    Parameters
    ----------
    path : Path
        The exported file.
    runner : Path
        The script that runs it: ``runner MODEL INPUTS.npz OUTPUTS.npz``.
    graph : Graph
        The net.
    predict : callable
        The model: tuple of inputs to tuple of outputs.
    tolerance : float
        Largest difference allowed, relative to the largest output where that exceeds 1.
    batch_sizes : sequence of int
        What to run.

    Raises
    ------
    ExportMismatch
        If shapes or numbers differ.
    ExportError
        If the runtime cannot run the file, or takes longer than two minutes.
    """
    given = {rows: sample_inputs(graph, rows) for rows in batch_sizes}
    runtime, found = _run(path, runner, graph, given)
    differences = {
        rows: max(
            _difference(f"output {name!r}, batch of {rows}", found[f"{rows}:{number}"], wanted)
            for number, (name, wanted) in enumerate(zip(graph.outputs, predict(xs), strict=True))
        )
        for rows, xs in given.items()
    }
    worst = max(differences, key=lambda rows: differences[rows])
    if differences[worst] > tolerance:
        message = (
            f"the exported file differs from the model by {differences[worst]:.3g} in a batch of "
            f"{worst} (tolerance {tolerance:g}) when run by {runtime}; no file was left behind"
        )
        raise ExportMismatch(message)
    return runtime, differences


def _run(
    path: Path, runner: Path, graph: Graph, given: dict[int, Arrays]
) -> tuple[str, dict[str, Array]]:
    named = {
        f"{rows}:{node.name}": x
        for rows, xs in given.items()
        for node, x in zip(graph.inputs, xs, strict=True)
    }
    with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
        inputs, outputs = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        np.savez(inputs, **named)  # type: ignore[arg-type]  # keywords are array names
        # -I: no folder of the user's shadows a module of the runtime.
        told = run_python(
            ["-I", *map(str, (runner, path.resolve(), inputs, outputs))],
            what="the exported file", fails=ExportError, seconds=SECONDS,
        )  # fmt: skip
        with np.load(outputs, allow_pickle=False) as stored:
            return told.strip().splitlines()[-1], dict(stored)


def _difference(label: str, found: Array, wanted: Array) -> float:
    if found.shape != wanted.shape:
        message = f"{label}: the exported file gives shape {found.shape}, the model {wanted.shape}"
        raise ExportMismatch(message)
    both = np.isfinite(found) == np.isfinite(wanted)
    if not both.all() or not np.isfinite(wanted).all():
        message = f"{label}: values that are not finite"
        raise ExportMismatch(message)
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    return float(np.abs(found.astype(np.float64) - wanted).max(initial=0)) / scale
