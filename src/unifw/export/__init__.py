"""Export: a net and its weights become files for another runtime, checked there or not left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.data import check_inputs
from unifw.errors import BackendError, ExportMismatch, SpecError, Unsupported
from unifw.export.card import digest
from unifw.export.content import Content
from unifw.export.format import Format, chosen, format_of, formats
from unifw.export.landing import land, staged
from unifw.export.report import Difference, Exported, ExportReport
from unifw.export.verify import Predict, compare, given_inputs, run_file, sample_inputs
from unifw.spec import check
from unifw.spec.graph import Graph

__all__ = [
    "Content",
    "Difference",
    "ExportReport",
    "Exported",
    "Format",
    "check_export",
    "export",
    "formats",
]

Array = npt.NDArray[np.floating]


def check_export(graph: Graph, format: str) -> None:  # noqa: A002 - the word that users know
    """Raise unless a net can be written in a format, before it is trained.

    Parameters
    ----------
    graph : Graph
        The net.
    format : str
        Name of the format.

    Raises
    ------
    Unsupported
        If the format cannot hold a layer; names it and says why.
    NotInstalled
        If what writes the format is missing.
    UnknownName
        If there is no such format.
    """
    form = format_of(format)
    form.check(runs=False)
    _refuse_gaps(form, graph)


def _refuse_gaps(form: Format, graph: Graph) -> None:
    gaps = form.gaps(graph)
    if gaps:
        able = [
            name for name, other in formats().items() if other is not form and _holds(other, graph)
        ]
        instead = f"Formats that hold it: {', '.join(able)}" if able else ""
        raise Unsupported(f"format {form.name!r}", gaps, instead)


def _holds(form: Format, graph: Graph) -> bool:
    try:
        form.check(runs=False)
        return not form.gaps(graph)
    except BackendError:
        return False


@dataclass(frozen=True)
class _Check:
    """How a file is verified; ``None`` in place of it if it is not."""

    tolerance: float
    given: Mapping[int, tuple[Array, ...]]


def export(  # noqa: PLR0913 - a net, its weights and where they go; the rest has defaults
    graph: Graph,
    weights: Mapping[str, Array],
    path: str | os.PathLike[str],
    *,
    predict: Predict,
    metadata: Mapping[str, str],
    format: str | None = None,  # noqa: A002 - the word that users know
    verify: bool = True,
    tolerance: float | None = None,
    batch_sizes: Sequence[int] = (1, 3, 8),
    inputs: Any = None,
    opset: int | None = None,
) -> ExportReport:
    """Write a net for another runtime and check it there.

    Parameters
    ----------
    graph, weights : Graph, mapping of str to ndarray
        The net and its weights in the neutral layout.
    path : path
        Where to; older files there are replaced only by whole, checked ones.
    predict : callable
        The model, evaluating: tuple of inputs to tuple of outputs.
    metadata : mapping of str to str
        What the file says of its origin.
    format : str, optional
        Name of the format; by default the path's ending decides.
    verify : bool
        Whether a fresh process opens the file, runs it and compares; default ``True``.
    tolerance : float, optional
        Largest difference allowed, relative to the largest output where that exceeds 1; by default the
        format's, which is 1e-4 where it holds float32.
    batch_sizes : sequence of int
        What to verify; default 1, 3 and 8.
    inputs : array, or as for ``Model.predict``, optional
        What to verify on, as many rows as the largest batch or more; default made-up numbers.
    opset : int, optional
        Version of the ONNX operators, 13 to 20; default 17, which the most runtimes read right. Other
        formats have none.

    Returns
    -------
    ExportReport
        What was written and how it was checked.

    Raises
    ------
    ExportMismatch
        If the file computes other numbers than the model; no file is left behind.
    ExportError
        If it cannot be run.
    Unsupported, NotInstalled, UnknownName, SpecError, DataError, FileError
        If it cannot be written: a layer, a missing package, an unknown ending, a wrong option.
    """
    form = chosen(Path(path), format)
    check.flag("verify", verify)
    content = Content(graph, weights, dict(metadata), _opset(form, opset))
    checked = _Check(
        form.tolerance
        if tolerance is None
        else check.number("tolerance", tolerance, least=0, open_=True),
        _given(graph, batch_sizes, inputs),
    )
    form.check(runs=verify)
    _refuse_gaps(form, graph)
    return _written(form, content, Path(path), predict, checked if verify else None)


def _opset(form: Format, opset: int | None) -> int:
    if opset is None:
        return 17
    if not form.opsets:
        message = f"format {form.name!r} has no opset"
        raise SpecError(message)
    if opset not in form.opsets:
        message = f"opset must lie in {form.opsets[0]} … {form.opsets[-1]}, got {opset!r}"
        raise SpecError(message)
    return opset


def _given(
    graph: Graph, batch_sizes: Sequence[int], inputs: Any
) -> Mapping[int, tuple[Array, ...]]:
    if not isinstance(batch_sizes, (tuple, list)):
        message = f"batch_sizes must be a list such as [1, 3, 8], got {batch_sizes!r}"
        raise SpecError(message)
    sizes = [check.count("every batch size", size) for size in batch_sizes]
    if not sizes:
        message = "batch_sizes must name at least one"
        raise SpecError(message)
    if inputs is None:
        return {rows: sample_inputs(graph, rows) for rows in sizes}
    return given_inputs(graph, check_inputs(graph, inputs), sizes)


def _written(
    form: Format, content: Content, path: Path, predict: Predict, checked: _Check | None
) -> ExportReport:
    started = time.perf_counter()
    main, runtime, differences = form.main(path), "", {}
    with staged(main) as folder:
        details = form.write(content, folder / main.name)
        files = form.describe(content, folder / main.name)
        if checked is not None:
            names = [node.name for node in content.graph.inputs]
            runtime, outputs = run_file(form, folder / main.name, names, checked.given)
            differences = compare(outputs, content.graph.outputs, checked.given, predict)
            _judge(differences, checked.tolerance, runtime)
        landed = land(files, main.parent)
    return ExportReport(
        path=os.fspath(main),
        format=form.name,
        files=tuple(Exported(str(file), file.stat().st_size, digest(file)) for file in landed),
        details=details,
        verified=checked is not None,
        runtime=runtime,
        differences=differences,
        seconds=time.perf_counter() - started,
        metadata=dict(content.metadata),
    )


def _judge(
    differences: Mapping[str, Mapping[int, Difference]], tolerance: float, runtime: str
) -> None:
    worst, output, rows = max(
        (found.relative, output, rows)
        for output, row in differences.items()
        for rows, found in row.items()
    )
    if worst > tolerance:
        message = (
            f"the exported file differs from the model by {worst:.3g} in output {output!r} of a batch of "
            f"{rows} (tolerance {tolerance:g}) when run by {runtime}; no file was left behind"
        )
        raise ExportMismatch(message)
