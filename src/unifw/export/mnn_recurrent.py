"""Recurrent layers for MNN, whose operators (3.6) know neither lengths nor the one direction backwards.

Each reading is an operator of its own that begins at the start. One that begins at the end gets the series
turned round, each up to its length, and so are its outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto

from unifw.export.onnx_recurrent import ORDERS, parts
from unifw.export.onnx_writer import Writer
from unifw.spec.graph import Placed
from unifw.spec.layers.recurrent import Direction

__all__ = ["recurrent"]


class _Series(NamedTuple):
    """What lengths say, as numbers that values are multiplied by; ``""`` where there are none."""

    counts: str = ""  # (n, time, 1): whether a step counts
    last: str = ""  # (n, time, 1): whether it is the last one
    turned: str = ""  # (n, time, time): which step comes in its place, turned round


def recurrent(
    kind: str, outputs: int, **attributes: Any
) -> Callable[[Writer, Placed, list[str]], str]:
    """Return the rule that writes a layer by an operator with so many outputs."""

    def rule(w: Writer, placed: Placed, inputs: list[str]) -> str:
        layer, x = placed.layer, inputs[0]
        series = _lengths(w, placed, inputs[1]) if len(inputs) > 1 else _Series()

        def read(x: str, reading: Direction) -> str:
            given = w.op("Transpose", x, perm=[1, 0, 2])
            stored = parts(w, placed, [reading], ORDERS[kind])
            node = [given, *stored]
            y, *_ = w.node(kind, node, outputs, hidden_size=layer.units, **attributes)
            return w.op("Transpose", w.op("Squeeze", y, w.whole((1,))), perm=[1, 0, 2])

        for readings in layer.stack:
            found = [_turned(w, placed, series, x, reading, read) for reading in readings]
            x = _side_by_side(w, found, 2)
        if layer.return_sequences:
            return x
        ends = zip(found, layer.stack[-1], strict=True)
        return _side_by_side(w, [_end(w, series, y, reading) for y, reading in ends], 1)

    return rule


def _lengths(w: Writer, placed: Placed, lengths: str) -> _Series:
    time = np.arange(placed.in_shape[0])
    given = w.op("Cast", w.op("Reshape", lengths, w.whole((-1, 1, 1))), to=TensorProto.FLOAT)

    def where(kind: str, steps: Any) -> str:
        return w.op("Cast", w.op(kind, given, w.array(steps)), to=TensorProto.FLOAT)

    return _Series(
        where("Greater", time[None, :, None]),
        where("Equal", time[None, :, None] + 1),
        where("Equal", (time[:, None] + time + 1)[None]),
    )


def _turned(  # noqa: PLR0913 - a reading, and all that it depends on
    w: Writer,
    placed: Placed,
    series: _Series,
    x: str,
    reading: Direction,
    read: Callable[[str, Direction], str],
) -> str:
    """Return the outputs of a reading, position by position."""
    if not reading.backwards:
        y = read(x, reading)
        return w.op("Mul", y, series.counts) if series.counts else y
    if series.turned:
        y = read(w.op("MatMul", series.turned, x), reading)
        return w.op("MatMul", series.turned, y)
    back = w.whole(range(placed.in_shape[0])[::-1])
    return w.op("Gather", read(w.op("Gather", x, back, axis=1), reading), back, axis=1)


def _end(w: Writer, series: _Series, y: str, reading: Direction) -> str:
    """Return the last state of a reading."""
    if reading.backwards:
        return w.op("Gather", y, w.array(0, np.int64), axis=1)
    if series.last:
        return w.op("ReduceSum", w.op("Mul", y, series.last), w.whole((1,)), keepdims=0)
    return w.op("Gather", y, w.array(-1, np.int64), axis=1)


def _side_by_side(w: Writer, values: list[str], axis: int) -> str:
    return w.op("Concat", *values, axis=axis) if len(values) > 1 else values[0]
