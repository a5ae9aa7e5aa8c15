"""One training step in NumPy: forward, losses, backward, clipping and update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.rules import Backward, Call, rules
from unifw.data import Data
from unifw.measures.losses import value_and_gradient
from unifw.spec.graph import Graph
from unifw.spec.losses import Loss
from unifw.spec.optimizers import Optimizer

__all__ = ["NumpyOps", "Passes", "clip", "loss_and_gradients"]

Array = npt.NDArray[Any]


class NumpyOps:
    """The two operations that an optimizer's formula needs."""

    sqrt = staticmethod(np.sqrt)
    maximum = staticmethod(np.maximum)


class Passes:
    """The forward and backward pass of a whole net, over weights held elsewhere."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        self._graph = graph
        self._weights = {
            p.name: {part: weights[full] for part, full in p.weights.items()} for p in graph
        }
        self._steps = {p.name: rules.find(p.layer)(p) for p in graph}
        self._wanted = _reached_by_weights(graph)

    def forward(
        self, xs: tuple[Array, ...], *, training: bool, masks: Mapping[str, Array]
    ) -> tuple[dict[str, Array], dict[str, Backward]]:
        """Return the value of every node, and its backward pass."""
        values = {node.name: x for node, x in zip(self._graph.inputs, xs, strict=True)}
        backwards = {}
        for placed in self._graph:
            inputs = tuple(values[source] for source in placed.sources)
            wanted = any(source in self._wanted for source in placed.sources)
            call = Call(
                self._weights[placed.name], inputs, training, masks.get(placed.name), wanted
            )
            values[placed.name], backwards[placed.name] = self._steps[placed.name](call)
        return values, backwards

    def backward(self, into: dict[str, Array], backwards: dict[str, Backward]) -> dict[str, Array]:
        """Turn gradients of the outputs, by node, into gradients of the weights, by full name."""
        grads: dict[str, Array] = {}
        for placed in reversed(self._graph.walk):
            if placed.name not in into:
                continue
            to_inputs, to_parts = backwards.pop(placed.name)(into.pop(placed.name))
            for part, grad in to_parts.items():
                _accumulate(grads, placed.weights[part], grad)
            for source, grad in zip(placed.sources, to_inputs, strict=True):
                if source in self._wanted and grad is not None:
                    _accumulate(into, source, grad)
        return grads


def _reached_by_weights(graph: Graph) -> set[str]:
    """Return the nodes whose value depends on a trained weight: only they need a gradient."""
    reached: set[str] = set()
    for placed in graph:
        trained = any(part.trainable for part in placed.parts.values())
        if trained or any(source in reached for source in placed.sources):
            reached.add(placed.name)
    return reached


def _accumulate(into: dict[str, Array], name: str, grad: Array) -> None:
    into[name] = into[name] + grad if name in into else grad


def loss_and_gradients(
    graph: Graph, losses: tuple[Loss, ...], outs: tuple[Array, ...], batch: Data
) -> tuple[Any, dict[str, Array]]:
    """Return the summed loss of all outputs, and the gradient of each output node."""
    total: Any = 0.0
    into: dict[str, Array] = {}
    for name, loss, out, y in zip(graph.outputs, losses, outs, batch.ys, strict=True):
        value, grad = value_and_gradient(loss, out, y, batch.weights)
        total = total + value
        _accumulate(into, name, grad)
    return total, into


def clip(optimizer: Optimizer, grads: Array) -> Array:
    """Return the flat gradient of all weights, clipped as the optimizer says."""
    if optimizer.clip_value is not None:
        return np.clip(grads, -optimizer.clip_value, optimizer.clip_value)
    if optimizer.clip_norm is not None:
        norm = float(np.sqrt(np.dot(grads, grads)))
        return grads * min(1.0, optimizer.clip_norm / (norm + 1e-6))
    return grads
