"""A live net in Paddle: an ``nn.Layer`` that holds the weights, trained eagerly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle

from unifw.backend import Options, Session
from unifw.backends.eager import Walk, holding, slot_places
from unifw.backends.extras import Extras
from unifw.backends.mixed import LossScale
from unifw.backends.paddle.functional import building, functional
from unifw.backends.paddle.saving import save
from unifw.backends.paddle.tables import rules_for
from unifw.backends.paddle.training import clip, total_loss
from unifw.backends.paddle.update import update
from unifw.data import Data
from unifw.randomness import step_seed
from unifw.spec.graph import Graph
from unifw.weights import Arrays

__all__ = ["Net", "PaddleSession"]

Array = npt.NDArray[Any]


class Net(paddle.nn.Layer):
    """The net as Paddle knows it: ``net.parts["dense"].weight``; called, it evaluates.

    Parameters
    ----------
    graph : Graph
        The description.
    options : Options
        Say by which rules.
    """

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__()
        self.walk = Walk(graph, rules_for(options), self.weight)
        self.parts = paddle.nn.LayerDict()
        for name, part in graph.parts.items():
            owner, _, key = name.rpartition(".")
            if owner not in self.parts:
                self.parts[owner] = paddle.nn.Layer()
            shape = list(part.shape)
            if part.trainable:
                zeros = paddle.nn.initializer.Constant(0.0)
                weight = self.create_parameter(shape, default_initializer=zeros)
                self.parts[owner].add_parameter(key, weight)
            else:
                self.parts[owner].register_buffer(key, paddle.zeros(shape))

    def weight(self, name: str) -> Any:
        """Return the live weight of that full name."""
        owner, _, key = name.rpartition(".")
        return getattr(self.parts[owner], key)

    def forward(self, *xs: Any) -> Any:
        """Evaluate: nothing is dropped, running statistics are used."""
        outs = self.walk(xs, training=False, masks={})
        return outs if len(outs) > 1 else outs[0]


class PaddleSession(Session):
    """Eager steps; ``update`` says how the weights change."""

    draws = True

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        with building(options.dtype):
            self._net = Net(graph, options)
            self._net.to(device=options.device)
            live, words = self._net.weight, functional()
            self._regularizers = holding(graph.regularizers, words, live)
            self._constraints = holding(graph.constraints, words, live)
        self._net.eval()
        self._names = [name for name, part in graph.parts.items() if part.trainable]
        self._trained = [self._net.weight(name) for name in self._names]
        self._scale = LossScale() if options.is_mixed else None
        self._running = [
            self._net.weight(name) for name, part in graph.parts.items() if not part.trainable
        ]
        self._slot_places = slot_places(self._names, options.optimizer)
        self._update = update(options.optimizer, self._trained, self._names)
        self._extras = Extras(options.optimizer, self._trained, paddle.zeros_like)

    @property
    def native(self) -> Net:
        """The ``paddle.nn.Layer`` with the live weights."""
        return self._net

    def tensor(self, array: Array) -> Any:
        return paddle.to_tensor(array, place=self.options.device)

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        with paddle.no_grad():
            outs = self._net.walk(tuple(map(self.tensor, xs)), training=False, masks={})
        return tuple(out.numpy() for out in outs)

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        to, scale = self.tensor, self._scale
        if not self.options.parity:
            # Its generator belongs to the process; seeded in each step, it is nobody else's matter.
            paddle.seed(step_seed(self.options.seed, self.steps))
            masks = {}
        before = [] if scale is None else [weight.clone() for weight in self._running]
        outs = self._net.walk(
            tuple(map(to, batch.xs)),
            training=True,
            masks={name: to(mask) for name, mask in masks.items()},
        )
        shares = None if batch.weights is None else to(batch.weights)
        losses, weights = self.options.losses, self.options.loss_weights
        loss, parts = total_loss(losses, weights, outs, tuple(map(to, batch.ys)), shares)
        for penalty, weight in self._regularizers:
            loss = loss + penalty(weight)
        if self._trained:
            (loss if scale is None else loss * scale.value).backward()
            with paddle.no_grad():
                found = [w.grad for w in self._trained]
                pairs = zip(found, self._trained, strict=True)
                grads = [paddle.zeros_like(w) if grad is None else grad for grad, w in pairs]
                optimizer = self.options.optimizer
                is_plain = optimizer.is_plain and scale is None
                due = grads if is_plain else self._due(grads, before)
                if due is not None:
                    number = self.steps // optimizer.accumulate
                    self._update(clip(optimizer, due), coefficients, number)
                    for hold, weight in self._constraints:
                        paddle.assign(hold(weight), weight)
                    if optimizer.ema is not None:
                        self._extras.follow(self._trained)
            for weight in self._trained:
                weight.clear_gradient(set_to_zero=False)
        if len(parts) > 1:
            loss = paddle.stack([loss, *parts])
        return loss.detach(), [out.detach() for out in outs]

    def _due(self, grads: Sequence[Any], before: Sequence[Any]) -> Sequence[Any] | None:
        """Return the gradients to update with, if any; without, all is as ``before`` an overflow."""
        if self._scale is None:
            return self._extras.mean(grads, self.steps)
        due = self._scale.divided(grads, self.host)
        if due is None:
            for running, value in zip(self._running, before, strict=True):
                paddle.assign(value, running)
            if self.options.optimizer.ema is not None:
                self._extras.follow(self._trained)
        return due

    def host(self, value: Any) -> Array:
        return np.asarray(value.numpy())

    def weights(self) -> Arrays:
        return {name: self._net.weight(name).numpy().copy() for name in self.graph.parts}

    def load(self, weights: Mapping[str, Array]) -> None:
        for name, value in weights.items():
            self._net.weight(name).set_value(value.astype(self.options.dtype, copy=False))

    def save_native(self, path: str) -> None:
        save(self._net, self.graph, path)

    def state(self) -> Arrays:
        slots, places = self._update.slots, self._slot_places.items()
        found = {name: slots[i][k].numpy().copy() for name, (i, k) in places}
        found |= {} if self._scale is None else self._scale.state()
        return found | self._extras.state(self._names, lambda value: value.numpy().copy())

    def load_state(self, state: Mapping[str, Array]) -> None:
        if self._scale is not None:
            self._scale.load(state)
        slots = self._update.slots
        for name, (i, k) in self._slot_places.items():
            slots[i][k].set_value(state[name].astype(self.options.dtype, copy=False))
        self._extras.load(
            self._names,
            state,
            lambda value: self.tensor(value.astype(self.options.dtype, copy=False)),
        )
