"""Layer → the ``nn.Cell`` that computes it in MindSpore.

A rule is a class of cells, made once per node with its ``Placed``, its parameters by part, and whether
it is for training. The graph compiler reads the source of ``construct``, so it holds nothing but
operations and constants; its arguments are the tuple of inputs and that of all masks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mindspore
import numpy as np
from mindspore import ParameterTuple, Tensor, ops

from unifw.backends.mindspore import recurrent, windows
from unifw.backends.mindspore.cells import Parts, Rule
from unifw.backends.mindspore.functional import FUNCTIONAL, product, put_around
from unifw.backends.mindspore.gradients import Gelu, Normalise
from unifw.formulas.functional import Formula
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["Masked", "log_softmax", "rules"]

rules = Rules("backend 'mindspore'")


def _elementwise(function: Callable[[Any], Any]) -> type[Rule]:
    """Make a rule of an operation of one input."""

    class Elementwise(Rule):
        def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
            del placed, parts, training
            self.function = function

        def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
            return self.function(inputs[0])

    return Elementwise


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
class Dense(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del training
        self.weight = parts["weight"]
        self.has_bias = placed.layer.bias
        self.bias = parts.get("bias")
        self.shape = (-1, *placed.out_shape)
        self.width = placed.in_shape[-1]
        self.is_plain = len(placed.in_shape) == 1

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0] if self.is_plain else ops.reshape(inputs[0], (-1, self.width))
        y = product(x, self.read(self.weight))
        if self.has_bias:
            y = y + self.read(self.bias)
        return y if self.is_plain else ops.reshape(y, self.shape)


@rules(L.Embedding)
class Embedding(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del placed, training
        self.weight = parts["weight"]

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.gather(self.weight, inputs[0], 0)


# ------------------------------------------------------------------------ windows

rules(L.Conv1D, L.Conv2D)(windows.conv)
rules(L.SeparableConv1D, L.SeparableConv2D)(windows.SeparableConv)
rules(L.MaxPool1D, L.MaxPool2D)(windows.MaxPool)
rules(L.AvgPool1D, L.AvgPool2D)(windows.AvgPool)


@rules(L.GlobalAvgPool)
class GlobalAvgPool(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.shape = (-1, placed.in_shape[0], math.prod(placed.in_shape[1:]))

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.mean(ops.reshape(inputs[0], self.shape), 2)


@rules(L.GlobalMaxPool)
class GlobalMaxPool(Rule):
    # ops.max shares the gradient out among ties (mindspore 2.10); the pool gives it to the first.
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        size = math.prod(placed.in_shape[1:])
        self.shape = (-1, placed.in_shape[0], 1, size)
        self.pool = ops.MaxPool((1, size), (1, size), "valid")
        self.out = (-1, placed.in_shape[0])

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.reshape(self.pool(ops.reshape(inputs[0], self.shape)), self.out)


# ------------------------------------------------------------------------ normalisation


class BatchNorm(Rule):
    """The framework's own, which keeps the running statistics as unifw does: the unbiased variance."""

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        layer, channels = placed.layer, placed.in_shape[0]
        self.mean, self.var = parts["running_mean"], parts["running_var"]
        self.weight = parts.get("weight", Tensor(np.ones(channels, dtype=np.float32)))
        self.bias = parts.get("bias", Tensor(np.zeros(channels, dtype=np.float32)))
        self.is_image = len(placed.in_shape) == 3
        self.image = (-1, channels, math.prod(placed.in_shape[1:]), 1)
        self.shape = (-1, *placed.in_shape)
        self.in_training = training and layer.trainable
        self.norm = ops.BatchNorm(self.in_training, layer.epsilon, layer.momentum)

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0] if self.is_image else ops.reshape(inputs[0], self.image)
        y = self.norm(x, self.weight, self.bias, self.mean, self.var)[0]
        return y if self.is_image else ops.reshape(y, self.shape)


class LoneBatchNorm(BatchNorm):
    """That of one value for each channel and sample, which may be the only one.

    The unbiased variance of one value is NaN in mindspore 2.10, and 0 in unifw.
    """

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        super().build(placed, parts, training=training)
        self.keep = 1 - placed.layer.momentum

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = ops.reshape(inputs[0], self.image)
        if not self.in_training or x.shape[0] > 1:
            y = self.norm(x, self.weight, self.bias, self.mean, self.var)[0]
        else:
            kept = self.var * self.keep
            x = ops.depend(x, kept)
            y = self.norm(x, self.weight, self.bias, self.mean, self.var)[0]
            ops.assign(self.var, ops.depend(kept, y))
        return ops.reshape(y, self.shape)


@rules(L.BatchNorm)
def batch_norm(placed: Placed, parts: Parts, *, training: bool) -> Rule:
    """Make the cell for that many places."""
    kind = BatchNorm if math.prod(placed.in_shape[1:]) > 1 else LoneBatchNorm
    return kind(placed, parts, training=training)


