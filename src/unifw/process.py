"""Python processes of their own: frameworks may clash in one, and an exported file is judged in a fresh one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unifw.errors import UnifwError

__all__ = ["environment", "noting_changes", "run_python"]

_changed: dict[str, tuple[str | None, str | None]] = {}


@contextmanager
def noting_changes() -> Iterator[None]:
    """Remember what happens to the environment variables while a framework is imported."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in before.keys() | os.environ.keys():
            old, new = before.get(name), os.environ.get(name)
            if old != new:
                first, seen = _changed.get(name, (old, old))
                _changed[name] = (first if seen == old else old, new)


def environment() -> dict[str, str]:
    """Return the environment variables for another process: this one's, less what frameworks wrote.

    Imported, Paddle 3.3 sets one OpenMP thread, and MindSpore 2.10 puts its libraries before all
    others: that is their own affair and no matter of the next process.
    """
    found = dict(os.environ)
    for name, (old, new) in _changed.items():
        if found.get(name) == new:
            found.pop(name, None)
            found |= {} if old is None else {name: old}
    return found


def run_python(  # noqa: PLR0913 - what to run, and where
    arguments: list[str],
    *,
    what: str,
    fails: type[UnifwError],
    folder: Path | None = None,
    seconds: float = 600,
    python: str = sys.executable,
) -> str:
    """Run a Python with arguments and return what it printed.

    Parameters
    ----------
    arguments : list of str
        What follows ``python`` on the command line.
    what : str
        What it does, for error messages: ``"the exported file"``.
    fails : type of UnifwError
        What to raise if it fails.
    folder : Path, optional
        Where it runs; default here.
    seconds : float
        How long it may take; default 600. It is killed then.
    python : str
        The interpreter; default the one that runs here.

    Raises
    ------
    UnifwError
        Of the type ``fails``, if its exit status is not 0 (with its last words) or time is up.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own modules
            [python, *arguments],
            cwd=folder, env=environment(), capture_output=True, encoding="utf-8", errors="replace",
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as err:
        message = f"{what} had not run through after {seconds:g} s"
        raise fails(message) from err
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        message = f"{what} does not run (exit status {done.returncode}):\n{last}"
        raise fails(message)
    return done.stdout
