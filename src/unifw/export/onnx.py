"""ONNX, written by unifw from description and weights: right for every net on every framework."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unifw.errors import ExportError, NotInstalled
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "Onnx"]

Array = npt.NDArray[np.floating]


class Onnx:
    """Files that end in ``.onnx``."""

    name = "onnx"
    suffixes: tuple[str, ...] = (".onnx",)
    opsets = range(13, 21)
    runner = Path(__file__).with_name("run_onnx.py")

    def check(self, *, runs: bool) -> None:
        """Raise ``NotInstalled`` if the package ``onnx`` (or, if it ``runs``, ONNX Runtime) is missing."""
        for module in ("onnx", "onnxruntime") if runs else ("onnx",):
            if importlib.util.find_spec(module) is None:
                raise NotInstalled(f"Export to ONNX needs the package {module!r}", "onnx")

    def gaps(self, graph: Graph) -> list[str]:
        """Return a sentence for every layer that cannot be written."""
        from unifw.export.onnx_rules import rules

        return rules.gaps(graph.labelled)

    def write(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        path: Path,
        *,
        metadata: Mapping[str, str],
        opset: int,
    ) -> int:
        """Write the file, check it with ``onnx.checker``, and return the number of its nodes.

        Raises
        ------
        ExportError
            If ``onnx.checker`` finds fault with it.
        """
        import onnx

        from unifw.export.onnx_model import model

        built = model(graph, weights, metadata=metadata, opset=opset)
        try:
            onnx.checker.check_model(built, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as err:
            message = f"onnx.checker refuses the file: {err}"
            raise ExportError(message) from err
        path.write_bytes(built.SerializeToString(deterministic=True))
        return len(built.graph.node)


FORMAT = Onnx()
