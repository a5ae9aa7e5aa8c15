"""From a net and its weights to checked files in their places."""

from __future__ import annotations

import dataclasses
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from unifw.errors import BackendError, ExportMismatch, SpecError, Unsupported
from unifw.export.baking import Baking, baking_of
from unifw.export.card import Card, digest
from unifw.export.content import Content, Training
from unifw.export.format import Format, chosen, format_of, formats
from unifw.export.judge import QUANTIZED, Judge, content_of, judge_of
from unifw.export.landing import land, staged
from unifw.export.report import Difference, Exported, ExportReport, Smaller, Verified
from unifw.export.smaller import accuracy, judge_drop, race
from unifw.export.verify import Predict, compare, run_file, typed
from unifw.spec import check
from unifw.spec.graph import Graph

__all__ = ["check_export", "export", "verify_file"]

Array = npt.NDArray[Any]
USUAL = (1, 3, 8)  # sizes of the batches that are run


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
        If the format cannot hold a layer; names it and says why, and which formats can.
    NotInstalled
        If what writes the format is missing.
    UnknownName
        If there is no such format.
    """
    form = format_of(format)
    form.check(runs=False)
    _refuse(form, graph, form.gaps(graph))


def _refuse(form: Format, graph: Graph, gaps: Sequence[str]) -> None:
    if gaps:
        # What only describes training somewhere else is no way out for those who want a file that runs.
        others = [other for other in formats().values() if other is not form and not other.unrun]
        able = [other.name for other in others if _holds(other, graph)]
        instead = f"Formats that can: {', '.join(able)}" if able else ""
        raise Unsupported(f"format {form.name!r}", gaps, instead)


def _holds(form: Format, graph: Graph) -> bool:
    try:
        form.check(runs=False)
        return not form.gaps(graph)
    except BackendError:
        return False


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
    batch_sizes: Sequence[int] | None = None,
    inputs: Any = None,
    opset: int | None = None,
    quantize: str | None = None,
    calibration: Any = None,
    evaluate: Any = None,
    max_drop: float | None = None,
    normalize: Any = None,
    layout: Any = None,
    activation: Any = None,
    labels: Any = None,
    training: Training | None = None,
    job: Any = None,
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
        Whether a fresh process opens the file, runs it and compares; default ``True``. With ``False``
        ``tolerance``, ``batch_sizes``, ``inputs`` and ``evaluate`` are refused, as nothing would heed them.
    tolerance : float, optional
        Largest difference allowed, relative to the largest output where that exceeds 1; by default the
        format's, which is 1e-4 where it holds float32.
    batch_sizes : sequence of int
        What to verify; default 1, 3 and 8.
    inputs : array, or as for ``Model.predict``, optional
        What to verify on, as many rows as the largest batch or more; default made-up numbers. With a
        ``layout`` or ``normalize`` they are as the file takes them.
    opset : int, optional
        Version of the ONNX operators, 13 to 20; default 17, which the most runtimes read right. Other
        formats have none.
    quantize : str, optional
        How to make the file smaller; what a format can is in its ``quantizations``. Of ONNX ``"fp16"``,
        ``"dynamic"`` and ``"static"`` (int8); of MNN ``"fp16"``, ``"weights-int8"`` and ``"weights-int4"``.
    calibration : as ``inputs``, optional
        A hundred rows or so of real data, on which ``"static"`` measures how large activations get.
    evaluate : (x, y), optional
        Data to judge the smaller file on, ``y`` a class per row. Accuracy before and after are reported, and
        decide instead of the tolerance, unless that is given too.
    max_drop : float, optional
        How much accuracy ``quantize`` may cost, judged on ``evaluate``; default 0.01, one point in a hundred.
    normalize, layout, activation, labels
        What an app would do before and after the net, put into the file: see ``unifw.export.baking.Baking``.
    training : Training, optional
        Losses and optimizer, for formats that hand them to another trainer.
    job : object, optional
        What such a format is told besides: for ``"angel-json"`` an ``unifw.export.angel.Job``.

    Returns
    -------
    ExportReport
        What was written and how it was checked.

    Raises
    ------
    ExportMismatch
        If the file computes other numbers than the model, or loses too much accuracy; no file is left behind.
    ExportError
        If it cannot be run.
    Unsupported, NotInstalled, UnknownName, SpecError, DataError, FileError
        If it cannot be written: a layer, a missing package, an unknown ending, a wrong option.
    """
    form = chosen(Path(path), format)
    verify = check.flag("verify", verify) and not form.unrun
    checks = {
        "tolerance": tolerance, "inputs": inputs, "evaluate": evaluate, "batch_sizes": batch_sizes,
    }  # fmt: skip
    about = {"normalize": normalize, "layout": layout, "activation": activation, "labels": labels}
    _check_meant(form, job, _given(checks), _given(about), verify=verify)
    baked = Baking(normalize, layout, activation, labels).around(graph, weights)
    content = content_of(form, baked, metadata, opset, quantize, calibration)
    content = dataclasses.replace(content, training=training, job=job)
    judge = judge_of(
        form, content, baked, predict,
        tolerance=tolerance, batch_sizes=USUAL if batch_sizes is None else batch_sizes, inputs=inputs,
        evaluate=evaluate, drop=max_drop,
    )  # fmt: skip
    form.check(runs=verify)
    _refuse(form, baked.graph, [*form.gaps(baked.graph), *form.refusals(content)])
    return _written(form, content, Path(path), judge, verify=verify)


