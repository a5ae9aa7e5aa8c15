"""Export: a net and its weights become a file for another runtime, checked there or not left behind.

Formats are found by entry point (``unifw.formats``), built-in and foreign ones alike.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from unifw.checkpoint import replacing
from unifw.errors import SpecError, UnknownName, Unsupported
from unifw.export.report import ExportReport
from unifw.export.verify import Predict, verify
from unifw.registry import found
from unifw.spec import check
from unifw.spec.graph import Graph

__all__ = ["ExportReport", "Format", "export", "formats"]

Array = npt.NDArray[np.floating]


class Format(Protocol):
    """What a plugin for a file format offers.

    Attributes
    ----------
    name : str
        What users write.
    suffixes : tuple of str
        The endings of its files.
    opsets : range
        The versions it can be written in.
    runner : Path
        The script that runs a file: ``runner MODEL INPUTS.npz OUTPUTS.npz``.
    """

    name: str
    suffixes: tuple[str, ...]
    opsets: range
    runner: Path

    def check(self, *, runs: bool) -> None:
        """Raise ``NotInstalled`` if what writes it (and ``runs`` it) is missing."""

    def gaps(self, graph: Graph) -> list[str]:
        """Return a sentence for every layer that cannot be written."""

    def write(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        path: Path,
        *,
        metadata: Mapping[str, str],
        opset: int,
    ) -> int:
        """Write the file and return the number of its nodes."""


def formats() -> dict[str, Format]:
    """Return all formats by name."""
    return {name: point.load() for name, point in found("unifw.formats").items()}


def export(  # noqa: PLR0913 - a net, its weights and where they go; the rest has defaults
    graph: Graph,
    weights: Mapping[str, Array],
    path: str | os.PathLike[str],
    *,
    predict: Predict,
    metadata: Mapping[str, str],
    format: str | None = None,  # noqa: A002 - the word that users know
    verify: bool = True,
    tolerance: float = 1e-4,
    batch_sizes: Sequence[int] = (1, 3, 8),
    opset: int = 17,
) -> ExportReport:
    """Write a net for another runtime and check it there.

    Parameters
    ----------
    graph, weights : Graph, mapping of str to ndarray
        The net and its weights in the neutral layout.
    path : path
        Where to; an older file there is replaced only by a whole, checked one.
    predict : callable
        The model, evaluating: tuple of inputs to tuple of outputs.
    metadata : mapping of str to str
        Stored in the file.
    format : str, optional
        Name of the format; by default the path's ending decides.
    verify : bool
        Whether a fresh process opens the file, runs it and compares; default ``True``.
    tolerance : float
        Largest difference allowed, relative to the largest output where that exceeds 1; default 1e-4.
    batch_sizes : sequence of int
        What to verify; default 1, 3 and 8.
    opset : int
        Version of the ONNX operators, 13 to 20; default 17, which the most runtimes read right.

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
    Unsupported, NotInstalled, UnknownName, SpecError, FileError
        If it cannot be written: a layer, a missing package, an unknown ending, a wrong option.
    """
    chosen = _chosen(Path(path), format)
    check.flag("verify", verify)
    tolerance = check.number("tolerance", tolerance, least=0, open_=True)
    if not isinstance(batch_sizes, (tuple, list)):
        message = f"batch_sizes must be a list such as [1, 3, 8], got {batch_sizes!r}"
        raise SpecError(message)
    sizes = tuple(check.count("every batch size", size) for size in batch_sizes)
    if verify and not sizes:
        message = "batch_sizes must name at least one"
        raise SpecError(message)
    if opset not in chosen.opsets:
        message = f"opset must lie in {chosen.opsets[0]} … {chosen.opsets[-1]}, got {opset!r}"
        raise SpecError(message)
    chosen.check(runs=verify)
    gaps = chosen.gaps(graph)
    if gaps:
        raise Unsupported(f"format {chosen.name!r}", gaps)
    return _written(
        graph, weights, Path(path), chosen, predict, dict(metadata), opset,
        _Check(verify, tolerance, sizes),
    )  # fmt: skip


class _Check:
    def __init__(self, wanted: bool, tolerance: float, sizes: tuple[int, ...]) -> None:  # noqa: FBT001
        self.wanted, self.tolerance, self.sizes = wanted, tolerance, sizes


def _written(  # noqa: PLR0913 - what export has checked
    graph: Graph,
    weights: Mapping[str, Array],
    path: Path,
    chosen: Format,
    predict: Predict,
    metadata: dict[str, str],
    opset: int,
    wanted: _Check,
) -> ExportReport:
    runtime: str = ""
    differences: dict[int, float] = {}
    with replacing(path) as temporary:
        nodes = chosen.write(graph, weights, temporary, metadata=metadata, opset=opset)
        if wanted.wanted:
            runtime, differences = verify(
                temporary, chosen.runner, graph, predict,
                tolerance=wanted.tolerance, batch_sizes=wanted.sizes,
            )  # fmt: skip
        content = temporary.read_bytes()
    return ExportReport(
        path=os.fspath(path),
        format=chosen.name,
        opset=opset,
        nodes=nodes,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        verified=wanted.wanted,
        runtime=runtime,
        differences=differences,
        metadata=metadata,
    )


def _chosen(path: Path, name: str | None) -> Format:
    known = formats()
    if name is not None:
        if name not in known:
            raise UnknownName("export format", name, known)
        return known[name]
    for candidate in known.values():
        if path.suffix in candidate.suffixes:
            return candidate
    suffixes: list[Any] = [s for candidate in known.values() for s in candidate.suffixes]
    raise UnknownName("export format with the ending", path.suffix, suffixes)
