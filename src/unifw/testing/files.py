"""Judge a file format as the suite judges a backend: every case written, run, compared with NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.errors import UnifwError
from unifw.export.content import Content
from unifw.export.format import Format
from unifw.export.verify import drive
from unifw.spec.graph import Graph
from unifw.testing.compare import apart, opened, rough_weights

__all__ = ["judge_format"]

Arrays = tuple[npt.NDArray[Any], ...]
BATCHES = (1, 3)


def judge_format(
    form: Format, nets: Mapping[str, tuple[Graph, Arrays]], folder: Path, *, seconds: float = 600
) -> dict[str, float | str]:
    """Write nets with rough weights, run the files in one fresh process, and return how far each is off.

    Parameters
    ----------
    form : Format
        The format.
    nets : mapping of str to (Graph, tuple of ndarray)
        Nets and inputs of three rows or more, by name.
    folder : Path
        Where to write.
    seconds : float
        How long running them may take.

    Returns
    -------
    dict of str to float or str
        For each net the largest relative difference on batches of 1 and 3, or what went wrong.
    """
    found: dict[str, float | str] = {}
    jobs: dict[str, tuple[Path, Path, Path]] = {}
    wanted: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, (graph, inputs) in nets.items():
        weights = rough_weights(graph)
        place = folder / name
        place.mkdir(parents=True)
        path = form.main(place / f"net{form.suffixes[0]}")
        try:
            content = Content(graph, weights)
            form.write(content, path)
            form.describe(content, path)
        except UnifwError as err:
            found[name] = f"{type(err).__name__}: {err}"
            continue
        jobs[name] = (path, place / "inputs.npz", place / "outputs.npz")
        wanted[name] = _prepared(graph, weights, inputs, jobs[name][1])
    told = _run(form, jobs, seconds)
    for name, want in wanted.items():
        found[name] = told.get(name) or _off(jobs[name][2], want)
    return found


def _prepared(
    graph: Graph, weights: Mapping[str, npt.NDArray[Any]], inputs: Arrays, where: Path
) -> dict[str, npt.NDArray[Any]]:
    """Write the inputs of all batches and return what NumPy makes of them."""
    given: dict[str, npt.NDArray[Any]] = {}
    wanted: dict[str, npt.NDArray[Any]] = {}
    with opened("numpy", graph, weights=weights, dtype="float64") as session:
        for rows in BATCHES:
            few = tuple(x[:rows] for x in inputs)
            for node, x in zip(graph.inputs, few, strict=True):
                given[f"{rows}:{node.name}"] = x.astype(
                    np.int64 if node.dtype == "int" else np.float32
                )
            outs = session.forward(tuple(_double(x) for x in few))
            wanted |= {f"{rows}:{place}": out for place, out in enumerate(outs)}
    np.savez(where, **given)  # type: ignore[arg-type]  # keywords are array names
    return wanted


def _double(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return x.astype(np.float32).astype(np.float64) if x.dtype.kind == "f" else x


def _run(
    form: Format, jobs: Mapping[str, tuple[Path, Path, Path]], seconds: float
) -> dict[str, str]:
    """Run all in one process; if that fails, each in its own, to know which it was."""
    try:
        drive(form, *_flat(jobs.values()), seconds=seconds)
    except UnifwError:
        told = {}
        for name, job in jobs.items():
            try:
                drive(form, *job)
            except UnifwError as err:
                told[name] = f"{type(err).__name__}: {err}"
        return told
    return {}


def _flat(jobs: Iterable[tuple[Path, Path, Path]]) -> list[Path]:
    return [path for job in jobs for path in job]


def _off(outputs: Path, wanted: Mapping[str, npt.NDArray[Any]]) -> float | str:
    with np.load(outputs, allow_pickle=False) as stored:
        for key, want in wanted.items():
            if stored[key].shape != want.shape:
                return f"{key}: shape {stored[key].shape} instead of {want.shape}"
        try:
            return max(apart(stored[key], want) for key, want in wanted.items())
        except AssertionError as err:
            return str(err)
