"""Layer → ONNX nodes, and the whole model around them.

A rule takes a ``Writer``, the ``Placed`` and the names of its inputs, and returns that of its output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

import unifw
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Placed

__all__ = ["Writer", "model", "rules"]

rules = Rules("format 'onnx'")

Array = npt.NDArray[Any]
BATCH = "N"


@dataclass
class Writer:
    """Gathers the nodes and constants of a graph.

    Attributes
    ----------
    weights : mapping of str to ndarray
        The net's weights by full name, under which they are stored in the file, once each.
    opset : int
        Version of the operators.
    """

    weights: Mapping[str, Array]
    opset: int
    nodes: list[dict[str, Any]] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    layer: str = ""

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        number = sum(1 for node in self.nodes if node["layer"] == self.layer)
        output = f"{self.layer}/{kind}" + (f"_{number}" if number else "")
        self.nodes.append(
            {"layer": self.layer, "kind": kind, "inputs": list(inputs), "output": output,
             "attributes": attributes}
        )  # fmt: skip
        return output

    def weight(self, placed: Placed, part: str) -> str:
        """Return the name of a weight of a layer, storing it."""
        full = placed.weights[part]
        self.constants[full] = _floats(self.weights[full])
        return full

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Store a constant of this layer and return its name."""
        full = f"{self.layer}/{name}"
        self.constants[full] = np.array(value, dtype=dtype)
        return full

    def ints(self, name: str, values: Sequence[int]) -> str:
        """Store whole numbers and return their name."""
        return self.constant(name, values, np.int64)


def _floats(array: Array) -> Array:
    # In C order; not np.ascontiguousarray, which turns scalars into vectors.
    return np.array(array, dtype=np.float32, order="C")


def model(
    graph: Graph, weights: Mapping[str, Array], *, metadata: Mapping[str, str], opset: int
) -> onnx.ModelProto:
    """Return a net with its weights as an ONNX model; its batch axis ``N`` is free."""
    writer = Writer(weights, opset)
    values = {node.name: node.name for node in graph.inputs}
    for placed in graph:
        writer.layer = placed.name
        inputs = [values[source] for source in placed.sources]
        values[placed.name] = rules.find(placed.layer)(writer, placed, inputs)
    outputs = _named_outputs(writer, graph, values)
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


def _named_outputs(writer: Writer, graph: Graph, values: Mapping[str, str]) -> list[str]:
    """Give each output the name it has in the net."""
    inputs = {node.name for node in graph.inputs}
    for name in graph.outputs:
        made = values[name]
        if made in inputs or [values[n] for n in graph.outputs].count(made) > 1:
            writer.layer = name
            made = writer.op("Identity", made)
        if name not in inputs:
            _rename(writer, made, name)
    # An input that is an output as well cannot have its name twice.
    return [f"{name}/Identity" if name in inputs else name for name in graph.outputs]


def _rename(writer: Writer, old: str, new: str) -> None:
    for node in writer.nodes:
        node["inputs"] = [new if name == old else name for name in node["inputs"]]
        node["output"] = new if node["output"] == old else node["output"]


def _node(node: dict[str, Any]) -> onnx.NodeProto:
    return helper.make_node(
        node["kind"], node["inputs"], [node["output"]],
        name=f"{node['layer']}/{node['output'].rpartition('/')[2]}", **node["attributes"],
    )  # fmt: skip


def _dtype(graph: Graph, name: str) -> str:
    return ({n.name: n.dtype for n in graph.inputs} | {p.name: p.dtype for p in graph})[name]


def _value(name: str, shape: tuple[int, ...], dtype: str) -> onnx.ValueInfoProto:
    kind = TensorProto.INT64 if dtype == "int" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, [BATCH, *shape])


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
def dense(w: Writer, placed: Placed, inputs: list[str]) -> str:
    weight = w.weight(placed, "weight")
    if not placed.layer.bias:
        return w.op("MatMul", *inputs, weight)
    bias = w.weight(placed, "bias")
    if len(placed.in_shape) == 1:
        return w.op("Gemm", *inputs, weight, bias)
    return w.op("Add", w.op("MatMul", *inputs, weight), bias)


@rules(L.Embedding)
def embedding(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Gather", w.weight(placed, "weight"), *inputs, axis=0)


# ------------------------------------------------------------------------ windows


def _window(placed: Placed) -> dict[str, Any]:
    window = placed.layer.window
    pads = window.pads(placed.in_shape[1:])
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": [before for before, _ in pads] + [after for _, after in pads],
    }


