"""The frameworks' own formats for deployment, each written by its framework in a process of its own.

From any backend: what goes there are the description and the neutral weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from unifw import isolate, registry
from unifw.backend import Options
from unifw.errors import ExportError, WorkerError
from unifw.export.content import Content
from unifw.export.format import Format, program
from unifw.isolate.place import open_session, place
from unifw.spec.graph import Graph

__all__ = ["MEGENGINE", "MINDIR", "PADDLE", "Native"]


class Native(Format):
    """A format that a framework writes and runs itself.

    Attributes
    ----------
    backend : str
        The backend of that framework.
    """

    backend: ClassVar[str]

    def __init__(self) -> None:
        self.runner = program(f"run_{self.name}.py")

    def check(self, *, runs: bool) -> None:
        del runs  # what writes it runs it
        self.python()

    def beside(self) -> None:
        registry.backend(self.backend).check()

    def python(self) -> str:
        return str(place(registry.backend(self.backend), isolate=True).python)

    def gaps(self, graph: Graph) -> list[str]:
        (found,) = isolate.gaps(self.backend, self.python(), [(graph, Options())])
        return found

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        try:
            session = open_session(
                registry.backend(self.backend),
                content.graph,
                Options(),
                content.floats,
                isolate=True,
            )
            try:
                session.save_native(str(path))
            finally:
                session.close()
        except WorkerError as err:
            message = f"format {self.name!r}: the net cannot be saved: {err}"
            raise ExportError(message) from err
        return {"written by": session.framework}


class Paddle(Native):
    """Paddle's inference model; in its own words a program, ``NAME.json``, and ``NAME.pdiparams``."""

    name = backend = extra = "paddle"
    title = "PaddlePaddle's inference model"
    run_by = "Paddle Inference"
    suffixes = (".pdiparams",)

    def main(self, path: Path) -> Path:
        # Paddle looks for both by one name; that of the program must end with .json.
        plain = path.with_suffix("") if path.suffix in {*self.suffixes, ".json"} else path
        return plain.with_name(f"{plain.name}{self.suffixes[0]}")

    def parts(self, path: Path) -> tuple[Path, ...]:
        return path, path.with_suffix(".json")


class MindIR(Native):
    """MindSpore's graph with its weights."""

    name = "mindir"
    backend = extra = "mindspore"
    title = "MindSpore's graph"
    run_by = "MindSpore"
    suffixes = (".mindir",)


class MegEngine(Native):
    """MegEngine's graph with its weights, for MegEngine Lite."""

    name = backend = extra = "megengine"
    title = "MegEngine's graph"
    run_by = "MegEngine Lite"
    suffixes = (".mge",)


PADDLE, MINDIR, MEGENGINE = Paddle(), MindIR(), MegEngine()
