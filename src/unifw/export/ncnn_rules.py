"""Layer → ncnn's layers.

A rule takes the ``NcnnFunctional``, the ``Placed`` and its inputs, and returns its output.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unifw.backends.separable import stages
from unifw.export.evaluation import evaluation
from unifw.export.ncnn_functional import NcnnFunctional, by_formula
from unifw.export.ncnn_recurrent import gru, lstm, simple_rnn
from unifw.export.ncnn_value import Value
from unifw.export.ncnn_windows import adaptive, avg_pool, conv, conv_transpose, max_pool
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["rules"]

rules = Rules("format 'ncnn'")

Inputs = tuple[Value, ...]


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
def dense(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    (x,), weight = inputs, f.writer.weight(placed, "weight")
    size, units = weight.shape
    rows = math.prod(placed.in_shape) // size
    front = (rows,) if rows > 1 else ()
    bias = [(False, f.writer.weight(placed, "bias"))] if placed.layer.bias else []
    params = {0: units, 1: len(bias), 2: weight.size}
    made = x.through(
        "InnerProduct", (*front, size), (*front, units), params, [(True, weight.T), *bias]
    )
    return f.reshape(made, (1, *placed.out_shape))


@rules(L.Embedding)
def embedding(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    return f.rows(inputs[0], f.writer.weight(placed, "weight"))


# ------------------------------------------------------------------------ windows

rules(L.Conv1D, L.Conv2D, L.Conv3D)(conv)
rules(L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D)(conv_transpose)
rules(L.MaxPool1D, L.MaxPool2D, L.MaxPool3D)(max_pool)
rules(L.AvgPool1D, L.AvgPool2D, L.AvgPool3D)(avg_pool)
rules(L.AdaptiveMaxPool1D, L.AdaptiveMaxPool2D, L.AdaptiveMaxPool3D)(adaptive)
rules(L.AdaptiveAvgPool1D, L.AdaptiveAvgPool2D, L.AdaptiveAvgPool3D)(adaptive)


@rules(L.SeparableConv1D, L.SeparableConv2D)
def separable_conv(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    first, second = stages(placed)
    held = placed.weights
    return conv(f, second, (conv(f, first, inputs, held["depthwise"]),), held["pointwise"])


@rules(L.UpSample1D, L.UpSample2D)
def upsample(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    layer, shape = placed.layer, placed.out_shape
    is_linear = layer.mode != "nearest"
    height = shape[1] if len(shape) == 3 else 1
    params = {0: 2 if is_linear else 1, 3: height, 4: shape[-1], 6: int(layer.align_corners)}
    return inputs[0].through("Interp", placed.in_shape, shape, params)


# ------------------------------------------------------------------------ normalisation


@rules(L.BatchNorm)
def batch_norm(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    layer, channels = placed.layer, placed.in_shape[0]
    mean, var = (f.writer.weight(placed, part) for part in ("running_mean", "running_var"))
    scale, shift = _affine(f, placed, channels)
    params, data = {0: channels, 1: layer.epsilon}, (scale, mean, var, shift)
    return inputs[0].through(
        "BatchNorm", placed.in_shape, placed.in_shape, params, [(False, part) for part in data]
    )


@rules(L.GroupNorm, L.InstanceNorm)
def group_norm(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    layer, channels = placed.layer, placed.in_shape[0]
    groups = layer.groups if isinstance(layer, L.GroupNorm) else channels
    params = {0: groups, 1: channels, 2: layer.epsilon, 3: int(layer.affine)}
    data = [(False, f.writer.weight(placed, part)) for part in placed.parts]
    return inputs[0].through("GroupNorm", placed.in_shape, placed.in_shape, params, data)


@rules(L.LayerNorm, L.RMSNorm)
def layer_norm(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    layer = placed.layer
    size = math.prod(placed.in_shape[-layer.axes :])
    rows = math.prod(placed.in_shape) // size
    dims = (rows, size) if rows > 1 else (size,)
    data = [(False, f.writer.weight(placed, part)) for part in placed.parts]
    params = {0: size, 1: layer.epsilon, 2: int(layer.affine)}
    made = inputs[0].through(type(layer).__name__, dims, dims, params, data)
    return f.reshape(made, inputs[0].shape)


def _affine(f: NcnnFunctional, placed: Placed, channels: int) -> tuple[Any, Any]:
    if placed.layer.affine:
        return f.writer.weight(placed, "weight"), f.writer.weight(placed, "bias")
    return np.ones(channels), np.zeros(channels)


# ------------------------------------------------------------------------ recurrence

rules(L.SimpleRNN)(simple_rnn)
rules(L.LSTM)(lstm)
rules(L.GRU)(gru)


# ------------------------------------------------------------------------ joining


@rules(L.Maximum, L.Minimum)
def extreme(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    larger = f.maximum if isinstance(placed.layer, L.Maximum) else f.minimum
    y = inputs[0]
    for x in inputs[1:]:
        y = larger(y, x)
    return y


# ------------------------------------------------------------------------ activations


@rules(L.ReLU, L.SiLU, L.Tanh, L.Sigmoid, L.Mish, L.SELU, L.Abs)
def named(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    kind = type(placed.layer).__name__
    other = {"SiLU": "Swish", "Tanh": "TanH", "Abs": "AbsVal"}
    return inputs[0].op(other.get(kind, kind))


@rules(L.LeakyReLU)
def leaky_relu(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    return inputs[0].op("ReLU", {0: placed.layer.negative_slope})


@rules(L.ELU, L.CELU)
def elu(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    return inputs[0].op(type(placed.layer).__name__, {0: placed.layer.alpha})


@rules(L.GELU)
def gelu(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    return inputs[0].op("GELU", {0: int(placed.layer.approximate == "tanh")})


@rules(L.HardSigmoid)
def hard_sigmoid(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    return inputs[0].op("HardSigmoid", {0: placed.layer.slope, 1: placed.layer.offset})


@rules(L.HardSwish)
def hard_swish(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f, placed
    return inputs[0].op("HardSwish", {0: 1 / 6, 1: 0.5})


@rules(L.ReLU6)
def relu6(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f, placed
    return inputs[0].op("Clip", {0: 0.0, 1: 6.0})


@rules(L.Clip, L.Hardtanh)
def clip(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    del f
    layer, bounds = placed.layer, {}
    if layer.min_value is not None:
        bounds[0] = layer.min_value
    if layer.max_value is not None:
        bounds[1] = layer.max_value
    return inputs[0].op("Clip", bounds)


@rules(L.PReLU)
def prelu(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    slopes, shape = f.writer.weight(placed, "weight").reshape(-1), placed.in_shape
    return inputs[0].through("PReLU", shape, shape, {0: slopes.size}, [(False, slopes)])


# ------------------------------------------------------------------------ all the rest

rules.adopt(evaluation, by_formula)
