"""MNN, Alibaba's engine for phones: ONNX by rules of its own, turned by MNN's converter."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unifw.errors import ExportError
from unifw.export.card import Card
from unifw.export.content import Content
from unifw.export.format import Format, converter, program
from unifw.process import run_python
from unifw.rules import Reason
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "Mnn"]

CONVERTER = converter("convert_mnn.py")
# What the converter is told. Asymmetric costs fewer bytes, and errs less with 4 bits; its help says that old
# versions of MNN do not run it.
QUANTIZED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "weights-int8": ("--weightQuantBits", "8", "--weightQuantAsymmetric"),
        "weights-int4": ("--weightQuantBits", "4", "--weightQuantAsymmetric"),
        "fp16": ("--fp16",),
    }
)
AXES = 9
# The number that the converter gives each file, made up anew each time; it stands near the beginning.
NUMBER = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Mnn(Format):
    """Files that end in ``.mnn``, each with its card beside it."""

    name = "mnn"
    title = "Alibaba's MNN, for phones"
    run_by = "MNN"
    suffixes = (".mnn",)
    runner = program("run_mnn.py")
    extra = "mnn"
    writes_with = ("onnx", "MNN")
    runs_with = ("MNN",)
    quantizations = MappingProxyType({"fp16": 1e-2, "weights-int8": 0.1, "weights-int4": 0.5})

    def gaps(self, graph: Graph) -> list[str]:
        from unifw.export.mnn_rules import rules

        return [*rules.gaps(graph.labelled), *_too_many_axes(graph)]

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        """Write ONNX and convert it, in a process of its own: the converter may crash.

        Raises
        ------
        ExportError
            If it does, or writes nothing.
        """
        from unifw.export.mnn_rules import rules
        from unifw.export.onnx_model import model

        built = model(
            content.graph, content.weights, metadata={}, opset=17, rules=rules, reshaped=True
        )
        with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
            source = Path(folder, "net.onnx")
            source.write_bytes(built.SerializeToString(deterministic=True))
            _convert(source, path, QUANTIZED.get(content.quantize or "", ()))
        return {}

    def card(self, content: Content) -> Card:
        # An input that is an output as well cannot have its name twice.
        inputs = {port.name for port in content.card.inputs}
        outputs = tuple(
            dataclasses.replace(port, name=f"{port.name}/Reshape") if port.name in inputs else port
            for port in content.card.outputs
        )
        return dataclasses.replace(content.card, outputs=outputs)


def _too_many_axes(graph: Graph) -> list[str]:
    shapes = {f"input {node.name!r}": node.shape for node in graph.inputs}
    shapes |= {label: p.out_shape for label, p in zip(graph.labelled, graph, strict=True)}
    return [
        f"{label}: {Reason.FRAMEWORK.value}: MNN 3.6 knows {AXES} axes at most, the batch among them, and this "
        f"has {len(shape) + 1}"
        for label, shape in shapes.items()
        if len(shape) >= AXES
    ]


def _convert(source: Path, target: Path, options: tuple[str, ...]) -> None:
    told = run_python(
        ["-I", str(CONVERTER), str(source), str(target), *options],
        what="MNN's converter", fails=ExportError,
    )  # fmt: skip
    if not target.is_file():  # it says so nowhere else
        last = "\n".join(told.strip().splitlines()[-5:])
        message = f"MNN's converter wrote no file; it said:\n{last}"
        raise ExportError(message)
    target.write_bytes(_numbered(target.read_bytes()))


def _numbered(content: bytes) -> bytes:
    """Return a file with a number made of the rest of it: the same net gives the same file."""
    rest = NUMBER.sub(b"0" * 36, content, count=1)
    made = uuid.UUID(bytes=hashlib.sha256(rest).digest()[:16], version=4)
    return NUMBER.sub(str(made).encode(), content, count=1)


FORMAT = Mnn()
