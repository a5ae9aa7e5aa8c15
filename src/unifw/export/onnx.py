"""ONNX, written by unifw from description and weights: right for every net on every framework."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from unifw.errors import ExportError, FileError
from unifw.export.card import Card, Port
from unifw.export.content import Content
from unifw.export.format import Format, bounded, converter, program
from unifw.process import run_python
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "Onnx"]


class Onnx(Format):
    """Files that end in ``.onnx``."""

    name = "onnx"
    title = "ONNX"
    run_by = "ONNX Runtime"
    has_card = False
    suffixes = (".onnx",)
    runner = program("run_onnx.py")
    extra = "onnx"
    writes_with = ("onnx",)
    runs_with = ("onnxruntime",)
    opsets = range(13, 21)
    quantizations = MappingProxyType({"fp16": 1e-2, "dynamic": 0.1, "static": 0.1})
    calibrated = ("static",)

    def gaps(self, graph: Graph) -> list[str]:
        from unifw.export.onnx_rules import rules

        return rules.gaps(graph.labelled)

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        """Write the file and check it with ``onnx.checker``.

        Raises
        ------
        ExportError
            If ``onnx.checker`` finds fault with it.
        """
        import onnx

        from unifw.export.onnx_model import model

        built = model(
            content.graph, content.weights, metadata=content.metadata, opset=content.opset
        )
        try:
            onnx.checker.check_model(built, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as err:
            message = f"onnx.checker refuses the file: {err}"
            raise ExportError(message) from err
        path.write_bytes(built.SerializeToString(deterministic=True))
        if content.quantize is not None:
            self._shrink(content, path)
        return {"opset": content.opset, "nodes": len(built.graph.node)}

    def _shrink(self, content: Content, path: Path) -> None:
        """Make the file smaller, by ONNX Runtime's own tools, in a process of its own."""
        whole, calibration = (path.with_name(name) for name in ("whole.onnx", "calibration.npz"))
        path.replace(whole)
        arguments = [content.quantize, whole, path]
        if content.calibration:
            names = [node.name for node in content.graph.inputs]
            arrays = dict(zip(names, content.calibration, strict=True))
            np.savez(calibration, **arrays)  # type: ignore[arg-type]  # array names
            arguments.append(calibration)
        run_python(
            ["-I", *map(str, (converter("shrink_onnx.py"), *arguments))],
            what=f"quantize={content.quantize!r}", fails=ExportError,
        )  # fmt: skip

    def inspect(self, path: Path) -> Card:
        bounded(path)
        self.needs("onnx")
        import onnx

        try:
            # ONNX Runtime 1.23 follows whatever path a file names for its weights.
            stored = onnx.load(path, load_external_data=False)
            ports = _ports(stored.graph.input), _ports(stored.graph.output)
        except Exception as err:
            message = f"{path} is truncated or no ONNX file: {err}"
            raise FileError(message) from err
        if any(tensor.data_location == tensor.EXTERNAL for tensor in _tensors(stored)):
            message = f"{path} keeps weights in other files, which is refused"
            raise FileError(message)
        return Card(*ports, {entry.key: entry.value for entry in stored.metadata_props})


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor in a file, however deep: in graphs, in attributes, in graphs of attributes."""
    from google.protobuf.message import Message
    from onnx import TensorProto

    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _tensors(part)


def _ports(values: Any) -> tuple[Port, ...]:
    from onnx import TensorProto

    whole = {TensorProto.INT64, TensorProto.INT32}
    return tuple(
        Port(
            value.name,
            tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim[1:]),
            "int" if value.type.tensor_type.elem_type in whole else "float",
        )
        for value in values
    )


FORMAT = Onnx()
