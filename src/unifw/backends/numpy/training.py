"""One training step in NumPy: forward, losses, backward, clipping and update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backend import Options
from unifw.backends.numpy.calls import Backward, Call
from unifw.backends.numpy.layout import Room
from unifw.backends.numpy.rules import rules
from unifw.backends.schedule import learning, schedule
from unifw.data import Data
from unifw.measures.losses import value_and_gradient
from unifw.spec.graph import Graph
from unifw.spec.optimizers import Optimizer, PlainOps

__all__ = ["NumpyOps", "Passes", "clip", "loss_and_gradients"]

Array = npt.NDArray[Any]


class NumpyOps(PlainOps):
    """What an optimizer's formula needs."""

    sqrt = staticmethod(np.sqrt)
    maximum = staticmethod(np.maximum)
    abs = staticmethod(np.abs)
    sign = staticmethod(np.sign)

    @staticmethod
    def norm_ratio(x: Array, y: Array) -> float:
        above, below = (float(np.sqrt(np.dot(a, a))) for a in (x.reshape(-1), y.reshape(-1)))
        return above / below if above and below else 1.0


class Passes:
    """The forward and backward pass of a whole net, over weights held elsewhere."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        self._inputs = tuple(node.name for node in graph.inputs)
        steps = schedule(graph)
        self._learns = learning(steps)
        self._trained = frozenset(name for name, part in graph.parts.items() if part.trainable)
        self._order = [
            (
                step,
                rules.find(step.placed.layer)(step.placed),
                {part: weights[full] for part, full in step.placed.weights.items()},
                Room(),
                any(source in self._learns for source in step.sources),
            )
            for step in steps
        ]
        self._scratch = Room()

    def forward(
        self, xs: tuple[Array, ...], *, training: bool, masks: Mapping[str, Array]
    ) -> tuple[dict[str, Array], list[Backward]]:
        """Return the values that are still there, the outputs among them, and the backward passes.

        In training the values lie in memory that the next pass uses again; in evaluation nothing is
        held for longer than it is read.
        """
        values = dict(zip(self._inputs, xs, strict=True))
        backwards = []
        for step, rule, weights, room, wanted in self._order:
            inputs = tuple(values[source] for source in step.sources)
            mask = masks.get(step.placed.name)
            own = room if training else Room()
            call = Call(weights, inputs, training, own, self._scratch, mask, wanted)
            values[step.target], backward = rule(call)
            if training:
                backwards.append(backward)
            del inputs, call, backward
            for name in step.spent:
                del values[name]
        return values, backwards

    def backward(self, into: dict[str, Array], backwards: list[Backward]) -> dict[str, Array]:
        """Turn gradients of the outputs, by node, into gradients of the weights, by full name."""
        grads: dict[str, Array] = {}
        for step, *_ in reversed(self._order):
            backward = backwards.pop()
            if step.target not in into or step.target not in self._learns:
                continue
            to_inputs, to_parts = backward(into.pop(step.target))
            for part, grad in to_parts.items():
                name = step.placed.weights[part]
                if name in self._trained:
                    _accumulate(grads, name, grad)
            for source, grad in zip(step.sources, to_inputs, strict=True):
                if source in self._learns and grad is not None:
                    _accumulate(into, source, grad)
        return grads


def _accumulate(into: dict[str, Array], name: str, grad: Array) -> None:
    into[name] = into[name] + grad if name in into else grad


def loss_and_gradients(
    graph: Graph, options: Options, outs: tuple[Array, ...], batch: Data
) -> tuple[Any, dict[str, Array]]:
    """Return the losses and the gradient of each output node.

    The losses are their weighted sum; with several outputs, a vector of it and each of them.
    """
    total: Any = 0.0
    values: list[Any] = []
    into: dict[str, Array] = {}
    judged = zip(graph.outputs, options.losses, options.loss_weights, outs, batch.ys, strict=True)
    for name, loss, weight, out, y in judged:
        value, grad = value_and_gradient(loss, out, y, batch.weights)
        total = total + value * weight
        values.append(value)
        _accumulate(into, name, grad if weight == 1 else grad * weight)
    return np.array([total, *values]) if len(values) > 1 else total, into


def clip(optimizer: Optimizer, grads: Array) -> Array:
    """Return the flat gradient of all weights, clipped as the optimizer says."""
    if optimizer.clip_value is not None:
        return np.clip(grads, -optimizer.clip_value, optimizer.clip_value)
    if optimizer.clip_norm is not None:
        norm = float(np.sqrt(np.dot(grads, grads)))
        return grads * min(1.0, optimizer.clip_norm / (norm + 1e-6))
    return grads
