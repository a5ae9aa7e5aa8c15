"""A live net in MegEngine: a ``Module`` that holds the weights, trained eagerly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import megengine
import numpy as np
import numpy.typing as npt
from megengine import Parameter, Tensor
from megengine import functional as F
from megengine.autodiff import GradManager
from megengine.module import Module

from unifw.backend import Epoch, Options, Plan, Report, Session
from unifw.backends.eager import Walk, holding, slot_places
from unifw.backends.extras import Extras
from unifw.backends.megengine.functional import FUNCTIONAL
from unifw.backends.megengine.recurrent import FEW, kept_within
from unifw.backends.megengine.rules import TURNS
from unifw.backends.megengine.saving import PORTABLE, save
from unifw.backends.megengine.tables import rules_for
from unifw.backends.megengine.training import MegEngineOps, clip, total_loss
from unifw.backends.mixed import LossScale
from unifw.data import Data
from unifw.spec.graph import Graph
from unifw.weights import Arrays

__all__ = ["MegEngineSession", "Net"]

# MegEngine works behind the program's back, and what waits to be worked out holds memory: without bound it
# takes a further 30 MiB for each step of an LSTM (megengine 1.13). So it is waited for as soon as the steps
# ahead make more than twice so many numbers; evaluation goes in parts whose nets hold no more than so many.
VALUES_AHEAD = 1 << 22

Array = npt.NDArray[Any]


class Net(Module):
    """The net as MegEngine knows it: ``net.parts["dense"]["weight"]``; called, it evaluates.

    Parameters
    ----------
    graph : Graph
        The description.
    options : Options
        Say by which rules.
    device : str
        As MegEngine spells it: ``"cpux"``, ``"gpu0"``.
    """

    def __init__(self, graph: Graph, options: Options, device: str) -> None:
        super().__init__()
        turns = TURNS if device.startswith("cpu") else None
        rules = rules_for(options)
        self.walk = Walk(graph, rules, self.weight, turns)
        self.plain = Walk(graph, rules, self.weight)
        self.parts: dict[str, dict[str, Any]] = {}
        for name, part in graph.parts.items():
            owner, _, key = name.rpartition(".")
            kind = Parameter if part.trainable else Tensor
            zeros = np.zeros(part.shape, dtype=np.float32)
            self.parts.setdefault(owner, {})[key] = kind(zeros, device=device)

    def weight(self, name: str) -> Any:
        """Return the live weight of that full name."""
        owner, _, key = name.rpartition(".")
        return self.parts[owner][key]

    def forward(self, *xs: Any) -> Any:
        """Evaluate: nothing is dropped, running statistics are used."""
        outs = self.evaluated(xs)
        return outs if len(outs) > 1 else outs[0]

    def evaluated(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Return all outputs, in evaluation."""
        walk = self.plain if xs[0].shape[0] < FEW else self.walk
        return walk(xs, training=False, masks={})


@contextmanager
def _on(device: str) -> Iterator[None]:
    """Make tensors on a device for a while: formulas make their constants while a net is built."""
    before = megengine.get_default_device()
    megengine.set_default_device(device)
    try:
        yield
    finally:
        megengine.set_default_device(before)


