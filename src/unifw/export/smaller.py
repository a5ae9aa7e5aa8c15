"""What making a file smaller costs and gains: accuracy on the user's data, bytes, and time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.arrays import array_of, in_range, whole
from unifw.data import check_inputs
from unifw.errors import DataError, ExportError, ExportMismatch, SpecError
from unifw.export.format import Format, program
from unifw.export.report import Smaller
from unifw.process import run_python
from unifw.spec.graph import Graph

__all__ = ["Trial", "accuracy", "judge_drop", "race", "trial_of"]

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]

ROUNDS = 15
RACED = 8  # rows of a call


@dataclass(frozen=True)
class Trial:
    """Data to judge a smaller file on.

    Attributes
    ----------
    xs : tuple of ndarray
        What the file takes.
    classes : ndarray of shape (n,)
        The right classes.
    drop : float
        How much accuracy may be lost.
    """

    xs: Arrays
    classes: Array
    drop: float


def trial_of(graph: Graph, evaluate: Any, drop: float) -> Trial:
    """Check data to judge a smaller file on.

    Parameters
    ----------
    graph : Graph
        What is written.
    evaluate : (x, y)
        Inputs as the file takes them, and a whole number per row: its class.
    drop : float
        How much accuracy may be lost, a share.

    Raises
    ------
    SpecError, DataError
        If the net has no single output of classes, or the data do not fit.
    """
    if not isinstance(evaluate, (tuple, list)) or len(evaluate) != 2:
        message = f"evaluate must be (x, y), got {type(evaluate).__name__}"
        raise DataError(message)
    shapes = graph.out_shapes
    if len(shapes) != 1 or len(shapes[0]) != 1 or shapes[0][0] < 2:
        message = (
            f"evaluate counts right classes, of a net with one output of scores; this one has {list(shapes)}. "
            "Leave it out, and give a tolerance"
        )
        raise SpecError(message)
    xs = check_inputs(graph, evaluate[0])
    classes = whole("y of evaluate", array_of("y of evaluate", evaluate[1]))
    in_range("y of evaluate", classes, shapes[0][0], "classes")
    if classes.shape != (len(xs[0]),):
        message = f"evaluate has {len(xs[0])} rows of x, and y of shape {classes.shape}"
        raise DataError(message)
    return Trial(xs, classes, drop)


def accuracy(outputs: Array, classes: Array) -> float:
    """Return the share of rows whose largest score is that of their class."""
    return float((outputs.argmax(axis=1) == classes).mean())


def judge_drop(found: Smaller, drop: float, runtime: str) -> None:
    """Raise ``ExportMismatch`` if too much accuracy was lost."""
    if found.accuracy is None:
        return
    before, after = found.accuracy
    if before - after > drop:
        message = (
            f"{found.quantize} costs {before - after:.4f} of accuracy ({before:.4f} to {after:.4f}, run by "
            f"{runtime}), more than max_drop={drop:g}; no file was left behind"
        )
        raise ExportMismatch(message)


def race(form: Format, names: Sequence[str], xs: Arrays, paths: Sequence[Path]) -> list[float]:
    """Return the median seconds that each file takes for some rows, taking turns in one fresh process.

    Raises
    ------
    ExportError
        If one cannot be run.
    """
    few = {name: x[:RACED] for name, x in zip(names, xs, strict=True)}
    with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
        inputs = Path(folder, "inputs.npz")
        np.savez(inputs, **few)  # type: ignore[arg-type]  # keywords are array names
        files = map(str, (program("race.py"), form.runner, inputs))
        told = run_python(
            ["-I", *files, str(ROUNDS), *map(str, paths)],
            what="the exported file", fails=ExportError, python=form.python(),
        )  # fmt: skip
    return [float(word) for word in told.strip().splitlines()[-1].split()]
