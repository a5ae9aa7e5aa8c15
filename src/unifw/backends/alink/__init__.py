"""Alibaba's Alink on Flink: linear models and perceptrons, trained a whole table at a time, on a cluster too.

Its jars run in a JVM of their own, which py4j speaks to; nothing of PyAlink's Python is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from unifw.backend import Backend, Options, Session, Setting
from unifw.backends.alink.jars import ALINK, fetch, folder
from unifw.backends.alink.java import find_java
from unifw.errors import NotInstalled, SpecError, install
from unifw.spec import check
from unifw.spec.graph import Graph

__all__ = ["AlinkBackend"]

CREATE = "unifw env create alink"


def _folder(name: str, value: Any) -> str:
    if isinstance(value, (str, Path)) and Path(value).is_dir():
        return str(Path(value).absolute())
    message = (
        f"{name} must be a folder that this machine and those of the cluster share, got {value!r}"
    )
    raise SpecError(message)


def _cluster(name: str, value: Any) -> str:
    from unifw.backends.alink.cluster import address

    return address(name, value)


class AlinkBackend(Backend):
    """Alibaba's Alink 1.6 on Flink 1.13."""

    name = "alink"
    title = "Alink"
    module = "py4j"
    distributions = ("py4j",)
    tested = ">=1.6.2,<1.7"
    dtypes = ("float32", "float64")
    advice = f"{CREATE} fetches it; it needs Java 8, 11 or 17"
    pythons = ("3.11", "3.10", "3.12", "3.13")
    # pip is what fetches the jars.
    pins = ("py4j==0.10.9.9", "numpy==2.2.6", "pip>=24")
    needs_more = True
    trains_whole = True
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "method": partial(check.choice, known=("lbfgs", "owlqn", "gd", "sgd")),
            "iterations": check.count,
            "epsilon": partial(check.number, least=0, open_=True),
            "parallelism": check.count,
            "cluster": _cluster,
            "folder": _folder,
        }
    )

    @property
    def version(self) -> str | None:
        """Alink's version, if its jars are here; ``None`` otherwise."""
        return ALINK if folder() is not None else None

    def check(self, *, beside: bool = True) -> None:  # noqa: ARG002 - it clashes with nothing
        """Raise the error that says what is missing: py4j, the jars, or a Java that runs them.

        Raises
        ------
        NotInstalled, VersionUnsupported
        """
        if importlib.util.find_spec(self.module) is None:
            way = f"{CREATE}, or {install(self.name)} and then {CREATE}, to have it in this process"
            needs = "Backend 'alink' needs py4j"
            raise NotInstalled(needs, self.name, mend=way)
        if folder() is None:
            needs = "Backend 'alink' needs the jars of Alink and Flink"
            raise NotInstalled(needs, self.name, "there are none", CREATE)
        find_java()

    def furnish(self, folder: Path, python: str, say: Callable[[str], None]) -> None:
        fetch(folder, python, say)

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def missing(self, graph: Graph, options: Options) -> list[str]:
        from unifw.backends.alink.shapes import gaps

        return gaps(graph, options)

    def session(self, graph: Graph, options: Options) -> Session:
        from unifw.backends.alink.session import AlinkSession

        return AlinkSession(graph, options)
