"""``unifw formats``, ``export``, ``run`` and ``verify``: files for other runtimes."""

from __future__ import annotations

import argparse
import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unifw.checkpoint import replacing
from unifw.errors import BackendError, DataError, ExportError, FileError
from unifw.export import formats
from unifw.export.baking import labels_of
from unifw.export.card import Card
from unifw.export.format import Format, chosen, format_of
from unifw.export.verify import checked, run_file
from unifw.model import load
from unifw.testing.deployed import deployed

__all__ = ["commands", "made"]

Array = npt.NDArray[Any]
Command = Callable[[str, Any, str], argparse.ArgumentParser]


def commands(command: Command) -> None:
    """Add ``formats``, ``export``, ``run`` and ``verify``."""
    listed = command(
        "formats", _formats, "list the formats: what writes and runs them, what is here"
    )
    listed.add_argument(
        "--markdown", choices=["en", "zh"], help="try all, print the page of the docs"
    )
    written = command(
        "export", _export, "write a saved model for other runtimes, and check it there"
    )
    written.add_argument("file", help="what Model.save wrote")
    written.add_argument("--to", required=True, metavar="FORMAT,...", help=", ".join(formats()))
    written.add_argument(
        "--folder", default=".", help="where the files go, made if need be; default here"
    )
    written.add_argument("--name", help="their name; default that of the file")
    written.add_argument("--tolerance", type=float, help="default the format's")
    written.add_argument("--opset", type=int, help="of ONNX; default 17")
    written.add_argument("--quantize", help="fp16, dynamic, static … as the format can")
    written.add_argument("--calibration", metavar="X.npy", help="inputs for --quantize static")
    written.add_argument("--layout", choices=["NCHW", "NHWC"], help="of the images the file takes")
    written.add_argument("--mean", metavar="M,...", help="per channel; with --std, of raw values")
    written.add_argument("--std", metavar="S,...", help="per channel")
    written.add_argument("--activation", choices=["softmax", "sigmoid"])
    written.add_argument("--labels", metavar="FILE", help="names of the classes, one a line")
    run = command("run", _run, "run an exported file on arrays, in a process of its own")
    run.add_argument("file")
    run.add_argument("--format", help="default by the ending")
    run.add_argument(
        "--input",
        action="append",
        required=True,
        metavar="[NAME=]X.npy",
        help="once for each input",
    )
    run.add_argument("--output", metavar="Y.npz", help="where the outputs go, by name")
    verified = command("verify", _verify, "compare an exported file with a saved model")
    verified.add_argument("file")
    verified.add_argument("--format", help="default by the ending")
    verified.add_argument("--against", required=True, metavar="MODEL.unifw")
    verified.add_argument("--tolerance", type=float, help="default the format's")
    verified.add_argument("--inputs", metavar="X.npy", help="default made-up numbers")


# ------------------------------------------------------------------------ formats


def _formats(options: argparse.Namespace) -> int:
    if options.markdown:
        print(deployed().markdown(options.markdown), end="")
        return 0
    rows = [_row(form) for form in formats().values()]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    shown = Table("format", "endings", "run by", "quantize", "status")
    for row in rows:
        told = row["problem"] or "ready"
        cells = (", ".join(row["suffixes"]), row["run_by"], ", ".join(row["quantizations"]))
        shown.add_row(row["format"], *cells, escape(told))
    Console().print(shown)
    return 0


def _row(form: Format) -> dict[str, Any]:
    problem = ""
    try:
        form.check(runs=True)
    except (BackendError, ExportError) as err:
        problem = str(err)
    return {
        "format": form.name, "title": form.title, "suffixes": list(form.suffixes), "run_by": form.run_by,
        "quantizations": list(form.quantizations), "problem": problem,
    }  # fmt: skip


# ------------------------------------------------------------------------ export


