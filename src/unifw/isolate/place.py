"""Which process a session lives in: this one where that is safe, else one of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from unifw import registry
from unifw.backend import Backend, Options, Session
from unifw.errors import BackendError, Clash, NotInstalled, SpecError, VersionUnsupported
from unifw.isolate import environments
from unifw.isolate.remote import RemoteSession
from unifw.spec.graph import Graph

__all__ = ["Place", "installed", "open_session", "place"]


@dataclass(frozen=True)
class Place:
    """Where a session is to live, and why.

    Attributes
    ----------
    python : str or None
        The interpreter of the worker; ``None`` for this process.
    why : str
        The reason, in words.
    """

    python: str | None
    why: str


def place(backend: Backend, isolate: Any = "auto", python: Any = None) -> Place:
    """Decide where a session of a backend is to live; nothing is imported.

    Parameters
    ----------
    backend : Backend
        The backend.
    isolate : {"auto", True, False}
        In this process if that is safe (the default), always in one of its own, or never.
    python : path, optional
        The interpreter to use, or the folder of its environment.

    Raises
    ------
    SpecError
        If the options are wrong or contradict each other.
    NotInstalled, VersionUnsupported
        If the framework is not here, and has no environment; says how to mend it.
    """
    if not (isolate is True or isolate is False or isolate == "auto"):
        message = f"isolate must be True, False or 'auto', got {isolate!r}"
        raise SpecError(message)
    if python is not None:
        if isolate is False:
            message = "python= names the interpreter of another process, isolate=False forbids one"
            raise SpecError(message)
        if not isinstance(python, (str, os.PathLike)):
            message = f"python must be the path of an interpreter, got {python!r}"
            raise SpecError(message)
        return Place(environments.interpreter(python), "as asked with python=")
    if isolate is False:
        return Place(None, "as asked with isolate=False")
    problem = _problem(backend)
    if problem is None and isolate == "auto":
        return Place(None, "it can be imported here")
    return _isolated(backend, problem)


def _problem(backend: Backend) -> BackendError | None:
    try:
        backend.check()
    except (NotInstalled, VersionUnsupported, Clash) as err:
        return err
    return None


def _isolated(backend: Backend, problem: BackendError | None) -> Place:
    why = "as asked with isolate=True" if problem is None else str(problem)
    found = environments.find(backend.name)
    if found is not None:
        return Place(found.python, why)
    if problem is None or isinstance(problem, Clash):
        return Place(environments.HERE, why)
    if backend.pins and not backend.needs_more and isinstance(problem, ImportError):
        way = f"Or give it an environment of its own:  unifw env create {backend.name}"
        problem.msg = f"{problem}\n{way}"
    raise problem


def installed() -> tuple[str, ...]:
    """Return the backends that can be used, here or in their environments; imports none of them.

    Those that train by methods of their own have no curve to compare, and are left out.

    Returns
    -------
    tuple of str
        Their names, ``"numpy"`` first.
    """
    names = []
    for name in registry.backend_names():
        backend = registry.backend(name)
        if backend.trains_whole:
            continue
        try:
            place(backend, isolate=True)
        except BackendError:
            continue
        names.append(name)
    return tuple(names)


def open_session(  # noqa: PLR0913 - as Backend.open, and where
    backend: Backend,
    graph: Graph,
    options: Options,
    weights: Mapping[str, npt.NDArray[Any]],
    *,
    isolate: Any = "auto",
    python: Any = None,
) -> Session:
    """Turn a net into a live session, here or behind the wall.

    Parameters
    ----------
    backend, isolate, python
        As for ``place``.
    graph, options, weights
        As for ``Backend.open``.

    Raises
    ------
    UnifwError
        Whatever ``place``, ``Backend.open`` and ``RemoteSession`` raise.
    """
    chosen = place(backend, isolate, python)
    if chosen.python is None:
        try:
            return backend.open(graph, options, weights)
        except NotInstalled as err:
            # It is there, but its import failed: its own environment may have a whole one.
            if isolate is False or environments.find(backend.name) is None:
                raise
            chosen = _isolated(backend, err)
    return RemoteSession(backend.name, graph, options, weights, str(chosen.python))
