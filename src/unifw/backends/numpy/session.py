"""A live net in NumPy: all weights in one flat array, so that an optimizer step is a few operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backend import Options, Session
from unifw.backends.extras import Extras
from unifw.backends.numpy.crew import gathered
from unifw.backends.numpy.layout import blocks
from unifw.backends.numpy.training import NumpyOps, Passes, clip, loss_and_gradients
from unifw.data import Data
from unifw.formulas.tape import TAPE, Value
from unifw.formulas.weights import held_by
from unifw.measures.penalties import value_and_slope
from unifw.spec.graph import Graph
from unifw.weights import Arrays

__all__ = ["NumpySession"]

Array = npt.NDArray[Any]


def _raised(loss: Any, penalty: Any) -> Any:
    """Add a penalty to the loss, which with several outputs comes first of theirs."""
    if np.ndim(loss):
        loss[0] += penalty
        return loss
    return loss + penalty


class NumpySession(Session):
    """Forward and backward by the rules; one flat array each for weights, gradients and slots."""

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        trained = [name for name, part in graph.parts.items() if part.trainable]
        sizes = [int(np.prod(graph.parts[name].shape)) for name in trained]
        ends = np.cumsum(sizes, dtype=np.int64)
        self._places = {
            name: slice(int(end) - size, int(end))
            for name, size, end in zip(trained, sizes, ends, strict=True)
        }
        self._flat = np.zeros(sum(sizes), dtype=options.dtype)
        self._grads = np.zeros_like(self._flat)
        optimizer = options.optimizer
        self._slots = tuple(np.zeros_like(self._flat) for _ in optimizer.slots)
        self._extras = Extras(optimizer, [self._flat], np.zeros_like)
        if optimizer.whole or optimizer.groups:
            places = zip(self._places.values(), optimizer.places(trained), strict=True)
            self._cuts = [(cut, optimizer.variants[place][0], place) for cut, place in places]
        else:  # value by value, so a stretch at a time in cache
            self._cuts = [(cut, optimizer, 0) for cut in blocks(len(self._flat), 1)]
        self._weights = {
            name: self._view(self._flat, name)
            if part.trainable
            else np.zeros(part.shape, dtype=options.dtype)
            for name, part in graph.parts.items()
        }
        self._passes = Passes(graph, self._weights)
        self._regularizers = graph.regularizers
        self._constraints = {
            name: held_by.find(rule)(rule, self._weights[name].ndim, TAPE)
            for name, rule in graph.constraints.items()
        }

    def _view(self, flat: Array, name: str) -> Array:
        return flat[self._places[name]].reshape(self.graph.parts[name].shape)

    @property
    def native(self) -> dict[str, Array]:
        """The live weights by name; writing into them changes the model."""
        return self._weights

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        with gathered(self._passes.most(len(xs[0]))) as crew:
            return self._passes.evaluate(crew, xs)

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        with gathered(self._passes.most(len(batch.xs[0]))) as crew:
            outs, backwards = self._passes.forward(crew, batch.xs, masks)
            loss, into = loss_and_gradients(self.graph, self.options, outs, batch)
            grads = self._passes.backward(crew, into, backwards)
        for name, place in self._places.items():
            self._grads[place] = grads[name].reshape(-1) if name in grads else 0
        for name, rule in self._regularizers.items():
            value, slope = value_and_slope(rule, self._weights[name])
            loss = _raised(loss, value)
            self._grads[self._places[name]] += slope.reshape(-1)
        self._update(coefficients)
        return loss, outs

    def _update(self, coefficients: tuple[float, ...]) -> None:
        """Apply the optimizer's formula, then constraints."""
        optimizer, grads, parts = self.options.optimizer, self._grads, [coefficients]
        if not optimizer.is_plain:
            due = self._extras.mean([grads], self.steps)
            if due is None:
                return
            (grads,), parts = due, optimizer.parted(coefficients)
        clipped = clip(optimizer, grads)
        for cut, rule, place in self._cuts:
            slots = tuple(slot[cut] for slot in self._slots)
            weight, new = rule.update(NumpyOps, self._flat[cut], clipped[cut], slots, parts[place])
            self._flat[cut] = weight
            for slot, value in zip(slots, new, strict=True):
                slot[...] = value
        for name, hold in self._constraints.items():
            self._weights[name][...] = hold(Value(self._weights[name])).data
        if optimizer.ema is not None:
            self._extras.follow([self._flat])

    def host(self, value: Any) -> Array:
        return np.asarray(value)

    def tensor(self, array: Array) -> Array:
        return Data((array,)).cast(self.options.dtype).xs[0]

    def weights(self) -> Arrays:
        return {name: weight.copy() for name, weight in self._weights.items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        for name, weight in weights.items():
            self._weights[name][...] = weight

    @property
    def _kept(self) -> dict[str, Array]:
        """All that is kept for the weights, by kind, each in one flat array."""
        slots = dict(zip(self.options.optimizer.slots, self._slots, strict=True))
        return slots | {kind: flat for kind, (flat,) in self._extras.arrays.items()}

    def state(self) -> Arrays:
        return {
            f"{name}/{kind}": self._view(flat, name).copy()
            for name in self._places
            for kind, flat in self._kept.items()
        }

    def load_state(self, state: Mapping[str, Array]) -> None:
        for name in self._places:
            for kind, flat in self._kept.items():
                self._view(flat, name)[...] = state[f"{name}/{kind}"]
