"""A live net: its weights, one training step, and what it takes to be saved and moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unifw.backend import Options, Session
from unifw.backends.numpy.training import NumpyOps
from unifw.data import Data
from unifw.measures.losses import value_and_gradient
from unifw.spec.graph import Graph
from unifw.weights import Arrays
from unifw_toy.rules import rules

__all__ = ["ToySession"]


class ToySession(Session):
    """Layer by layer forward, and the same way back."""

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        self._live = {
            name: np.zeros(part.shape, options.dtype) for name, part in graph.parts.items()
        }
        self._slots = {
            name: [np.zeros_like(self._live[name]) for _ in options.optimizer.slots]
            for name, part in graph.parts.items()
            if part.trainable
        }

    @property
    def native(self) -> Arrays:
        return self._live

    def host(self, value: Any) -> Any:
        return np.asarray(value)

    def tensor(self, array: Any) -> Any:
        return np.asarray(array)

    # -------------------------------------------------------------- passes

    def forward(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        values, _ = self._run(xs)
        return tuple(values[name] for name in self.graph.outputs)

    def _run(self, xs: tuple[Any, ...]) -> Any:
        """Return the value of every node, and every layer with its way back."""
        values = {node.name: x for node, x in zip(self.graph.inputs, xs, strict=True)}
        backs = []
        for placed in self.graph:
            weights = {part: self._live[name] for part, name in placed.weights.items()}
            inputs = [values[source] for source in placed.sources]
            values[placed.name], back = rules.find(placed.layer)(placed.layer, inputs, weights)
            backs.append((placed, back))
        return values, backs

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Any]
    ) -> Any:
        del masks  # of dropout and noise, which have no rule and are refused
        values, backs = self._run(batch.xs)
        (end,), (loss,), (share,) = (
            self.graph.outputs, self.options.losses, self.options.loss_weights,
        )  # fmt: skip
        value, slope = value_and_gradient(loss, values[end], batch.ys[0], batch.weights)
        for name, gradient in self._gradients({end: slope * share}, backs).items():
            if name in self._slots:
                self._update(name, gradient, coefficients)
        return value * share, [values[end]]

    def _gradients(self, slopes: dict[str, Any], backs: Any) -> dict[str, Any]:
        """Return the gradient of every weight, given that of the output."""
        found: dict[str, Any] = {}
        for placed, back in reversed(backs):
            to_inputs, to_weights = back(slopes[placed.name])
            for part, name in placed.weights.items():  # shared weights get a share from each layer
                found[name] = found.get(name, 0) + to_weights[part]
            for source, slope in zip(placed.sources, to_inputs, strict=True):
                slopes[source] = slopes[source] + slope if source in slopes else slope
        return found

    def _update(self, name: str, gradient: Any, coefficients: tuple[float, ...]) -> None:
        """Move a weight by the formula of the optimizer, which is unifw's own."""
        weight, slots = self._live[name], self._slots[name]
        rule = self.options.optimizer
        weight[...], new = rule.update(NumpyOps, weight, gradient, tuple(slots), coefficients)
        for slot, value in zip(slots, new, strict=True):
            slot[...] = value

    # -------------------------------------------------------------- in and out

    def weights(self) -> Arrays:
        return {name: weight.copy() for name, weight in self._live.items()}

    def load(self, weights: Mapping[str, Any]) -> None:
        for name, weight in weights.items():
            self._live[name][...] = weight

    @property
    def _state(self) -> Arrays:
        kinds = self.options.optimizer.slots
        return {
            f"{name}/{kind}": slot
            for name, slots in self._slots.items()
            for kind, slot in zip(kinds, slots, strict=True)
        }

    def state(self) -> Arrays:
        return {name: slot.copy() for name, slot in self._state.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for name, slot in self._state.items():
            slot[...] = state[name]