@rules(L.Conv1D, L.Conv2D)
def conv(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer = placed.layer
    parts = [w.weight(placed, part) for part in placed.weights]
    dilations = list(layer.window.dilation)
    return w.op("Conv", *inputs, *parts, group=layer.groups, dilations=dilations, **_window(placed))


@rules(L.MaxPool1D, L.MaxPool2D)
def max_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("MaxPool", *inputs, **_window(placed))


@rules(L.AvgPool1D, L.AvgPool2D)
def avg_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("AveragePool", *inputs, count_include_pad=0, **_window(placed))


@rules(L.GlobalAvgPool)
def global_avg_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Flatten", w.op("GlobalAveragePool", *inputs), axis=1)


@rules(L.GlobalMaxPool)
def global_max_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Flatten", w.op("GlobalMaxPool", *inputs), axis=1)


# ------------------------------------------------------------------------ normalisation


@rules(L.BatchNorm)
def batch_norm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer, channels = placed.layer, placed.in_shape[0]
    if layer.affine:
        scale = [w.weight(placed, "weight"), w.weight(placed, "bias")]
    else:
        scale = [w.constant("ones", np.ones(channels)), w.constant("zeros", np.zeros(channels))]
    running = [w.weight(placed, "running_mean"), w.weight(placed, "running_var")]
    return w.op("BatchNormalization", *inputs, *scale, *running, epsilon=layer.epsilon)


@rules(L.LayerNorm)
def layer_norm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer, shape = placed.layer, placed.in_shape[-placed.layer.axes :]
    if w.opset >= 17:  # the first with an operator of its own
        scale = (
            [w.weight(placed, "weight"), w.weight(placed, "bias")]
            if layer.affine
            else [w.constant("ones", np.ones(shape))]
        )
        return w.op("LayerNormalization", *inputs, *scale, axis=-layer.axes, epsilon=layer.epsilon)
    axes = list(range(-layer.axes, 0))
    centred = w.op("Sub", *inputs, w.op("ReduceMean", *inputs, axes=axes))
    var = w.op("ReduceMean", w.op("Mul", centred, centred), axes=axes)
    deviation = w.op("Sqrt", w.op("Add", var, w.constant("epsilon", layer.epsilon)))
    y = w.op("Div", centred, deviation)
    if not layer.affine:
        return y
    return w.op("Add", w.op("Mul", y, w.weight(placed, "weight")), w.weight(placed, "bias"))


@rules(L.Dropout)
def dropout(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del w, placed  # nothing is dropped outside training
    return inputs[0]


# ------------------------------------------------------------------------ moving and joining


@rules(L.Flatten, L.Reshape)
def reshape(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # 0 stands for the axis as it is: the batch.
    return w.op("Reshape", *inputs, w.ints("shape", (0, *placed.out_shape)))


@rules(L.Permute)
def permute(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Transpose", *inputs, perm=[0, *placed.layer.axes])


@rules(L.Pad)
def pad(w: Writer, placed: Placed, inputs: list[str]) -> str:
    pairs = placed.layer.padding
    free = [0] * (len(placed.in_shape) + 1 - len(pairs))
    sides = [*free, *(before for before, _ in pairs), *free, *(after for _, after in pairs)]
    return w.op("Pad", *inputs, w.ints("pads", sides), w.constant("value", placed.layer.value))


@rules(L.Add)
def add(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Sum", *inputs) if len(inputs) > 2 else w.op("Add", *inputs)


@rules(L.Multiply)
def multiply(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    y = inputs[0]
    for x in inputs[1:]:
        y = w.op("Mul", y, x)
    return y


@rules(L.Concatenate)
def concatenate(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Concat", *inputs, axis=placed.layer.axis)


# ------------------------------------------------------------------------ activations


@rules(L.ReLU, L.Sigmoid, L.Tanh)
def named(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op({L.ReLU: "Relu"}.get(type(placed.layer), type(placed.layer).__name__), *inputs)


@rules(L.LeakyReLU)
def leaky_relu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("LeakyRelu", *inputs, alpha=placed.layer.negative_slope)


@rules(L.ELU)
def elu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Elu", *inputs, alpha=placed.layer.alpha)


@rules(L.SiLU)
def silu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Mul", *inputs, w.op("Sigmoid", *inputs))


@rules(L.GELU)
def gelu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # Not the operator Gelu (opset 20): MNN 3.6 reads it with an error of 1.4e-4.
    one, half = w.constant("one", 1.0), w.constant("half", 0.5)
    if placed.layer.approximate == "tanh":
        cube = w.op("Mul", w.op("Mul", *inputs, *inputs), *inputs)
        sum_ = w.op("Add", *inputs, w.op("Mul", cube, w.constant("cubic", 0.044715)))
        bent = w.op("Tanh", w.op("Mul", sum_, w.constant("root", math.sqrt(2 / math.pi))))
    else:
        bent = w.op("Erf", w.op("Mul", *inputs, w.constant("root", math.sqrt(1 / 2))))
    return w.op("Mul", w.op("Mul", *inputs, half), w.op("Add", bent, one))


@rules(L.Softmax)
def softmax(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Softmax", *inputs, axis=placed.layer.axis)


@rules(L.LogSoftmax)
def log_softmax(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("LogSoftmax", *inputs, axis=placed.layer.axis)
