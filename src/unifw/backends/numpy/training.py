"""One training step in NumPy: forward, losses, backward, clipping and update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unifw.backend import Options
from unifw.backends.numpy.calls import Backward, Call
from unifw.backends.numpy.crew import Crew, Member
from unifw.backends.numpy.layout import Room
from unifw.backends.numpy.rules import rules
from unifw.backends.schedule import learning, schedule
from unifw.data import Data
from unifw.measures.losses import value_and_gradient
from unifw.spec.graph import Graph
from unifw.spec.optimizers import Optimizer, PlainOps

__all__ = ["NumpyOps", "Passes", "clip", "loss_and_gradients"]

Array = npt.NDArray[Any]

# How many numbers a member of a crew gives at least, of all layers' together: with less, waiting for one
# another costs more than it gains.
SHARE = 1 << 19


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


class _Memory(NamedTuple):
    """What one member of a crew works in: a room for each step, and one for all."""

    rooms: list[Room]
    scratch: Room


class Passes:
    """The forward and backward pass of a whole net, over weights held elsewhere."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        self._inputs = tuple(node.name for node in graph.inputs)
        self._outputs = graph.outputs
        steps = schedule(graph)
        self._learns = learning(steps)
        self._trained = frozenset(name for name, part in graph.parts.items() if part.trainable)
        self._order = [
            (
                step,
                rules.find(step.placed.layer)(step.placed),
                {part: weights[full] for part, full in step.placed.weights.items()},
                any(source in self._learns for source in step.sources),
            )
            for step in steps
        ]
        self._size = sum(math.prod(step.placed.out_shape) for step in steps)
        self._memories: list[_Memory] = []

    def most(self, rows: int) -> int:
        """Return by how many members so many rows are best done."""
        return min(rows, rows * self._size // SHARE)

    def evaluate(self, crew: Crew, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the outputs; nothing is held for longer than it is read."""

        def some(member: Member) -> dict[str, Array]:
            return self._forward(member, xs, {}, None)

        return self._joined(crew.each(some))

    def forward(
        self, crew: Crew, xs: tuple[Array, ...], masks: Mapping[str, Array]
    ) -> tuple[tuple[Array, ...], list[list[Backward]]]:
        """Return the outputs in training, and each member's backward passes.

        Those work in memory that the next pass uses again.
        """
        backwards: list[list[Backward]] = [[] for _ in crew.members]

        def some(member: Member) -> dict[str, Array]:
            return self._forward(member, xs, masks, backwards[member.number])

        return self._joined(crew.each(some)), backwards

    def _joined(self, parts: list[dict[str, Array]]) -> tuple[Array, ...]:
        """Return the outputs in memory of their own."""
        if len(parts) == 1:
            return tuple(parts[0][name].copy() for name in self._outputs)
        return tuple(np.concatenate([part[name] for part in parts]) for name in self._outputs)

    def _memory(self, member: Member) -> _Memory:
        while len(self._memories) < member.count:
            self._memories.append(_Memory([Room() for _ in self._order], Room()))
        return self._memories[member.number]

    def _forward(
        self,
        member: Member,
        xs: tuple[Array, ...],
        masks: Mapping[str, Array],
        backwards: list[Backward] | None,
    ) -> dict[str, Array]:
        """Return the values that are still there once the net is through, the outputs among them."""
        rows, (rooms, scratch) = member.rows(len(xs[0])), self._memory(member)
        training = backwards is not None
        values = {name: x[rows] for name, x in zip(self._inputs, xs, strict=True)}
        for (step, rule, weights, wanted), room in zip(self._order, rooms, strict=True):
            inputs = tuple(values[source] for source in step.sources)
            mask = masks.get(step.placed.name)
            call = Call(
                weights, inputs, training, room if training else Room(), scratch,
                None if mask is None else mask[rows], wanted, member,
            )  # fmt: skip
            values[step.target], backward = rule(call)
            if backwards is not None:
                backwards.append(backward)
            del inputs, call, backward
            for name in step.spent:
                del values[name]
        return values

    def backward(
        self, crew: Crew, into: Mapping[str, Array], backwards: list[list[Backward]]
    ) -> dict[str, Array]:
        """Turn gradients of the outputs, by node, into gradients of the weights, by full name."""

        def some(member: Member) -> dict[str, Array]:
            mine = {name: grad[member.rows(len(grad))] for name, grad in into.items()}
            return self._backward(mine, backwards[member.number])

        grads, *more = crew.each(some)
        for others in more:
            for name, grad in others.items():
                grads[name] = grads[name] + grad
        return grads

    def _backward(self, into: dict[str, Array], backwards: list[Backward]) -> dict[str, Array]:
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