def _given(options: Mapping[str, Any]) -> list[str]:
    return [name for name, value in options.items() if value is not None]


def _check_meant(
    form: Format, job: Any, checks: Sequence[str], about: Sequence[str], *, verify: bool
) -> None:
    """Refuse options that would be taken no notice of: how to check, and what to put around the net."""
    if job is not None and not form.trains:
        message = f"format {form.name!r} holds no job: it does not say how to train the net"
        raise SpecError(message)
    if form.unrun and (checks or about):
        idle = ", ".join([*checks, *about])
        message = f"{idle}: of no use for format {form.name!r}, whose files nothing here runs"
        raise SpecError(message)
    if checks and not verify:
        message = (
            f"{', '.join(checks)}: for the check of the file, which runs it; verify=False forbids that. "
            "Leave out either"
        )
        raise SpecError(message)


def verify_file(  # noqa: PLR0913 - a file, a model, and the options of the check
    path: str | os.PathLike[str],
    graph: Graph,
    weights: Mapping[str, Array],
    *,
    predict: Predict,
    format: str | None = None,  # noqa: A002 - the word that users know
    tolerance: float | None = None,
    batch_sizes: Sequence[int] = USUAL,
    inputs: Any = None,
) -> Verified:
    """Compare a file that was exported some time with a model.

    Parameters
    ----------
    path : path
        The file, or the name that the export was given.
    graph, weights, predict, format, tolerance, batch_sizes, inputs
        As for ``export``. What was put into the file besides the net is put around the model as well.

    Raises
    ------
    ExportMismatch
        If the file computes other numbers than the model, or does not take and give the same.
    FileError, ExportError
        If it is damaged, or cannot be run.
    """
    form = chosen(Path(path), format)
    main = form.main(Path(path))
    form.check(runs=True)
    card = form.inspect(main)
    baked = baking_of(card.metadata).around(graph, weights)
    content = Content(baked.graph, baked.weights, quantize=card.metadata.get(QUANTIZED))
    _check_ports(card, content.card, main)
    judge = judge_of(
        form, content, baked, predict,
        tolerance=tolerance, batch_sizes=batch_sizes, inputs=inputs, evaluate=None, drop=None,
    )  # fmt: skip
    return _verified(form, content, main, judge)


