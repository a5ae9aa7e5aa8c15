"""Workers whose session is closed wait for the next of the same kind: importing a framework takes seconds."""

from __future__ import annotations

import os
from dataclasses import dataclass

from unifw.isolate.child import Child
from unifw.process import environment

__all__ = ["dismiss", "hire", "retire"]

# Variables that tell of the moment; no framework reads them when it is imported.
MOMENTARY = frozenset({"COLUMNS", "LINES", "OLDPWD", "PWD", "PYTEST_CURRENT_TEST", "SHLVL", "_"})


@dataclass(frozen=True)
class Kind:
    """What a worker must be like to serve a session: its backend, interpreter and environment."""

    backend: str
    python: str
    variables: frozenset[tuple[str, str]]
    owner: int


_idle: dict[tuple[str, str], tuple[Kind, Child]] = {}


def hire(backend: str, python: str) -> tuple[Kind, Child]:
    """Return a worker for a backend in an interpreter, and as what to ``retire`` it.

    Raises
    ------
    WorkerDied, WorkerTimeout, VersionMismatch
        If a new one does not start.
    """
    # Variables such as OMP_NUM_THREADS count when a framework is imported.
    variables = {(k, v) for k, v in environment().items() if k not in MOMENTARY}
    kind = Kind(backend, python, frozenset(variables), os.getpid())
    other, waiting = _idle.pop((backend, python), (None, None))
    if waiting is not None:
        if other == kind and waiting.alive:
            return kind, waiting
        waiting.close()
    return kind, Child(python, f"backend {backend!r}")


def retire(kind: Kind, child: Child) -> None:
    """Keep a worker without a session for the next; one for each backend and interpreter is enough."""
    kept = _idle.setdefault((kind.backend, kind.python), (kind, child))
    if kept[1] is not child:
        child.close()


def dismiss() -> None:
    """End all workers that wait for a next session."""
    while _idle:
        _, (_, child) = _idle.popitem()
        child.close()
