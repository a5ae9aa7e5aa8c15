"""Recurrent layers, unrolled over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

# (what the input adds to the gates, state, recurrent weights) -> new state; the output is the state's first
Step = Callable[[Any, tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]


def _counted(f: Functional, time: int) -> Callable[[Any, Any], Any]:
    """Return what gives 1 where a step counts by the lengths, else 0: (n, time)."""
    steps = f.constant(np.arange(time)[None])

    def counted(x: Any, lengths: Any) -> Any:
        zeros = f.zeros(x, (time,))
        given = zeros + f.reshape(f.to_float(lengths), (-1, 1))
        return f.where(given > steps, zeros + 1.0, zeros)

    return counted


def _masked(step: Step, states: int) -> Callable[..., Any]:
    """Return a step that, where it does not count, gives zeros and leaves the state as it is."""

    def masked(given: Any, state: Any, weights: Any, count: Any) -> Any:
        new = step(given, state, weights)
        out = new[0] * count
        kept = [out + state[0] * (1.0 - count)]
        for i in range(1, states):
            kept.append(new[i] * count + state[i] * (1.0 - count))  # noqa: PERF401 - compiled
        return out, kept

    return masked


def _read(placed: Placed, f: Functional, step: Step, states: int) -> Callable[..., Any]:
    """Return what gives the outputs of one reading, by position, and that of its last step."""
    layer, time = placed.layer, placed.in_shape[0]
    units, columns, biased = layer.units, layer.gates * layer.units, layer.bias
    masked = _masked(step, states) if len(placed.in_shapes) > 1 else None

    def read(x: Any, counts: Any, weights: Any, backwards: bool) -> Any:
        given = f.matmul(x, weights[0])
        if biased:
            given = given + weights[2]
        state: Any = (f.zeros(x, (units,)),) * states
        outs = []
        for k in range(time):
            t = time - 1 - k if backwards else k
            at = f.reshape(f.cut(given, 1, t, t + 1, 1), (-1, columns))
            if masked is None:
                state = step(at, state, weights)
                out = state[0]
            else:
                out, state = masked(at, state, weights, f.cut(counts, 1, t, t + 1, 1))
            outs.append(f.reshape(out, (-1, 1, units)))
        # Not reversed in place: MindSpore's compiler does not know that.
        return outs[::-1] if backwards else outs, state[0]

    return read


def _unrolled(placed: Placed, f: Functional, step: Step, states: int) -> Applied:
    """Return all readings of all layers by one kind of step, whose state is that many values."""
    layer, has_lengths = placed.layer, len(placed.in_shapes) > 1
    held = len(placed.parts) // sum(len(readings) for readings in layer.stack)
    stack = tuple(tuple(backwards for _, backwards in readings) for readings in layer.stack)
    read, counted = _read(placed, f, step, states), _counted(f, placed.in_shape[0])
    sequences = layer.return_sequences

    def side_by_side(values: Any, axis: int) -> Any:
        return f.concat(values, axis) if len(values) > 1 else values[0]

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        counts = counted(x, inputs[1]) if has_lengths else None
        place = 0
        y = x
        for level in range(len(stack)):
            wholes, lasts = [], []
            for backwards in stack[level]:
                outs, last = read(x, counts, parts[place : place + held], backwards)
                place = place + held
                wholes.append(outs)
                lasts.append(last)
            if sequences or level + 1 < len(stack):
                x = side_by_side([f.concat(outs, 1) for outs in wholes], 2)
                y = x
            else:
                y = side_by_side(lasts, 1)
        return y

    return applied


@formulas(L.SimpleRNN)
def simple_rnn(placed: Placed, f: Functional) -> Applied:
    bent = placed.layer.activation == "tanh"

    def step(given: Any, state: Any, weights: Any) -> Any:
        y = given + f.matmul(state[0], weights[1])
        if bent:
            return (f.tanh(y),)
        return (f.where(y <= 0.0, 0.0, y),)

    return _unrolled(placed, f, step, 1)


@formulas(L.LSTM)
def lstm(placed: Placed, f: Functional) -> Applied:
    units = placed.layer.units

    def step(given: Any, state: Any, weights: Any) -> Any:
        gates = given + f.matmul(state[0], weights[1])
        i = f.sigmoid(f.cut(gates, 1, 0, units, 1))
        forget = f.sigmoid(f.cut(gates, 1, units, 2 * units, 1))
        g = f.tanh(f.cut(gates, 1, 2 * units, 3 * units, 1))
        o = f.sigmoid(f.cut(gates, 1, 3 * units, 4 * units, 1))
        cell = forget * state[1] + i * g
        return (o * f.tanh(cell), cell)

    return _unrolled(placed, f, step, 2)


@formulas(L.GRU)
def gru(placed: Placed, f: Functional) -> Applied:
    units, biased = placed.layer.units, placed.layer.bias

    def step(given: Any, state: Any, weights: Any) -> Any:
        past = f.matmul(state[0], weights[1])
        both = f.cut(given, 1, 0, 2 * units, 1) + f.cut(past, 1, 0, 2 * units, 1)
        r = f.sigmoid(f.cut(both, 1, 0, units, 1))
        z = f.sigmoid(f.cut(both, 1, units, 2 * units, 1))
        old = f.cut(past, 1, 2 * units, 3 * units, 1)
        if biased:
            old = old + weights[3]
        n = f.tanh(f.cut(given, 1, 2 * units, 3 * units, 1) + r * old)
        return (n + z * (state[0] - n),)

    return _unrolled(placed, f, step, 1)