def _check_ports(card: Card, wanted: Card, path: Path) -> None:
    # Outputs are compared by place: ONNX may have had to rename one.
    takes = [(port.name, port.shape, port.dtype) for port in card.inputs]
    needs = [(port.name, port.shape, port.dtype) for port in wanted.inputs]
    if takes != needs or len(card.outputs) != len(wanted.outputs):
        message = (
            f"{path} takes {takes} and gives {len(card.outputs)} outputs; the model takes {needs} and gives "
            f"{len(wanted.outputs)}"
        )
        raise ExportMismatch(message)


def _verified(form: Format, content: Content, path: Path, judge: Judge) -> Verified:
    names = [node.name for node in content.graph.inputs]
    runtime, outputs = run_file(form, path, names, judge.given)
    differences = compare(outputs, content.graph.outputs, judge.given, judge.model)
    _judge_numbers(differences, judge.tolerance, runtime)
    return Verified(os.fspath(path), runtime, differences)


def _written(
    form: Format, content: Content, path: Path, judge: Judge, *, verify: bool
) -> ExportReport:
    started = time.perf_counter()
    main, verified, smaller = form.main(path), None, None
    with staged(main) as folder:
        details = form.write(content, folder / main.name)
        files = form.describe(content, folder / main.name)
        if verify:
            verified = _verified(form, content, folder / main.name, judge)
            if content.quantize is not None:
                smaller = _smaller(form, content, folder / main.name, judge)
                judge_drop(smaller, judge.trial.drop if judge.trial else 0, verified.runtime)
        landed = land(files, main.parent)
    return ExportReport(
        path=os.fspath(main),
        format=form.name,
        files=tuple(map(_exported, landed)),
        details=details,
        verified=verify,
        runtime=verified.runtime if verified else "",
        differences=verified.differences if verified else {},
        smaller=smaller,
        sparsity=_sparsity(content),
        seconds=time.perf_counter() - started,
        metadata=dict(content.metadata),
        unverified="" if verify else form.unrun or "verify=False",
    )


def _smaller(form: Format, content: Content, path: Path, judge: Judge) -> Smaller:
    """Compare a smaller file with the same one in float32, which is written beside it for that."""
    folder = path.with_name("float32")
    folder.mkdir()
    whole = dataclasses.replace(content, quantize=None, calibration=())
    form.write(whole, folder / path.name)
    form.describe(whole, folder / path.name)
    names = [node.name for node in content.graph.inputs]
    found = None
    if judge.trial is not None:
        xs = judge.trial.xs
        given = typed(content.graph, xs)
        outputs = run_file(form, path, names, {len(xs[0]): given})[1]
        right = judge.trial.classes
        after = accuracy(outputs[f"{len(xs[0])}:0"], right)
        found = (accuracy(judge.model(given)[0], right), after)
    few = judge.given[max(judge.given)]
    before, after = race(form, names, few, (folder / path.name, path))
    sizes = [sum(part.stat().st_size for part in form.parts(p)) for p in (folder / path.name, path)]
    return Smaller(str(content.quantize), sizes[1] / sizes[0], after / before, found)


def _exported(path: Path) -> Exported:
    packer, packed = zlib.compressobj(1), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            packed += len(packer.compress(block))
    return Exported(str(path), path.stat().st_size, digest(path), packed + len(packer.flush()))


def _sparsity(content: Content) -> float:
    count = sum(weight.size for weight in content.weights.values())
    return sum(int((weight == 0).sum()) for weight in content.weights.values()) / max(count, 1)


def _judge_numbers(
    differences: Mapping[str, Mapping[int, Difference]], tolerance: float | None, runtime: str
) -> None:
    worst, output, rows = max(
        (found.relative, output, rows)
        for output, row in differences.items()
        for rows, found in row.items()
    )
    if tolerance is not None and worst > tolerance:
        message = (
            f"the exported file differs from the model by {worst:.3g} in output {output!r} of a batch of "
            f"{rows} (tolerance {tolerance:g}) when run by {runtime}; no file was left behind"
        )
        raise ExportMismatch(message)