@rules(L.LayerNorm)
class LayerNorm(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        shape = placed.in_shape[-placed.layer.axes :]
        self.weight = parts.get("weight", Tensor(np.ones(shape, dtype=np.float32)))
        self.bias = parts.get("bias", Tensor(np.zeros(shape, dtype=np.float32)))
        axis = len(placed.in_shape) + 1 - placed.layer.axes
        self.norm = ops.LayerNorm(axis, axis, placed.layer.epsilon)
        self.size, self.shape = math.prod(shape), (-1, *placed.in_shape)
        self.rows = Normalise(self.size, placed.layer.epsilon)
        self.in_training = training

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        if not self.in_training:
            return self.norm(inputs[0], self.weight, self.bias)[0]
        flat = ops.reshape(inputs[0], (-1, self.size))
        weight, bias = ops.reshape(self.weight, (-1,)), ops.reshape(self.bias, (-1,))
        return ops.reshape(self.rows(flat, weight, bias)[0], self.shape)


class Masked(Rule):
    """Base of the rules with a mask; ``number``, set by the net, says which of them is its own."""

    number = 0

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del placed, parts
        self.in_training = training


@rules(L.Dropout, L.SpatialDropout)
class Dropout(Masked):
    def construct(self, inputs: Any, masks: Any) -> Any:
        return inputs[0] * masks[self.number] if self.in_training else inputs[0]


@rules(L.GaussianNoise)
class Noise(Masked):
    def construct(self, inputs: Any, masks: Any) -> Any:
        return inputs[0] + masks[self.number] if self.in_training else inputs[0]


# ------------------------------------------------------------------------ moving and joining


@rules(L.Flatten, L.Reshape)
class Reshape(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.shape = (-1, *placed.out_shape)

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.reshape(inputs[0], self.shape)


@rules(L.Permute)
class Permute(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.order = (0, *placed.layer.axes)

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.transpose(inputs[0], self.order)


@rules(L.Pad)
class Pad(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.pads, self.value = placed.layer.padding, placed.layer.value

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return put_around(inputs[0], self.pads, self.value)


@rules(L.Add)
class Add(Rule):
    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        y = inputs[0]
        for x in inputs[1:]:
            y = y + x
        return y


@rules(L.Multiply)
class Multiply(Rule):
    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        y = inputs[0]
        for x in inputs[1:]:
            y = y * x
        return y


@rules(L.Concatenate)
class Concatenate(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.axis = placed.layer.axis

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.cat(inputs, self.axis)


# ------------------------------------------------------------------------ activations

rules(L.ReLU)(_elementwise(ops.relu))
rules(L.Sigmoid)(_elementwise(ops.sigmoid))


@rules(L.Tanh)
class Tanh(Rule):
    """The vocabulary's, as ops.tanh is off by up to 1e-4 (mindspore 2.10, CPU)."""

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del placed, parts, training
        self.functional = FUNCTIONAL

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return self.functional.tanh(inputs[0])


@rules(L.SiLU)
class SiLU(Rule):
    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return inputs[0] * ops.sigmoid(inputs[0])


@rules(L.LeakyReLU)
class LeakyReLU(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.slope = placed.layer.negative_slope

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0]
        return ops.where(x > 0, x, x * self.slope)


@rules(L.ELU)
class ELU(Rule):
    # ops.elu (mindspore 2.10) knows no alpha but 1.
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.alpha = placed.layer.alpha

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0]
        # Not ops.minimum(x, 0): its gradient at 0 is a half (mindspore 2.10).
        below = ops.where(x > 0, ops.zeros_like(x), x)
        return ops.where(x > 0, x, ops.expm1(below) * self.alpha)


@rules(L.GELU)
class GELU(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.by_tanh, self.exact = placed.layer.approximate == "tanh", Gelu()

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.gelu(inputs[0], "tanh") if self.by_tanh else self.exact(inputs[0])[0]


@rules(L.Softmax)
class Softmax(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.axis = placed.layer.axis

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return ops.softmax(inputs[0], self.axis)


def log_softmax(x: Any, axis: int) -> Any:
    """Return the logarithm of softmax along any axis."""
    shifted = x - ops.stop_gradient(ops.amax(x, axis, True))
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis, True))


@rules(L.LogSoftmax)
class LogSoftmax(Rule):
    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts, training
        self.axis = placed.layer.axis

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        return log_softmax(inputs[0], self.axis)


# ------------------------------------------------------------------------ all the rest


def _by_formula(formula: Formula) -> type[Rule]:
    """Make a rule of a shared formula."""

    class ByFormula(Rule):
        def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
            del training
            self.applied = formula(placed, FUNCTIONAL)
            self.parts = ParameterTuple([parts[part] for part in placed.parts])
            self.count = len(self.parts)

        def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
            parts: Any = ()
            for i in range(self.count):
                parts += (self.read(self.parts[i]),)
            return self.applied(inputs, parts)

    return ByFormula


@rules(L.LSTM)
def lstm(placed: Placed, parts: Parts, *, training: bool) -> Rule:
    """Make the cell that knows the CPU's operation, or on other devices that of the formula."""
    own = mindspore.get_context("device_target") == "CPU"
    kind = recurrent.LSTM if own else _by_formula(formulas.find(placed.layer))
    return kind(placed, parts, training=training)


rules.adopt(formulas, _by_formula)
