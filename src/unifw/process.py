"""A Python process of its own: frameworks may clash in one, and an exported file is judged in a fresh one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from unifw.errors import UnifwError

__all__ = ["run_python"]


def run_python(
    arguments: list[str],
    *,
    what: str,
    fails: type[UnifwError],
    folder: Path | None = None,
    seconds: float = 600,
) -> str:
    """Run this Python with arguments and return what it printed.

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

    Raises
    ------
    UnifwError
        Of the type ``fails``, if its exit status is not 0 (with its last words) or time is up.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own modules
            [sys.executable, *arguments],
            cwd=folder, capture_output=True, encoding="utf-8", errors="replace",
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
