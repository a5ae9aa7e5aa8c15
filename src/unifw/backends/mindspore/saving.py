"""MindSpore's file for deployment, MindIR: the compiled graph with its weights."""

from __future__ import annotations

from typing import Any

import mindspore
from mindspore import Tensor

from unifw.spec.graph import Graph

__all__ = ["save"]


def save(net: Any, graph: Graph, path: str) -> None:
    """Write a net, evaluating.

    The batch is declared as free: with one of a fixed size, whatever is reshaped runs on that size only
    (mindspore 2.10).
    """
    kinds = {"int": mindspore.int32, "float": mindspore.float32}
    inputs = [Tensor(shape=[None, *node.shape], dtype=kinds[node.dtype]) for node in graph.inputs]
    mindspore.export(net, *inputs, file_name=path, file_format="MINDIR")
