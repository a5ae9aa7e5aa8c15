"""Recurrent layers as ONNX's operators RNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from unifw.export.onnx_writer import Writer
from unifw.spec.graph import Placed
from unifw.spec.layers.recurrent import Direction

__all__ = ["ORDERS", "gru", "lstm", "parts", "simple_rnn"]

Array = npt.NDArray[Any]

# Where the gates of the operators stand among ours: i, o, f, g of i, f, g, o, and z, r, n of r, z, n.
ORDERS = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


def simple_rnn(w: Writer, placed: Placed, inputs: list[str]) -> str:
    """Write a SimpleRNN."""
    activations = [placed.layer.activation.capitalize()] * len(placed.layer.stack[0])
    return _stacked(w, placed, inputs, "RNN", outputs=2, activations=activations)


def lstm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    """Write an LSTM.

    All three outputs are declared: the converter of MNN (3.6) crashes where the last is left out.
    """
    return _stacked(w, placed, inputs, "LSTM", outputs=3)


def gru(w: Writer, placed: Placed, inputs: list[str]) -> str:
    """Write a GRU; the operator's default resets before the product."""
    return _stacked(w, placed, inputs, "GRU", outputs=2, linear_before_reset=1)


def _stacked(
    w: Writer, placed: Placed, inputs: list[str], kind: str, *, outputs: int, **attributes: Any
) -> str:
    """Write an operator for each layer; they want time first, and the batch second."""
    layer = placed.layer
    x = w.op("Transpose", inputs[0], perm=[1, 0, 2])
    # Its place among the inputs comes after that of the bias, which may be left out.
    lengths = []
    if len(inputs) > 1:
        flat = w.op("Reshape", inputs[1], w.whole((-1,)))
        lengths = [w.op("Cast", flat, to=TensorProto.INT32)]
    y = last = ""
    for number, readings in enumerate(layer.stack):
        stored = parts(w, placed, readings, ORDERS[kind])
        if lengths:
            stored = [*stored, ""][:3] + lengths
        y, last, *_ = w.node(
            kind, [x, *stored], outputs,
            hidden_size=layer.units, direction=_direction(readings), **attributes,
        )  # fmt: skip
        if number + 1 < layer.layers or layer.return_sequences:
            x = _side_by_side(w, y, (0, 2, 1, 3), len(readings))
    if layer.return_sequences:
        return w.op("Transpose", x, perm=[1, 0, 2])
    return _side_by_side(w, last, (1, 0, 2), len(layer.stack[-1]))


def _direction(readings: Sequence[Direction]) -> str:
    if len(readings) == 2:
        return "bidirectional"
    return "reverse" if readings[0].backwards else "forward"


def _side_by_side(w: Writer, y: str, order: tuple[int, ...], count: int) -> str:
    """Return the outputs of all directions, an axis that ``order`` moves to the last but one, as one axis."""
    if count == 1:
        return w.op("Squeeze", y, w.whole((order[-2],)))
    turned = w.op("Transpose", y, perm=list(order))
    return w.op("Reshape", turned, w.whole((0,) * (len(order) - 2) + (-1,)))


def parts(
    w: Writer, placed: Placed, readings: Sequence[Direction], order: tuple[int, ...]
) -> list[str]:
    """Store the weights of readings as the operator wants them: (directions, gates * units, …)."""
    stacked: dict[str, list[Array]] = {"W": [], "R": [], "B": []}
    for suffix, _ in readings:
        held = {
            name: w.weights[placed.weights[name + suffix]]
            for name in ("weight", "recurrent_weight", "bias", "recurrent_bias")
            if name + suffix in placed.weights
        }
        stacked["W"].append(_gates(held["weight"], order).T)
        stacked["R"].append(_gates(held["recurrent_weight"], order).T)
        if "bias" in held:
            second = np.zeros_like(held["bias"])
            if "recurrent_bias" in held:
                second[-placed.layer.units :] = held["recurrent_bias"]
            biases = (_gates(held["bias"], order), _gates(second, order))
            stacked["B"].append(np.concatenate(biases))
    return [
        w.derived(placed, name + readings[0].suffix, np.stack(values))
        for name, values in stacked.items()
        if values
    ]


def _gates(weight: Array, order: tuple[int, ...]) -> Array:
    """Return the blocks of columns in another order."""
    blocks = np.split(weight, len(order), axis=-1)
    return np.concatenate([blocks[place] for place in order], axis=-1)