def made(folder: str) -> Path:
    """Return a folder that is there; made, if it was not.

    Raises
    ------
    FileError
        If that cannot be, or nothing can be written there.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as err:
        message = f"cannot write to {folder}: {err.strerror}; name another --folder"
        raise FileError(message) from err
    return path


def _export(options: argparse.Namespace) -> int:
    wanted = [format_of(word.strip()) for word in options.to.split(",")]
    asked = {
        name: getattr(options, name)
        for name in ("tolerance", "opset", "quantize", "layout", "activation")
        if getattr(options, name) is not None
    }
    if options.calibration:
        asked["calibration"] = _array(options.calibration)
    if options.mean or options.std:
        asked["normalize"] = (_numbers("--mean", options.mean), _numbers("--std", options.std))
    if options.labels:
        asked["labels"] = _lines(options.labels)
    stem = options.name or Path(options.file).stem
    reports = []
    with load(options.file, "numpy") as model:
        for form in wanted:  # refuse all before the first is written
            model.check_export(form.name)
        folder = made(options.folder)
        for form in wanted:
            path = folder / (stem + form.suffixes[0])
            report = model.export(path, format=form.name, **asked)
            reports.append(report)
            if not options.json:
                print(report)
    if options.json:
        print(json.dumps([report.to_data() for report in reports], ensure_ascii=False))
    return 0


def _numbers(option: str, text: str | None) -> list[float]:
    try:
        return [float(word) for word in (text or "").split(",")]
    except ValueError as err:
        message = f"{option} must be numbers separated by commas, one per channel, got {text!r}"
        raise DataError(message) from err


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        message = f"cannot read {path}: {err}"
        raise FileError(message) from err


def _array(path: str) -> Array:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as err:
        message = f"cannot read {path} as a .npy file: {err}"
        raise FileError(message) from err
    if not isinstance(found, np.ndarray):
        message = f"{path} holds several arrays; give a .npy file of one"
        raise FileError(message)
    return found


# ------------------------------------------------------------------------ run and verify


def _run(options: argparse.Namespace) -> int:
    form = chosen(Path(options.file), options.format)
    main = form.main(Path(options.file))
    form.check(runs=True)
    card = form.inspect(main)
    xs = checked(card, _given(card, options.input))
    rows = len(xs[0])
    runtime, outputs = run_file(form, main, [port.name for port in card.inputs], {rows: xs})
    found = {port.name: outputs[f"{rows}:{place}"] for place, port in enumerate(card.outputs)}
    if options.output:
        with replacing(options.output) as temporary, temporary.open("wb") as file:
            np.savez(file, **found)  # type: ignore[arg-type]  # keywords are array names
    labels = labels_of(card.metadata)
    if options.json:
        told = {name: values.tolist() for name, values in found.items()}
        print(
            json.dumps({"runtime": runtime, "outputs": told, "labels": labels}, ensure_ascii=False)
        )
        return 0
    console = Console()
    console.print(f"{options.file}, run by {runtime}", highlight=False)
    for name, values in found.items():
        console.print(_table(name, values, labels.get(name, [])))
    return 0


def _given(card: Card, words: Sequence[str]) -> Any:
    """Return what ``--input`` names: one array, or arrays by the names of the inputs."""
    names = [port.name for port in card.inputs]
    pairs = [_pair(word, names) for word in words]
    if len(pairs) == 1 and len(names) == 1:
        return _array(pairs[0][1])
    missing = [word for name, word in pairs if not name]
    if missing:
        message = f"the file has the inputs {names}: write --input NAME={missing[0]}"
        raise DataError(message)
    return {name: _array(path) for name, path in pairs}


def _pair(word: str, names: Sequence[str]) -> tuple[str, str]:
    name, equals, path = word.partition("=")
    return (name, path) if equals and name in names else ("", word)


SHOWN = 10


def _table(name: str, values: Array, labels: Sequence[str]) -> Table:
    """Show the first rows of an output; of scores with labels the best class."""
    shown = Table("row", f"{name} {values.shape}", *(["label"] if labels else []))
    for number, row in enumerate(values[:SHOWN]):
        text = np.array2string(row, 10**6, precision=4, suppress_small=True, threshold=16)
        best = int(row.argmax()) if row.size > 1 else int(row.item() > 0.5)
        shown.add_row(str(number), text, *([escape(labels[best])] if labels else []))
    return shown


def _verify(options: argparse.Namespace) -> int:
    inputs = _array(options.inputs) if options.inputs else None
    with load(options.against, "numpy") as model:
        found = model.verify(
            options.file, format=options.format, tolerance=options.tolerance, inputs=inputs
        )
    print(json.dumps(found.to_data(), ensure_ascii=False) if options.json else found)
    return 0
