"""The command ``unifw``: backends and environments, a demonstration, parity, and what a file holds.

Exit status: 0 all is well; 1 something asked for does not work here, or a check failed; 2 the command
was written wrongly.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import unifw
from unifw import checkpoint, demo, registry
from unifw.backend import Backend
from unifw.cli import angel, files, wall
from unifw.errors import BackendError, NotInstalled, UnifwError, install
from unifw.isolate import devices
from unifw.isolate.place import place
from unifw.parity import parity
from unifw.spec import check
from unifw.spec.summary import table as summary_table
from unifw.testing.support import support

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except UnifwError as err:
        print(f"unifw: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("unifw: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unifw", description="One net on PaddlePaddle, MindSpore, MegEngine and NumPy."
    )
    parser.add_argument("--version", action="version", version=f"unifw {unifw.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.add_argument("--json", action="store_true", help="print JSON instead of tables")
        added.set_defaults(run=run)
        return added

    backends = command("backends", _backends, "list the backends: status, versions, devices")
    backends.add_argument(
        "--no-devices", action="store_true", help="do not start the frameworks to ask for devices"
    )
    wall.commands(command)
    files.commands(command)
    angel.commands(command)
    shown = command("demo", _demo, "train on real digits on every backend, export, verify, compare")
    shown.add_argument("--epochs", type=int, default=12, help="default 12")
    shown.add_argument(
        "--folder", default=".", help="where digits.onnx goes, made if need be; default here"
    )
    _choice_of_backends(shown)
    compared = command("parity", _parity, "compare the loss curves of all backends on real digits")
    compared.add_argument("--net", choices=sorted(demo.NETS), action="append", help="default all")
    compared.add_argument("--optimizer", action="append", help="default sgd and adam")
    compared.add_argument("--steps", type=int, default=100, help="default 100")
    compared.add_argument("--tolerance", type=float, default=1e-4, help="default 1e-4")
    compared.add_argument("--plot", metavar="FILE", help="draw the differences (one net)")
    _choice_of_backends(compared)
    supported = command("support", _support, "show which layers and losses run where")
    supported.add_argument("--markdown", choices=["en", "zh"], help="print the page of the docs")
    _choice_of_backends(supported)
    summary = command("summary", _summary, "show the net in a file that Model.save wrote")
    summary.add_argument("file")
    return parser


def _choice_of_backends(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", action="append", help="repeatable; default all installed")


# ------------------------------------------------------------------------ backends


def _backends(options: argparse.Namespace) -> int:
    ask = not options.no_devices
    with ThreadPoolExecutor() as pool:
        every = map(registry.backend, registry.backend_names())
        rows = list(pool.map(partial(_status, ask=ask), every))
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    result = Table()
    for column in ("backend", "framework", "version", "tested", "status"):
        result.add_column(column, no_wrap=column != "status")
    for row in rows:
        how = "ready, isolated" if row["isolated"] else "ready"
        told = row["problem"] or ": ".join(filter(None, [how, ", ".join(row["devices"])]))
        cells = (row["framework"], row["version"] or "-", row["tested"])
        result.add_row(row["backend"], *cells, escape(told))
    Console().print(result)
    for row in rows:
        if row["install"]:  # beside the table, where nothing wraps it and it can be copied
            print(f"{row['backend']}: {row['install']}")
    return 0


def _status(backend: Backend, *, ask: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "backend": backend.name,
        "framework": backend.title,
        "version": backend.version,
        "tested": backend.tested,
        "ready": True,
        "isolated": False,
        "problem": "",
        "install": "",
        "devices": [],
    }
    try:
        python = place(backend).python
        row["isolated"] = python is not None
        # Asked in a process of its own: each has something to say on import.
        if ask:
            row["devices"], row["version"] = devices(backend.name, python or sys.executable)
    except BackendError as err:
        missing = isinstance(err, NotInstalled) and backend.version is None
        problem = f"not installed: {backend.advice}" if missing else str(err)
        way = f"unifw env create {backend.name}" if backend.needs_more else install(backend.name)
        row |= {"ready": False, "problem": problem, "install": way}
    return row


# ------------------------------------------------------------------------ demo and parity


def _demo(options: argparse.Namespace) -> int:
    check.count("--epochs", options.epochs)
    console = Console(stderr=options.json)
    folder = files.made(options.folder)
    result = demo.run(options.backend, options.epochs, folder, console)
    if options.json:
        print(json.dumps(result.to_data(), ensure_ascii=False))
    return 0 if result.passed else 1


def _parity(options: argparse.Namespace) -> int:
    nets = options.net or sorted(demo.NETS, reverse=True)
    if options.plot and len(nets) > 1:
        print("unifw: --plot draws one net; choose it with --net", file=sys.stderr)
        return 2
    console = Console(stderr=options.json)
    with console.status("parity") as status:
        results = [
            parity(
                demo.NETS[name],
                demo.digits(),
                options.backend,
                optimizers=options.optimizer or ("sgd", "adam"),
                steps=options.steps,
                report=status.update,
            )
            for name in nets
        ]
    for result in results:
        console.print(result.table())
        for problem in result.problems:
            console.print(problem, highlight=False)
        if options.plot:
            result.plot(options.plot)
    if options.json:
        print(json.dumps([result.to_data() for result in results], ensure_ascii=False))
    good = all(r.complete and r.worst <= options.tolerance for r in results)
    return 0 if good else 1


# ------------------------------------------------------------------------ support and summary


def _support(options: argparse.Namespace) -> int:
    found = support(options.backend)
    if options.json:
        print(json.dumps(found.to_data(), ensure_ascii=False))
    elif options.markdown:
        print(found.markdown(options.markdown), end="")
    else:
        console = Console()
        console.print(found.table())
        for sentence in found.lacking:
            console.print(sentence, highlight=False)
    return 0


def _summary(options: argparse.Namespace) -> int:
    stored = checkpoint.read(options.file)
    about = {
        "file": options.file,
        "losses": [repr(loss) for loss in stored.losses],
        "optimizer": repr(stored.optimizer),
        "seed": stored.seed,
        "epoch": stored.epoch,
        "step": stored.step,
        "provenance": stored.provenance,
        # JSON has no NaN, which stands for an epoch without the number.
        "history": {
            name: [None if math.isnan(value) else value for value in values]
            for name, values in stored.history.items()
        },
    }
    if options.json:
        print(json.dumps(about | {"graph": json.loads(stored.graph.to_json())}, ensure_ascii=False))
        return 0
    console = Console()
    console.print(summary_table(stored.graph))
    trained = f"{stored.epoch} epochs, {stored.step} steps with {stored.optimizer!r}"
    console.print(f"trained for {trained}", highlight=False)
    written = ", ".join(f"{key} {value}" for key, value in stored.provenance.items())
    console.print(f"written by {written}", highlight=False)
    return 0
