"""ncnn, Tencent's runtime for phones: ``.param`` and ``.bin``, written from description and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unifw.errors import FileError
from unifw.export.card import Card
from unifw.export.content import Content
from unifw.export.format import Format, program
from unifw.export.ncnn_functional import NcnnFunctional
from unifw.export.ncnn_rules import rules
from unifw.export.ncnn_value import Value
from unifw.export.ncnn_writer import AXES, MAGIC, Writer, canonical
from unifw.limits import index_limits
from unifw.spec.graph import Graph

__all__ = ["FORMAT", "Ncnn"]


class Ncnn(Format):
    """Pairs of files that end in ``.ncnn.param`` and ``.ncnn.bin``, and their card."""

    name = "ncnn"
    title = "Tencent's ncnn, for phones"
    run_by = "ncnn"
    suffixes = (".ncnn", ".ncnn.param")
    runner = program("run_ncnn.py")
    extra = "ncnn"
    runs_with = ("ncnn",)

    def gaps(self, graph: Graph) -> list[str]:
        ends = [(f"input {node.name!r}", node.shape) for node in graph.inputs]
        ends += [
            (f"output {name!r}", shape)
            for name, shape in zip(graph.outputs, graph.out_shapes, strict=True)
        ]
        return rules.gaps(graph.labelled) + [
            f"{label}: has {len(shape)} axes besides the batch; ncnn's tensors have at most {AXES}"
            for label, shape in ends
            if len(shape) > AXES
        ]

    def main(self, path: Path) -> Path:
        return path if path.suffix == ".param" else path.with_name(f"{path.name}.param")

    def parts(self, path: Path) -> tuple[Path, ...]:
        return path, path.with_suffix(".bin")

    def write(self, content: Content, path: Path) -> dict[str, Any]:
        text, data = _written(content)
        path.write_text(text, encoding="utf-8", newline="\n")
        path.with_suffix(".bin").write_bytes(data)
        return {"layers": text.count("\n") - 2}

    def inspect(self, path: Path) -> Card:
        card = super().inspect(path)
        with path.open("rb") as file:
            if file.readline(16).strip() != str(MAGIC).encode():
                message = f"{path} is no .param of ncnn in text"
                raise FileError(message)
        return card


def _written(content: Content) -> tuple[str, bytes]:
    graph, writer = content.graph, Writer(content.floats)
    f, values = NcnnFunctional(writer), {}
    for place, node in enumerate(graph.inputs):
        shape, limit = (1, *node.shape), int(index_limits(graph, node.name).max())
        values[node.name] = Value(
            writer, shape, writer.input(f"in{place}", canonical(shape)), limit
        )
    for placed in graph:
        writer.layer = placed.name
        inputs = tuple(values[source] for source in placed.sources)
        values[placed.name] = rules.find(placed.layer)(f, placed, inputs)
        if placed.dtype == "int":
            values[placed.name].limit = int(index_limits(graph, placed.name).max())
    return writer.finish([values[name].blob() for name in graph.outputs])


FORMAT = Ncnn()
