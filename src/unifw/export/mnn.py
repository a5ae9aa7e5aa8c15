"""MNN, Alibaba's engine for phones: our ONNX, turned by MNN's own converter."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from unifw.errors import ExportError
from unifw.export import converters
from unifw.export.content import Content
from unifw.export.format import Format, program
from unifw.process import run_python
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "Mnn"]

CONVERTER = Path(converters.__file__).with_name("convert_mnn.py")


class Mnn(Format):
    """Files that end in ``.mnn``, each with its card beside it."""

    name = "mnn"
    suffixes = (".mnn",)
    runner = program("run_mnn.py")
    extra = "mnn"
    writes_with = ("onnx", "MNN")
    runs_with = ("MNN",)

    def gaps(self, graph: Graph) -> list[str]:
        from unifw.export.mnn_rules import rules

        return rules.gaps(graph.labelled)

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        """Write ONNX and convert it, in a process of its own: the converter may crash.

        Raises
        ------
        ExportError
            If it does, or writes nothing.
        """
        from unifw.export.mnn_rules import rules
        from unifw.export.onnx_model import model

        built = model(content.graph, content.weights, metadata={}, opset=17, rules=rules)
        with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
            source = Path(folder, "net.onnx")
            source.write_bytes(built.SerializeToString(deterministic=True))
            told = run_python(
                ["-I", str(CONVERTER), str(source), str(path)],
                what="MNN's converter", fails=ExportError,
            )  # fmt: skip
        if not path.is_file():
            last = "\n".join(told.strip().splitlines()[-5:])
            message = f"MNN's converter wrote nothing:\n{last}"
            raise ExportError(message)
        return {}


FORMAT = Mnn()
