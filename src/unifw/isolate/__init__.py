"""The wall: a session in a process of its own, in another environment, under another Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unifw.backend import Options
from unifw.isolate import idle
from unifw.isolate.child import start_seconds
from unifw.isolate.messages import options_data
from unifw.spec.graph import Graph

__all__ = ["devices", "dismiss", "gaps"]

dismiss = idle.dismiss


def devices(backend: str, python: str) -> tuple[list[str], str]:
    """Return the devices that a framework finds in another interpreter, and its version there.

    Parameters
    ----------
    backend : str
        Name of the backend.
    python : str
        The interpreter.

    Raises
    ------
    WorkerError, NotInstalled, VersionUnsupported
        If it does not run there.
    """
    told = _asked(backend, python, "devices")
    return told["devices"], told["version"]


def gaps(backend: str, python: str, nets: Iterable[tuple[Graph, Options]]) -> list[list[str]]:
    """Return for each net, with its options, what a backend lacks in another interpreter.

    Parameters and errors are those of ``devices``.
    """
    described = [(graph.to_json(), options_data(options)) for graph, options in nets]
    found: list[list[str]] = _asked(backend, python, "gaps", nets=described)["gaps"]
    return found


def _asked(backend: str, python: str, verb: str, **about: Any) -> dict[str, Any]:
    kind, child = idle.hire(backend, python)
    try:
        told = child.ask(verb, {"backend": backend, **about}, seconds=start_seconds()).about
    except BaseException:
        child.close()
        raise
    idle.retire(kind, child)
    return told
