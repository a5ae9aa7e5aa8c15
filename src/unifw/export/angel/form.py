"""The format ``"angel-json"``: a net and how it is trained, for Angel to train anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unifw.errors import ExportError, SpecError
from unifw.export.angel.checking import check
from unifw.export.angel.conf import conf_of, graph_gaps, training_gaps
from unifw.export.angel.job import Job
from unifw.export.content import Content
from unifw.export.format import Format
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "AngelJson"]


class AngelJson(Format):
    """Files for ``--angel.ml.conf``. They hold no weights: Angel begins with its own."""

    name = "angel-json"
    title = "Angel's angel.ml.conf"
    run_by = "–"
    unrun = "there is no Angel here; the file was checked by its parser's rules (unifw.export.angel.check)"
    suffixes = (".angel.json",)
    trains = True

    def gaps(self, graph: Graph) -> list[str]:
        return graph_gaps(graph)

    def refusals(self, content: Content) -> list[str]:
        if content.job is not None and not isinstance(content.job, Job):
            message = f"job must be an unifw.export.angel.Job, got {content.job!r}"
            raise SpecError(message)
        return training_gaps(content)

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        """Write the file and check it.

        Raises
        ------
        ExportError
            If ``check`` finds fault with it.
        """
        conf = conf_of(content)
        path.write_text(json.dumps(conf, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        problems = check(path)
        if problems:
            message = "Angel's parser would not take the file:\n" + "\n".join(problems)
            raise ExportError(message)
        return {"layers": len(conf["layers"]), "weights": "none (Angel begins with its own)"}


FORMAT = AngelJson()
