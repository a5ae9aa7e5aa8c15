"""Recurrent layers in MegEngine: one product for all inputs, a small one for each step, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import megengine.functional as F
import megengine.module as M
import numpy as np
from megengine import Tensor
from megengine.autodiff import Function
from megengine.jit.tracing import is_tracing

from unifw.backends.eager import Call, Forward
from unifw.backends.megengine.steps import (
    GRU,
    LSTM,
    PARTS,
    Cell,
    Counts,
    Rectified,
    Simple,
)
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.recurrent import Recurrent

__all__ = ["FEW", "by_steps", "kept_within"]

# With fewer rows than this, the framework's own operations are the quicker ones in evaluation.
FEW = 4


def kept_within(placed: Placed) -> int:
    """Return how many numbers a layer keeps within for its way back, in a row.

    Of each step: the gates before and after they are bent, and up to three more, the states among them.
    """
    layer = placed.layer
    if not isinstance(layer, Recurrent):
        return 0
    units = layer.units * sum(map(len, layer.stack))
    return int(placed.in_shape[0] * units * (2 * layer.gates + 3))


class Reading(Function):
    """One reading of the series, ``(time * n, features) -> (time * n, units)``, or to the last state alone.

    Parameters
    ----------
    make : callable
        Makes the cell of its weights.
    names : tuple of str
        Which of ``PARTS`` are given, in their order.
    sequences : bool
        Whether the output of every step is wanted.
    training, is_first : bool
        Whether there will be a way back, and whether the input needs no gradient then.
    """

    def __init__(
        self, make: Callable[[Mapping[str, Any]], Cell], names: tuple[str, ...],
        *, sequences: bool, training: bool, is_first: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self._make, self._names, self._sequences = make, names, sequences
        self._training, self._is_first = training, is_first

    def forward(self, x: Any, *weights: Any) -> Any:
        cell = self._make(dict(zip(self._names, weights, strict=True)))
        outs = cell.read(cell.parted(cell.given(x)), keep=self._training)
        if self._training:
            self._kept = x, cell
        return F.concat(outs, 0) if self._sequences else outs[cell.order[-1]]

    def backward(self, dy: Any) -> Any:
        x, cell = self._kept
        del self._kept  # else it would outlive its use
        # Where outputs were joined, this is a slice of the whole's gradient, and such a slice times what is
        # stretched over it comes out wrong (megengine 1.13); times 1 it lies by itself.
        dy = dy * 1.0
        given, beside = cell.back(*((cell.parted(dy), None) if self._sequences else (None, dy)))
        grads = {
            "weight": F.matmul(x, given, transpose_a=True),
            "recurrent_weight": F.matmul(cell.left(0), beside, transpose_a=True),
            "bias": F.sum(given, 0),
        }
        if "recurrent_bias" in self._names:
            grads["recurrent_bias"] = F.sum(beside[:, 2 * cell.units :], 0)
        return self._of_input(x, given, cell), *(grads[name] for name in self._names)

    def _of_input(self, x: Any, given: Any, cell: Cell) -> Any:
        if self._is_first:
            return F.zeros(1, device=x.device)
        return F.matmul(given, cell.held["weight"], transpose_b=True)


class Kernel:
    """The framework's own LSTM, all steps in one operation, of few rows and without a way back.

    Parameters
    ----------
    size, units : int
        Numbers in an input and in the state.
    """

    def __init__(self, size: int, units: int) -> None:
        self._own = M.LSTM(size, units)
        self._own.eval()
        # All its weights are this one parameter, one after the other, ``(gates, …)`` each: of inputs, of
        # states, and two biases. That order is not documented (megengine 1.13); tests compare every variant.
        self._flat = dict(self._own.named_parameters())["_flatten_weights"]
        self._units, self._none = units, F.zeros(4 * units)

    def __call__(self, x: Any, held: Mapping[str, Any]) -> Any:
        """Return the outputs ``(time, n, units)`` of ``(time, n, size)``."""
        both = (F.transpose(held[name], (1, 0)).reshape(-1) for name in PARTS[:2])
        # Filled anew each time, as nothing tells whether weights have changed.
        whole = F.concat([*both, held.get("bias", self._none), self._none], 0)
        self._flat[...] = whole.reshape(*self._flat.shape)
        # It would make its first state on the default device.
        state = F.zeros((1, x.shape[1], self._units), device=x.device)
        return self._own(x, (state, state))[0]


def by_steps(placed: Placed, formula: Forward) -> Forward:
    """Return the rule of a recurrent layer; where the graph is recorded, that of its formula."""
    layer, time = placed.layer, placed.in_shape[0]
    kinds: dict[type, Callable[..., Cell]] = {L.SimpleRNN: Simple, L.LSTM: LSTM, L.GRU: GRU}
    cell = kinds[type(layer)]
    if isinstance(layer, L.SimpleRNN) and layer.activation == "relu":
        cell = Rectified
    kernels: dict[int, Kernel] = {}
    if isinstance(layer, L.LSTM):
        sizes = {placed.in_shape[1], layer.width} if layer.layers > 1 else {placed.in_shape[1]}
        kernels = {size: Kernel(size, layer.units) for size in sizes}
    steps = Tensor(np.arange(time, dtype=np.int32).reshape(-1, 1))

    def read(call: Call, x: Any, direction: Any, counts: Any, **wanted: bool) -> Any:
        names = tuple([name for name in PARTS if name + direction.suffix in call.weights])
        held = [call.weights[name + direction.suffix] for name in names]
        order = range(time)[:: -1 if direction.backwards else 1]
        if kernels and counts is None and not call.training and call.x.shape[0] < FEW:
            whole = x.reshape(time, -1, x.shape[1])[:: order.step]
            found = kernels[x.shape[1]](whole, dict(zip(names, held, strict=True)))
            return found[:: order.step].reshape(len(x), -1) if wanted["sequences"] else found[-1]
        make = partial(cell, order=order, counts=counts)
        return Reading(make, names, training=call.training, **wanted)(x, *held)

    def forward(call: Call) -> Any:
        if is_tracing():
            return formula(call)
        counts = Counts(call.inputs[1], steps) if len(call.inputs) > 1 else None
        x = F.transpose(call.x, (1, 0, 2)).reshape(-1, call.x.shape[2])
        for level, readings in enumerate(layer.stack):
            sequences = layer.return_sequences or level + 1 < layer.layers
            is_first = call.is_first and level == 0
            outs = [
                read(call, x, way, counts, sequences=sequences, is_first=is_first)
                for way in readings
            ]
            x = outs[0] if len(outs) == 1 else F.concat(outs, 1)
            if counts is not None and sequences:
                x = x * counts.all
        if not layer.return_sequences:
            return x
        return F.transpose(x.reshape(time, -1, layer.width), (1, 0, 2))

    return forward
