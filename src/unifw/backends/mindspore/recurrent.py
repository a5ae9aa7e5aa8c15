"""LSTM as MindSpore's own operation, on CPU.

Unrolled, an LSTM of 60 steps compiles for 8 s and takes ten times as long a step (mindspore 2.10). For GRU and
SimpleRNN there is no such operation on CPU: ``nn.GRU`` and ``nn.RNN`` are unrolled as well, as are all of
them where lengths are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

from unifw.spec.graph import Placed

__all__ = ["LSTM"]


class LSTM(nn.Cell):
    """All readings of all layers; made and called as the rules are."""

    def __init__(self, placed: Placed, parts: Mapping[str, Any], *, training: bool) -> None:
        super().__init__(auto_prefix=False)
        del training
        layer, (time, size) = placed.layer, placed.in_shape
        self.parts = ParameterTuple([parts[part] for part in placed.parts])
        self.stack = tuple(tuple(backwards for _, backwards in level) for level in layer.stack)
        self.levels, self.held = layer.layers, 3 if layer.bias else 2
        self.units, self.has_bias = layer.units, layer.bias
        self.sequences, self.has_lengths = layer.return_sequences, len(placed.in_shapes) > 1
        # Only one layer in one direction is known on CPU.
        self.lowest = ops.LSTM(size, layer.units, 1, layer.bias, False, 0.0)
        self.higher = ops.LSTM(layer.width, layer.units, 1, layer.bias, False, 0.0)
        self.steps = Tensor(np.arange(time, dtype=np.int32)[:, None])

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = ops.transpose(inputs[0], (1, 0, 2))
        lengths = ops.reshape(inputs[1], (-1,)) if self.has_lengths else None
        lasts: Any = ()
        for level in range(self.levels):
            wholes: Any = ()
            lasts = ()
            for number in range(len(self.stack[level])):
                place = (level * len(self.stack[0]) + number) * self.held
                kernel = self.lowest if level == 0 else self.higher
                backwards = self.stack[level][number]
                whole, last = self.read(kernel, x, lengths, place, backwards)
                wholes += (whole,)
                lasts += (last,)
            x = wholes[0] if len(wholes) == 1 else ops.cat(wholes, 2)
        if self.sequences:
            return ops.transpose(x, (1, 0, 2))
        return lasts[0] if len(lasts) == 1 else ops.cat(lasts, 1)

    def read(self, kernel: Any, x: Any, lengths: Any, place: int, backwards: bool) -> Any:  # noqa: FBT001
        """Return the outputs of one reading, by position, and that of its last step."""
        if backwards:
            x = self.turned(x, lengths)
        flat: Any = (self.flat(self.parts[place]), self.flat(self.parts[place + 1]))
        if self.has_bias:
            flat += (ops.reshape(self.parts[place + 2], (-1, 1, 1)),)
        zeros = ops.zeros((1, x.shape[1], self.units), mindspore.float32)
        y, states, _, _, _ = kernel(x, zeros, zeros, ops.cat(flat, 0))
        last = states[0]
        if self.has_lengths:
            y = y * self.marked(self.steps < lengths)
            last = ops.sum(y * self.marked(self.steps + 1 == lengths), 0)
        return self.turned(y, lengths) if backwards else y, last

    def turned(self, x: Any, lengths: Any) -> Any:
        """Return each series from its true end to its beginning."""
        if self.has_lengths:
            return ops.reverse_sequence(x, lengths, 0, 1)
        return ops.flip(x, (0,))

    def marked(self, condition: Any) -> Any:
        """Return 1 where a condition of (time, n) holds, else 0."""
        return ops.expand_dims(ops.cast(condition, mindspore.float32), 2)

    def flat(self, weight: Any) -> Any:
        """Return a weight as the operation wants it: the gates first, in a row."""
        return ops.reshape(ops.transpose(weight, (1, 0)), (-1, 1, 1))
