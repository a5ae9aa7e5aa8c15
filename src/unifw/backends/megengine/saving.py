"""MegEngine's file for deployment: the recorded graph with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from megengine import Tensor
from megengine.jit import trace

from unifw.spec.graph import Graph

__all__ = ["PORTABLE", "save"]

# Whatever device there is where the file is opened.
PORTABLE = "xpux"


def save(net: Any, graph: Graph, weights: Mapping[str, npt.NDArray[Any]], path: str) -> None:
    """Write a net, which must be on ``PORTABLE``, with weights.

    Its outputs are named ``output_0``, ``output_1`` …
    """
    for name, value in weights.items():
        net.weight(name)[...] = Tensor(value, device=PORTABLE)

    def forward(*xs: Any) -> list[Any]:
        outs = net.plain(xs, training=False, masks={})
        return [own(out, [*xs, *outs[:place]]) for place, out in enumerate(outs)]

    def own(out: Any, others: list[Any]) -> Any:
        # What goes straight through, or out twice, bears one name only; a sum with zero is another value.
        return out + 0 if any(out is other for other in others) else out

    recorded = trace(forward, symbolic=True, capture_as_const=True)
    recorded(*map(_sample, graph.inputs))
    recorded.dump(
        path,
        arg_names=[node.name for node in graph.inputs],
        output_names=[f"output_{place}" for place in range(len(graph.outputs))],
        optimize_for_inference=False,
    )


def _sample(node: Any) -> Any:
    """Return two rows to record with: with one, what is stretched over the batch would be left out."""
    kind = np.int32 if node.dtype == "int" else np.float32
    return Tensor(np.zeros((2, *node.shape), kind), device=PORTABLE)
