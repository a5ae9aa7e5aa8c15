"""Recurrent layers as ncnn's RNN, LSTM and GRU; by length, or with ReLU, which those have not, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.export.ncnn_functional import NcnnFunctional, by_formula
from unifw.export.ncnn_value import Value
from unifw.formulas.table import formulas
from unifw.spec.graph import Placed

__all__ = ["gru", "lstm", "simple_rnn"]

Array = npt.NDArray[Any]
Inputs = tuple[Value, ...]


def simple_rnn(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write a SimpleRNN."""
    if placed.layer.activation != "tanh":
        return by_formula(formulas.find(placed.layer))(f, placed, inputs)
    return _stacked(f, placed, inputs, "RNN", (0,))


def lstm(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write an LSTM; ncnn has the gates in the order i, f, o, g."""
    return _stacked(f, placed, inputs, "LSTM", (0, 1, 3, 2))


def gru(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write a GRU; ncnn has the gates in unifw's order."""
    return _stacked(f, placed, inputs, "GRU", (0, 1, 2))


def _stacked(
    f: NcnnFunctional, placed: Placed, inputs: Inputs, kind: str, order: tuple[int, ...]
) -> Value:
    if len(inputs) > 1:
        return by_formula(formulas.find(placed.layer))(f, placed, inputs)
    layer, x, (time, size) = placed.layer, inputs[0], placed.in_shape
    for readings in layer.stack:
        held = [_weights(f, placed, suffix, order, kind) for suffix, _ in readings]
        stacks = [np.stack(parts) for parts in zip(*held, strict=True)]
        direction = 2 if len(readings) == 2 else int(readings[0].backwards)
        params = {0: layer.units, 1: stacks[0].size, 2: direction}
        dims = (time, layer.units * len(readings))
        blob = f.writer.op(
            kind, [x.blob((time, size))], dims, params, data=[(True, part) for part in stacks]
        )
        x, size = x.like((1, *dims), blob), dims[1]
    return x if layer.return_sequences else _last(f, x, layer.units, layer.stack[-1])


def _last(f: NcnnFunctional, x: Value, units: int, readings: Sequence[Any]) -> Value:
    """Return the output of each reading's last step, side by side."""
    found, time = [], x.shape[1]
    for place, reading in enumerate(readings):
        t = 0 if reading.backwards else time - 1
        own = f.cut(f.cut(x, 1, t, t + 1, 1), 2, place * units, (place + 1) * units, 1)
        found.append(f.reshape(own, (1, units)))
    return f.concat(found, 1) if len(found) > 1 else found[0]


def _weights(
    f: NcnnFunctional, placed: Placed, suffix: str, order: tuple[int, ...], kind: str
) -> tuple[Array, Array, Array]:
    """Return what reads the input, biases and what reads the state, of one direction, as ncnn has them."""
    weight, recurrent = (
        f.writer.weight(placed, name + suffix) for name in ("weight", "recurrent_weight")
    )
    units = placed.layer.units
    bias = np.zeros(weight.shape[1], np.float32)
    if placed.layer.bias:
        bias = f.writer.weight(placed, f"bias{suffix}")
    biases = _gates(bias, order)
    if kind == "GRU":  # a fourth row: what is added to the state before it is reset
        inner = np.zeros(units, np.float32)
        if placed.layer.bias:
            inner = f.writer.weight(placed, f"recurrent_bias{suffix}")
        biases = np.concatenate([biases, inner])
    return _gates(weight, order).T, biases, _gates(recurrent, order).T


def _gates(weight: Array, order: tuple[int, ...]) -> Array:
    """Return the blocks of columns in another order."""
    blocks = np.split(weight, len(order), axis=-1)
    return np.concatenate([blocks[place] for place in order], axis=-1)
