"""MindSpore's file for deployment, MindIR: the compiled graph with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore
from mindspore import Tensor

from unifw.backends.mindspore.net import Net
from unifw.backends.mindspore.rules import rules as live
from unifw.backends.mindspore.windows import Own, OwnSeparable
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Graph

__all__ = ["save"]

# Convolutions as such, however they are worked out here: the device that runs the file has its own way.
rules = Rules("a MindIR file")
rules(L.Conv1D, L.Conv2D)(Own)
rules(L.SeparableConv1D, L.SeparableConv2D)(OwnSeparable)
rules.adopt(live, lambda rule: rule)


def save(graph: Graph, parameters: Mapping[str, Any], path: str) -> None:
    """Write a net with its weights, evaluating.

    The batch is declared as free: with one of a fixed size, whatever is reshaped runs on that size only
    (mindspore 2.10).
    """
    kinds = {"int": mindspore.int32, "float": mindspore.float32}
    inputs = [Tensor(shape=[None, *node.shape], dtype=kinds[node.dtype]) for node in graph.inputs]
    net = Net(graph, parameters, rules)
    net.set_train(mode=False)
    mindspore.export(net, *inputs, file_name=path, file_format="MINDIR")
