"""``unifw doctor`` and ``unifw env``: where each framework can run, and what to do where it cannot."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unifw import registry
from unifw.backend import Backend
from unifw.errors import BackendError, NotInstalled, VersionUnsupported, install
from unifw.isolate import environments
from unifw.isolate.place import place
from unifw.isolate.trial import trial

__all__ = ["commands"]

Command = Callable[[str, Any, str], argparse.ArgumentParser]


def commands(command: Command) -> None:
    """Add ``doctor`` and ``env``."""
    doctor = command("doctor", _doctor, "say of each backend where it runs, why, and what mends it")
    doctor.add_argument("--no-trial", action="store_true", help="do not train a step on each")
    env = command("env", _env_list, "make, list, check and remove environments for frameworks")
    actions = env.add_subparsers(metavar="ACTION")

    def action(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=about, description=about)
        added.add_argument("--json", action="store_true", help="print JSON instead of tables")
        added.set_defaults(run=run)
        return added

    create = action("create", _env_create, "make environments, or bring them up to date")
    create.add_argument("backend", nargs="+", help="paddle, mindspore, megengine, alink")
    create.add_argument("--python", help="version or path; default the best tested one found")
    create.add_argument("--installer", default="auto", choices=environments.INSTALLERS)
    action("list", _env_list, "list the environments there are")
    checked = action("check", _env_check, "import each framework and train a step")
    checked.add_argument("backend", nargs="*", help="default all that have one")
    removed = action("remove", _env_remove, "remove environments")
    removed.add_argument("backend", nargs="+")


# ------------------------------------------------------------------------ doctor


def _doctor(options: argparse.Namespace) -> int:
    backends = map(registry.backend, registry.backend_names())
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(partial(_diagnosis, tries=not options.no_trial), backends))
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        table = Table("backend", "runs", "why")
        for row in rows:
            table.add_row(row["backend"], row["runs"], escape(row["why"]))
        Console().print(table)
        for row in rows:
            for way in row["mend"]:  # beside the table, where nothing wraps it and it can be copied
                print(f"{row['backend']}: {way}")
    return 0 if all(row["runs"] != "fails" for row in rows) else 1


def _diagnosis(backend: Backend, *, tries: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"backend": backend.name, "mend": []}
    environment = f"unifw env create {backend.name}"
    try:
        chosen = place(backend)
    except (NotInstalled, VersionUnsupported) as err:
        missing = backend.version is None
        why = f"not installed: {backend.advice}" if missing else str(err).splitlines()[0]
        mend = [environment] if backend.pins else []
        fits = not backend.pythons or "{}.{}".format(*sys.version_info) in backend.pythons
        if fits and not backend.needs_more:
            mend.insert(0, install(backend.name))
        return row | {"runs": "not available", "why": why, "mend": mend}
    runs, why = ("in-process" if chosen.python is None else "isolated"), chosen.why
    if chosen.python is not None:
        why = f"{chosen.python} ({why.splitlines()[0]})"
    if tries:
        try:
            tried = trial(backend.name, chosen.python or environments.HERE)
            why = f"{tried.framework} trains; {why}"
        except BackendError as err:
            return row | {"runs": "fails", "why": str(err), "mend": [environment]}
    return row | {"runs": runs, "why": why}


# ------------------------------------------------------------------------ env


def _env_create(options: argparse.Namespace) -> int:
    console = Console(stderr=options.json, highlight=False, soft_wrap=True)
    made = [
        environments.create(
            name, python=options.python, installer=options.installer, say=console.print
        )
        for name in options.backend
    ]
    return _shown(made, as_json=options.json)


def _env_list(options: argparse.Namespace) -> int:
    return _shown(environments.every(), as_json=options.json)


def _shown(found: list[environments.Environment], *, as_json: bool) -> int:
    if as_json:
        rows = [asdict(each) | {"current": each.is_current} for each in found]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    table = Table("backend", "framework", "Python", "unifw")
    for each in found:
        state = "this one" if each.is_current else f"{each.build}: another; unifw env create"
        table.add_row(each.backend, each.framework, each.version, state)
    Console().print(table)
    print(f"in {environments.root()}")
    return 0


def _env_check(options: argparse.Namespace) -> int:
    names = options.backend or [each.backend for each in environments.every()]
    rows = [_checked(registry.backend(name)) for name in names]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        for row in rows:
            print(f"{row['backend']}: {row['problem'] or row['framework'] + ' trains'}")
    return 0 if all(not row["problem"] for row in rows) else 1


def _checked(backend: Backend) -> dict[str, str]:
    found = environments.find(backend.name)
    row = {"backend": backend.name, "framework": "", "problem": ""}
    if found is None:
        return row | {"problem": f"has no environment:  unifw env create {backend.name}"}
    try:
        return row | {"framework": trial(backend.name, found.python).framework}
    except BackendError as err:
        return row | {"framework": found.framework, "problem": str(err)}


def _env_remove(options: argparse.Namespace) -> int:
    gone = [str(environments.remove(name)) for name in options.backend]
    print(json.dumps(gone) if options.json else "\n".join(f"removed {path}" for path in gone))
    return 0
