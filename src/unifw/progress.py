"""What ``fit`` shows while it runs: a bar on a terminal, or a line per epoch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from unifw.spec import check

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Display", "display"]


class Display(Protocol):
    """Told of each step and each epoch."""

    def step(self, done: int, steps: int) -> None:
        """Take in that ``done`` of the epoch's ``steps`` are done."""

    def epoch(self, number: int, last: int, logs: Mapping[str, float]) -> None:
        """Take in that an epoch (from 1) is done, with these numbers."""


class _Silent:
    def step(self, done: int, steps: int) -> None:
        """Show nothing."""

    def epoch(self, number: int, last: int, logs: Mapping[str, float]) -> None:
        """Show nothing."""


class _Lines(_Silent):
    def epoch(self, number: int, last: int, logs: Mapping[str, float]) -> None:
        sys.stdout.write(_line(number, last, logs) + "\n")
        sys.stdout.flush()


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def step(self, done: int, steps: int) -> None:
        self._progress.update(self._task, completed=done, total=steps)

    def epoch(self, number: int, last: int, logs: Mapping[str, float]) -> None:
        self._progress.console.print(_line(number, last, logs), highlight=False)
        self._progress.reset(self._task)


@contextmanager
def display(verbose: int) -> Iterator[Display]:
    """Give the display for a level of verbosity.

    Parameters
    ----------
    verbose : {0, 1, 2}
        0 shows nothing; 1 a bar and a line per epoch if standard output is a terminal, else nothing;
        2 a line per epoch wherever it goes.
    """
    level = int(verbose) if isinstance(verbose, bool) else check.count("verbose", verbose, least=0)
    if level > 1:
        yield _Lines()
        return
    console = terminal() if level else None
    if console is None:
        yield _Silent()
        return
    # Rich is slow to import, and most programs that import unifw show no bar.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


def terminal() -> Console | None:
    """Return standard output as a console if it is a terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else None


def _line(number: int, last: int, logs: Mapping[str, float]) -> str:
    shown = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
    return f"epoch {number}/{last}  {shown}"
