"""Layer → what computes it in Paddle.

A rule is called once per node with its ``Placed`` and returns a function of a ``Call``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from unifw.backends.eager import Call, Forward, activation, by_formula
from unifw.backends.paddle import windows
from unifw.backends.paddle.dense import dense
from unifw.backends.paddle.functional import functional, put_around
from unifw.backends.paddle.recurrent import by_kernel
from unifw.backends.separable import separable
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["log_softmax", "rules"]

rules = Rules("backend 'paddle'")


# ------------------------------------------------------------------------ matrices


rules(L.Dense)(dense)


@rules(L.Embedding)
def embedding(placed: Placed) -> Forward:
    del placed
    return lambda call: F.embedding(call.x, call.weights["weight"])


# ------------------------------------------------------------------------ windows

rules(L.Conv1D, L.Conv2D, L.Conv3D)(windows.conv)
rules(L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D)(windows.conv_transpose)
rules(L.SeparableConv1D, L.SeparableConv2D)(separable(windows.conv))
rules(L.MaxPool1D, L.MaxPool2D, L.MaxPool3D)(windows.max_pool)
rules(L.AvgPool1D, L.AvgPool2D, L.AvgPool3D)(windows.avg_pool)


def _flat(x: Any) -> Any:
    """Put all positions in one row: ``(n, channels, 1, positions)``."""
    return x.reshape([0, 0, 1, -1])  # 0 keeps an axis; the shape is not known while a net is saved


@rules(L.GlobalAvgPool)
def global_avg_pool(placed: Placed) -> Forward:
    # A product with shares, as the gradient of a mean is spread slowly (paddle 3.3).
    size = math.prod(placed.in_shape[1:])

    def forward(call: Call) -> Any:
        flat = call.x.reshape([*call.x.shape[:2], size])
        return paddle.matmul(flat, paddle.full([size], 1 / size, dtype=flat.dtype))

    return forward


@rules(L.GlobalMaxPool)
def global_max_pool(placed: Placed) -> Forward:
    # paddle.max shares the gradient out among ties (3.3); the pool gives it to the first.
    size = math.prod(placed.in_shape[1:])
    return lambda call: F.max_pool2d(_flat(call.x), [1, size]).reshape((-1, placed.in_shape[0]))


# ------------------------------------------------------------------------ normalisation


@rules(L.BatchNorm)
def batch_norm(placed: Placed) -> Forward:
    layer, channels = placed.layer, placed.in_shape[0]
    positions = math.prod(placed.in_shape[1:])

    def normalised(x: Any, part: Mapping[str, Any], mean: Any, var: Any, *, training: bool) -> Any:
        if not (layer.affine or paddle.in_dynamic_mode()):
            # In a saved file, oneDNN's kernel ends the process where there are none (paddle 3.3).
            part = {"weight": paddle.ones([channels]), "bias": paddle.zeros([channels])}
        return F.batch_norm(
            x, mean, var, part.get("weight"), part.get("bias"),
            training=training, momentum=1 - layer.momentum, epsilon=layer.epsilon,
        )  # fmt: skip

    def forward(call: Call) -> Any:
        x, part = _flat(call.x), call.weights
        mean, var = part["running_mean"], part["running_var"]
        count = x.shape[0] * positions
        if not (call.training and layer.trainable):
            y = normalised(x, part, mean, var, training=False)
        elif count == 1:
            y = _single(x, part, mean, var)
        else:
            # Paddle 3.3 mixes the biased variance in. What it adds is the new value less the share
            # of the old; that is made larger by the factor between biased and unbiased. On a copy,
            # as what it has written must stay as it is until the gradient has been taken.
            unbias = count / (count - 1)
            with paddle.no_grad():
                new_var = var.clone()
            y = normalised(x, part, mean, new_var, training=True)
            with paddle.no_grad():
                var.scale_((1 - layer.momentum) * (1 - unbias)).add_(new_var * unbias)
        return y.reshape(call.x.shape)

    def _single(x: Any, part: Mapping[str, Any], mean: Any, var: Any) -> Any:
        # A single value per channel would be let through as it is (3.3): no statistics at all.
        # Whatever it is, it is its own mean, so the gradient does not reach it.
        x = x.detach()
        alone = x.reshape([channels])
        y = normalised(x, part, alone, paddle.zeros_like(var), training=False)
        with paddle.no_grad():
            mean.add_((alone - mean) * layer.momentum)
            var.scale_(1 - layer.momentum)
        return y

    return forward


@rules(L.LayerNorm)
def layer_norm(placed: Placed) -> Forward:
    layer = placed.layer
    shape = list(placed.in_shape[-layer.axes :])
    kept = list(placed.in_shape[: -layer.axes])

    def normalised(x: Any, *parts: Any) -> Any:
        if len(shape) == 1 or paddle.in_dynamic_mode():
            return F.layer_norm(x, shape, *parts, layer.epsilon)
        # In a saved file, oneDNN's kernel knows the last axis only (paddle 3.3).
        size = math.prod(shape)
        y = F.layer_norm(x.reshape([-1, *kept, size]), [size], *parts, layer.epsilon)
        return y.reshape([-1, *placed.in_shape])

    def forward(call: Call) -> Any:
        # The operation takes flat weights only, however many axes are normalised (paddle 3.3).
        parts = (
            call.weights[k].reshape([-1]) if layer.affine else None for k in ("weight", "bias")
        )
        return normalised(call.x, *parts)

    def frozen(call: Call) -> Any:
        # With a weight that wants no gradient, that of the input comes out as if there were no
        # weight (paddle 3.3).
        z = normalised(call.x, None, None)
        return z * call.weights["weight"] + call.weights["bias"]

    return frozen if layer.affine and not layer.trainable else forward


@rules(L.GroupNorm, L.InstanceNorm)
def group_norm(placed: Placed) -> Forward:
    layer, channels = placed.layer, placed.in_shape[0]
    groups = layer.groups if isinstance(layer, L.GroupNorm) else channels

    plain = tuple(functional().constant(flat) for flat in (np.ones(channels), np.zeros(channels)))

    def forward(call: Call) -> Any:
        # Without weights its gradient is wrong (paddle 3.3).
        parts = (call.weights["weight"], call.weights["bias"]) if layer.affine else plain
        y = F.group_norm(_flat(call.x), groups, layer.epsilon, *parts)
        return y.reshape(call.x.shape)

    return forward


@rules(L.Dropout, L.SpatialDropout)
def dropout(placed: Placed) -> Forward:
    del placed
    return lambda call: call.x if call.mask is None else call.x * call.mask


@rules(L.GaussianNoise)
def noise(placed: Placed) -> Forward:
    del placed
    return lambda call: call.x if call.mask is None else call.x + call.mask


# ------------------------------------------------------------------------ moving and joining


@rules(L.Flatten, L.Reshape)
def reshape(placed: Placed) -> Forward:
    return lambda call: call.x.reshape([call.x.shape[0], *placed.out_shape])


@rules(L.Permute)
def permute(placed: Placed) -> Forward:
    order = [0, *placed.layer.axes]
    return lambda call: call.x.transpose(order)


@rules(L.Pad)
def pad(placed: Placed) -> Forward:
    layer = placed.layer
    kept = len(placed.in_shape) + 1 - len(layer.padding)
    sides = (*((0, 0),) * kept, *layer.padding)
    return lambda call: put_around(call.x, sides, layer.value)


@rules(L.Add)
def add(placed: Placed) -> Forward:
    del placed
    return lambda call: sum(call.inputs[1:], start=call.x)


@rules(L.Multiply)
def multiply(placed: Placed) -> Forward:
    del placed
    return lambda call: math.prod(call.inputs[1:], start=call.x)


@rules(L.Concatenate)
def concatenate(placed: Placed) -> Forward:
    return lambda call: paddle.concat(list(call.inputs), placed.layer.axis)


# ------------------------------------------------------------------------ activations


def log_softmax(x: Any, axis: int) -> Any:
    """Return the logarithm of softmax; F.log_softmax (paddle 3.3) never goes below -64."""
    return x - paddle.logsumexp(x, axis, keepdim=True)


def _leaky_relu(layer: L.LeakyReLU, x: Any) -> Any:
    # F.leaky_relu (paddle 3.3) has the gradient 1 at 0, where others have the slope.
    return paddle.where(x > 0, x, x * layer.negative_slope)


rules(L.ReLU)(activation(lambda layer, x: F.relu(x)))
rules(L.LeakyReLU)(activation(_leaky_relu))
rules(L.ELU)(activation(lambda layer, x: F.elu(x, layer.alpha)))
rules(L.GELU)(activation(lambda layer, x: F.gelu(x, approximate=layer.approximate == "tanh")))
rules(L.SiLU)(activation(lambda layer, x: F.silu(x)))
rules(L.Sigmoid)(activation(lambda layer, x: F.sigmoid(x)))
rules(L.Tanh)(activation(lambda layer, x: paddle.tanh(x)))
rules(L.Softmax)(activation(lambda layer, x: F.softmax(x, layer.axis)))
rules(L.LogSoftmax)(activation(lambda layer, x: log_softmax(x, layer.axis)))


# ------------------------------------------------------------------------ recurrence


@rules(L.SimpleRNN, L.LSTM, L.GRU)
def recurrent(placed: Placed) -> Forward:
    return by_kernel(placed, by_formula(functional)(formulas.find(placed.layer))(placed))


# ------------------------------------------------------------------------ all the rest

rules.adopt(formulas, by_formula(functional))
