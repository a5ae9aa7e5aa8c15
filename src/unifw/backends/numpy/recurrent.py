"""Recurrent layers in NumPy: one product for what all inputs add, a small one for each step.

Backwards too: step by step only what the state passes on; the weights' gradients are one product over all
steps. Arrays are (time, n, …) inside, so that each step is one stretch of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward, rules
from unifw.backends.numpy.layout import Room
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.recurrent import Direction

__all__: list[str] = []

Array = npt.NDArray[Any]


class Reading(NamedTuple):
    """What one reading of the series works on.

    Attributes
    ----------
    given : ndarray
        What inputs and bias add to the gates: (time, n, gates * units). Backwards it holds their gradient.
    weights : dict of str to ndarray
        Its weights by part.
    order : sequence of int
        The positions, in the order in which they are read.
    counts : ndarray or None
        1 where a step counts, else 0: (time, n, 1).
    room : Room
        Memory.
    name : str
        Under which its memory is asked for.
    """

    given: Array
    weights: dict[str, Array]
    order: Sequence[int]
    counts: Array | None
    room: Room
    name: str

    def array(self, name: str, *shape: int) -> Array:
        """Return memory of its own, with any content."""
        return self.room.array(f"{self.name}{name}", shape, self.given.dtype)

    @property
    def units(self) -> int:
        """Numbers in the state."""
        return len(self.weights["recurrent_weight"])

    def before(self, states: Array) -> Array:
        """Return the states from which each position was read: zeros, then those of the positions before it."""
        time = len(states)
        found = self.array("before", *states.shape)
        if self.order[0] == 0:
            found[0] = 0
            found[1:] = states[: time - 1]
        else:
            found[time - 1] = 0
            found[: time - 1] = states[1:]
        return found


# (reading) -> the states by position (time, n, units), and the way back. That takes what is added to the
# gradient of the state at each position, turns ``given`` into its own gradient, and returns the gradients of
# the recurrent parts and, in place of ``given``'s, what differs from it for the recurrent product (or None).
Cell = Callable[[Reading], tuple[Array, Callable[[Array], tuple[dict[str, Array], Array]]]]


def _kept(new: Array, old: Array, count: Array | None) -> None:
    """Put the old state where a step does not count."""
    if count is not None:
        np.copyto(new, old, where=count == 0)


def _simple(bent: bool) -> Cell:  # noqa: FBT001 - positional, private
    def cell(reading: Reading) -> Any:
        given, recurrent = reading.given, reading.weights["recurrent_weight"]
        time, rows, units = given.shape
        states = reading.array("states", time, rows, units)
        state = np.zeros((rows, units), given.dtype)
        for t in reading.order:
            y = np.matmul(state, recurrent, out=states[t])
            y += given[t]
            if bent:
                np.tanh(y, out=y)
            else:
                np.maximum(y, 0, out=y)
            _kept(y, state, _at(reading.counts, t))
            state = y

        def backward(into: Array) -> Any:
            past = np.zeros((rows, units), given.dtype)
            for t in reversed(reading.order):
                d = past + into[t]
                slope = 1 - states[t] * states[t] if bent else states[t] > 0
                count = _at(reading.counts, t)
                if count is None:
                    np.multiply(d, slope, out=given[t])
                    past = given[t] @ recurrent.T
                else:
                    np.multiply(d * count, slope, out=given[t])
                    past = given[t] @ recurrent.T + d * (1 - count)
            return {}, given

        return states, backward

    return cell


def _lstm(reading: Reading) -> Any:
    given, counts, units = reading.given, reading.counts, reading.units
    time, rows, columns = given.shape
    # sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one operation bends all four gates.
    scale = np.full(columns, 0.5, given.dtype)
    scale[2 * units : 3 * units] = 1
    recurrent = reading.weights["recurrent_weight"]
    scaled = recurrent * scale
    states = reading.array("states", time, rows, units)
    cells = reading.array("cells", time, rows, units)
    bent = reading.array("bent", time, rows, units)
    state = cell = np.zeros((rows, units), given.dtype)
    room = reading.array("gates", rows, columns)
    for t in reading.order:
        gates = np.multiply(given[t], scale, out=given[t])
        gates += np.matmul(state, scaled, out=room)
        np.tanh(gates, out=gates)
        gates *= scale
        gates += 1 - scale
        i, forget, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
        new = np.multiply(forget, cell, out=cells[t])
        new += i * g
        y = np.multiply(o, np.tanh(new, out=bent[t]), out=states[t])
        _kept(y, state, _at(counts, t))
        _kept(new, cell, _at(counts, t))
        state, cell = y, new

    def backward(into: Array) -> Any:
        past = np.zeros((rows, units), given.dtype)
        carried = np.zeros((rows, units), given.dtype)
        zeros = np.zeros((rows, units), given.dtype)
        step = 1 if reading.order[0] == 0 else -1
        first = reading.order[0]
        for t in reversed(reading.order):
            count = _at(counts, t)
            i, forget, g, o = (given[t][:, k * units : (k + 1) * units] for k in range(4))
            old = zeros if t == first else cells[t - step]
            d = past + into[t]
            dy, through = (d, carried) if count is None else (d * count, carried * count)
            dc = dy * o
            dc *= 1 - bent[t] * bent[t]
            dc += through
            d_o = dy * bent[t] * o * (1 - o)
            d_f = dc * old * forget * (1 - forget)
            d_i = dc * g * i * (1 - i)
            d_g = dc * i * (1 - g * g)
            dc *= forget
            for part, found in zip((i, forget, g, o), (d_i, d_f, d_g, d_o), strict=True):
                part[...] = found
            past = given[t] @ recurrent.T
            if count is None:
                carried = dc
            else:
                past += d * (1 - count)
                carried = dc + carried * (1 - count)
        return {}, given

    return states, backward


def _gru(reading: Reading) -> Any:
    given, counts, units = reading.given, reading.counts, reading.units
    time, rows, _ = given.shape
    recurrent = reading.weights["recurrent_weight"]
    bias = reading.weights.get("recurrent_bias")
    states = reading.array("states", time, rows, units)
    olds = reading.array("olds", time, rows, 3 * units)
    state = np.zeros((rows, units), given.dtype)
    for t in reading.order:
        past = np.matmul(state, recurrent, out=olds[t])
        if bias is not None:
            past[:, 2 * units :] += bias
        both, n = given[t][:, : 2 * units], given[t][:, 2 * units :]
        both += past[:, : 2 * units]
        both *= 0.5  # sigmoid, by way of tanh
        np.tanh(both, out=both)
        both += 1
        both *= 0.5
        r, z = both[:, :units], both[:, units:]
        n += r * past[:, 2 * units :]
        np.tanh(n, out=n)
        y = np.subtract(state, n, out=states[t])
        y *= z
        y += n
        _kept(y, state, _at(counts, t))
        state = y

    def backward(into: Array) -> Any:
        past = np.zeros((rows, units), given.dtype)
        zeros = np.zeros((rows, units), given.dtype)
        step = 1 if reading.order[0] == 0 else -1
        first = reading.order[0]
        for t in reversed(reading.order):
            count = _at(counts, t)
            r, z, n = (given[t][:, k * units : (k + 1) * units] for k in range(3))
            old = zeros if t == first else states[t - step]
            d = past + into[t]
            dy = d if count is None else d * count
            d_n = dy * (1 - z) * (1 - n * n)
            d_z = dy * (old - n) * z * (1 - z)
            d_r = d_n * olds[t][:, 2 * units :] * r * (1 - r)
            # Beside the product with the state, n has the factor r.
            beside = olds[t]
            beside[:, :units], beside[:, units : 2 * units] = d_r, d_z
            np.multiply(d_n, r, out=beside[:, 2 * units :])
            past = beside @ recurrent.T
            past += dy * z
            if count is not None:
                past += d * (1 - count)
            r[...], z[...], n[...] = d_r, d_z, d_n
        grads = {} if bias is None else {"recurrent_bias": olds[:, :, 2 * units :].sum(axis=(0, 1))}
        return grads, olds

    return states, backward


def _at(counts: Array | None, t: int) -> Array | None:
    return None if counts is None else counts[t]


class Read(NamedTuple):
    """What came of one reading: the states by position, which of them is the last, and the way back."""

    states: Array
    end: int
    back: Callable[..., Any]


def _read(call: Call, x: Array, direction: Direction, counts: Array | None, cell: Cell) -> Read:
    """Read x (time, n, features) in one direction.

    The way back takes the gradient of the states, and whether that of x is wanted; it returns that and those
    of the weights.
    """
    suffix, (time, rows, size) = direction.suffix, x.shape
    names = ("weight", "recurrent_weight", "bias", "recurrent_bias")
    held = {name: call.weights[name + suffix] for name in names if name + suffix in call.weights}
    weight, flat = held["weight"], x.reshape(-1, size)
    given = call.room.array(f"given{suffix}", (time * rows, weight.shape[1]), x.dtype)
    np.matmul(flat, weight, out=given)
    if "bias" in held:
        given += held["bias"]
    order = range(time)[:: -1 if direction.backwards else 1]
    reading = Reading(given.reshape(time, rows, -1), held, order, counts, call.room, suffix)
    states, back = cell(reading)

    def backward(into: Array, *, wanted: bool) -> tuple[Array | None, dict[str, Array]]:
        before = reading.before(states).reshape(time * rows, -1)
        more, beside = back(into)
        grads = {
            "weight": flat.T @ given,
            "recurrent_weight": before.T @ beside.reshape(time * rows, -1),
            **more,
        }
        if "bias" in held:
            grads["bias"] = given.sum(axis=0)
        dx = (given @ weight.T).reshape(x.shape) if wanted else None
        return dx, {name + suffix: grad for name, grad in grads.items()}

    return Read(states, order[-1], backward)


def _outputs(level: Sequence[Read], counts: Array | None) -> Array:
    """Return the outputs of one layer: (time, n, width)."""
    outs = [read.states for read in level]
    x = outs[0] if len(outs) == 1 else np.concatenate(outs, axis=2)
    return x if counts is None else x * counts


def _down(
    levels: Sequence[Sequence[Read]], into: Array, counts: Array | None, *, wanted: bool
) -> tuple[Array | None, dict[str, Array]]:
    """Return the gradients of the input and the weights.

    ``into`` is that of the outputs (time, n, width), or of the last states (n, width).
    """
    grads: dict[str, Array] = {}
    given: Array | None = into
    for number in range(len(levels) - 1, -1, -1):
        shares = np.split(given, len(levels[number]), axis=-1)  # type: ignore[arg-type]
        given = None
        for (states, end, back), share in zip(levels[number], shares, strict=True):
            if share.ndim == 3:
                to_states = share if counts is None else share * counts
            else:
                to_states = np.zeros_like(states)
                to_states[end] = share
            dx, found = back(to_states, wanted=wanted or number > 0)
            grads.update(found)
            given = dx if given is None else given + dx
    return given, grads


def _recurrent(placed: Placed, cell: Cell) -> Forward:
    """Return the forward pass of all readings of all layers by one kind of cell."""
    layer, time = placed.layer, placed.in_shape[0]

    def forward(call: Call) -> tuple[Array, Backward]:
        x, counts = np.ascontiguousarray(call.inputs[0].swapaxes(0, 1)), None
        if len(call.inputs) > 1:
            lengths = call.inputs[1].reshape(1, -1, 1)
            counts = (np.arange(time).reshape(-1, 1, 1) < lengths).astype(x.dtype)
        levels: list[list[Read]] = []
        for readings in layer.stack:
            x = _outputs(levels[-1], counts) if levels else x
            levels.append([_read(call, x, direction, counts, cell) for direction in readings])
        if layer.return_sequences:
            y = _outputs(levels[-1], counts).swapaxes(0, 1)
        else:
            y = np.concatenate([read.states[read.end] for read in levels[-1]], axis=1)

        def backward(dy: Array) -> Any:
            into = dy.swapaxes(0, 1) if layer.return_sequences else dy
            dx, grads = _down(levels, into, counts, wanted=call.needs_input_gradient)
            to_inputs = (None if dx is None else dx.swapaxes(0, 1), None)
            return to_inputs[: len(call.inputs)], grads

        return y, backward

    return forward


@rules(L.SimpleRNN)
def simple_rnn(placed: Placed) -> Forward:
    return _recurrent(placed, _simple(placed.layer.activation == "tanh"))


@rules(L.LSTM)
def lstm(placed: Placed) -> Forward:
    return _recurrent(placed, _lstm)


@rules(L.GRU)
def gru(placed: Placed) -> Forward:
    return _recurrent(placed, _gru)