class MegEngineSession(Session):
    """Eager steps; gradients by ``GradManager``; updates by unifw's own formulas."""

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        # MegEngine writes cpux (any core) and gpu0.
        self._device = "cpux" if options.device == "cpu" else options.device.replace(":", "")
        with _on(self._device):
            self._net = Net(graph, options, self._device)
        self._net.eval()
        self._names = [name for name, part in graph.parts.items() if part.trainable]
        self._trained = [self._net.weight(name) for name in self._names]
        self._scale = LossScale() if options.is_mixed else None
        self._running = [
            self._net.weight(name) for name, part in graph.parts.items() if not part.trainable
        ]
        self._slot_places = slot_places(self._names, options.optimizer)
        self._slots = [
            tuple(F.zeros_like(weight) for _ in options.optimizer.slots) for weight in self._trained
        ]
        live = self._net.weight
        self._regularizers = holding(graph.regularizers, FUNCTIONAL, live)
        self._constraints = holding(graph.constraints, FUNCTIONAL, live)
        self._extras = Extras(options.optimizer, self._trained, F.zeros_like)
        self._group_places = options.optimizer.places(self._names)
        self._gradients = GradManager()
        # In a row: what comes out of the layers, and what of it, and within them, the way back needs.
        self._values = sum(math.prod(placed.out_shape) for placed in graph)
        self._kept = self._values + sum(map(kept_within, graph))
        # Gradients, new weights, and what an optimizer makes on the way.
        self._made = 4 * sum(math.prod(weight.shape) for weight in self._trained)
        self._ahead = 0
        if self._trained:
            self._gradients.attach(self._trained)

    @property
    def native(self) -> Net:
        """The ``megengine.module.Module`` with the live weights."""
        return self._net

    def tensor(self, array: Array) -> Any:
        # Integers are 32 bits wide in MegEngine; indices and labels have been checked to fit.
        kind = np.int32 if array.dtype.kind == "i" else np.float32
        return Tensor(np.ascontiguousarray(array, dtype=kind), device=self._device)

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        # In parts, each of which is waited for, so that no more than VALUES_AHEAD of values are held; rows do
        # not depend on each other in evaluation.
        size = max(VALUES_AHEAD // max(self._values, 1), FEW)
        found = [
            tuple(
                out.numpy()
                for out in self._net.evaluated([self.tensor(x[first : first + size]) for x in xs])
            )
            for first in range(0, max(len(xs[0]), 1), size)
        ]
        return found[0] if len(found) == 1 else tuple(map(np.concatenate, zip(*found, strict=True)))

    def fit(self, data: Data, plan: Plan, report: Report | None = None) -> Iterator[Epoch]:
        for epoch in super().fit(data, plan, report):
            # The loss is known before the last weights are: what fails on the way to them is to fail here.
            if self._trained:
                self._trained[-1].reshape(-1)[:1].numpy()
            self._ahead = 0
            yield epoch

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        to = self.tensor
        xs, ys = tuple(map(to, batch.xs)), tuple(map(to, batch.ys))
        shares = None if batch.weights is None else to(batch.weights)
        scale = self._scale
        before = [] if scale is None else [weight * 1.0 for weight in self._running]
        dropped = {name: to(mask) for name, mask in masks.items()}
        kept = len(batch.xs[0]) * self._kept
        with self._gradients:
            outs = self._net.walk(xs, training=True, masks=dropped)
            losses, weights = self.options.losses, self.options.loss_weights
            loss, parts = total_loss(losses, weights, outs, ys, shares)
            for penalty, weight in self._regularizers:
                loss = loss + penalty(weight)
            if kept > VALUES_AHEAD:
                loss.numpy()  # a ResNet's step then takes four fifths of the time (megengine 1.13)
            if self._trained:
                self._gradients.backward(loss if scale is None else loss * scale.value)
        if not self._update(coefficients):
            for running, value in zip(self._running, before, strict=True):
                running[...] = value
        if len(parts) > 1:
            loss = F.concat([value.reshape(1) for value in (loss, *parts)])
        self._ahead += 2 * kept + self._made  # each value has a gradient
        if self._ahead > 2 * VALUES_AHEAD:
            loss.numpy()
            self._ahead = 0
        return loss, outs

    def _update(self, coefficients: tuple[float, ...]) -> bool:
        """Take the weights a step further; return whether no overflow forbids it."""
        optimizer = self.options.optimizer
        grads: Sequence[Any] = [
            F.zeros_like(w) if w.grad is None else w.grad for w in self._trained
        ]
        for weight in self._trained:
            weight.grad = None
        rules, parts = [optimizer], [coefficients]
        if self._scale is not None:
            divided = self._scale.divided(grads, self.host)
            if divided is None:
                if optimizer.ema is not None:
                    self._extras.follow(self._trained)
                return False
            grads = divided
        if not optimizer.is_plain:
            due = self._extras.mean(grads, self.steps)
            if due is None:
                return True
            rules, parts = [rule for rule, _ in optimizer.variants], optimizer.parted(coefficients)
            grads = due
        for place, grad in enumerate(clip(optimizer, grads)):
            weight, group = self._trained[place], self._group_places[place]
            new, self._slots[place] = rules[group].update(
                MegEngineOps, weight, grad, self._slots[place], parts[group]
            )
            weight[...] = new
        for hold, weight in self._constraints:
            weight[...] = hold(weight)
        if optimizer.ema is not None:
            self._extras.follow(self._trained)
        return True

    def host(self, value: Any) -> Array:
        return np.asarray(value.numpy())

    def weights(self) -> Arrays:
        return {name: self._net.weight(name).numpy().copy() for name in self.graph.parts}

    def load(self, weights: Mapping[str, Array]) -> None:
        for name, value in weights.items():
            self._net.weight(name)[...] = self.tensor(value)

    def save_native(self, path: str) -> None:
        whole = Net(self.graph, replace(self.options, precision="full"), PORTABLE)
        save(whole, self.graph, self.weights(), path)

    def state(self) -> Arrays:
        places = self._slot_places.items()
        found = {name: self._slots[i][k].numpy().copy() for name, (i, k) in places}
        found |= {} if self._scale is None else self._scale.state()
        return found | self._extras.state(self._names, lambda value: value.numpy().copy())

    def load_state(self, state: Mapping[str, Array]) -> None:
        if self._scale is not None:
            self._scale.load(state)
        fresh = [list(slots) for slots in self._slots]
        for name, (i, k) in self._slot_places.items():
            fresh[i][k] = self.tensor(state[name])
        self._slots = [tuple(slots) for slots in fresh]
        self._extras.load(self._names, state, self.tensor)
