"""A whole net as an ONNX model: its layers by the rules, inputs and outputs by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

import unifw
from unifw.export.onnx_rules import rules as onnx_rules
from unifw.export.onnx_writer import Writer
from unifw.rules import Rules
from unifw.spec.graph import Graph

__all__ = ["model"]

Array = npt.NDArray[Any]
BATCH = "N"


def model(  # noqa: PLR0913 - a net, its weights and what the file says; the rest has defaults
    graph: Graph,
    weights: Mapping[str, Array],
    *,
    metadata: Mapping[str, str],
    opset: int,
    rules: Rules = onnx_rules,
    reshaped: bool = False,
) -> onnx.ModelProto:
    """Return a net with its weights as an ONNX model; its batch axis ``N`` is free.

    ``rules`` are those of another format that is made from ONNX; where ``reshaped``, each output comes from an
    operator Reshape of its own.
    """
    writer = Writer(weights, opset)
    values = {node.name: node.name for node in graph.inputs}
    for placed in graph:
        writer.layer = placed.name
        inputs = [values[source] for source in placed.sources]
        values[placed.name] = rules.find(placed.layer)(writer, placed, inputs)
    outputs = _named_outputs(writer, graph, values, reshaped=reshaped)
    made = helper.make_graph(
        [_node(node) for node in writer.nodes],
        graph.name,
        [_value(n.name, n.shape, n.dtype) for n in graph.inputs],
        [
            _value(name, shape, _dtype(graph, end))
            for name, end, shape in zip(outputs, graph.outputs, graph.out_shapes, strict=True)
        ],
        [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    built = helper.make_model(
        made,
        opset_imports=imports,
        # The oldest that knows the operators: onnx writes its newest, which runtimes refuse.
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="unifw",
        producer_version=unifw.__version__,
    )
    helper.set_model_props(built, dict(metadata))
    return built


def _named_outputs(
    writer: Writer, graph: Graph, values: Mapping[str, str], *, reshaped: bool
) -> list[str]:
    """Give each output the name it has in the net, and return the names."""
    inputs = {node.name for node in graph.inputs}
    named = []
    for name, shape in zip(graph.outputs, graph.out_shapes, strict=True):
        made = values[name]
        writer.layer = name
        if reshaped:
            made = writer.op("Reshape", made, writer.whole((-1, *shape)))
        elif made in inputs or [values[n] for n in graph.outputs].count(made) > 1:
            made = writer.op("Identity", made)
        # An input that is an output as well cannot have its name twice.
        if name not in inputs:
            _rename(writer, made, name)
        named.append(made if name in inputs else name)
    return named


def _rename(writer: Writer, old: str, new: str) -> None:
    for node in writer.nodes:
        node["inputs"] = [new if name == old else name for name in node["inputs"]]
        node["outputs"] = [new if name == old else name for name in node["outputs"]]


def _node(node: dict[str, Any]) -> onnx.NodeProto:
    return helper.make_node(
        node["kind"], node["inputs"], node["outputs"],
        name=f"{node['layer']}/{node['outputs'][0].rpartition('/')[2]}", **node["attributes"],
    )  # fmt: skip


def _dtype(graph: Graph, name: str) -> str:
    return ({n.name: n.dtype for n in graph.inputs} | {p.name: p.dtype for p in graph})[name]


def _value(name: str, shape: tuple[int, ...], dtype: str) -> onnx.ValueInfoProto:
    kind = TensorProto.INT64 if dtype == "int" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, [BATCH, *shape])
