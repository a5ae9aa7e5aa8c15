"""Layer → what computes it in MegEngine.

A rule is called once per node with its ``Placed`` and returns a function of a ``Call``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import megengine.functional as F
import numpy as np
from megengine import Tensor

from unifw.backends.eager import Call, Forward, Turns, activation, by_formula
from unifw.backends.megengine.functional import FUNCTIONAL
from unifw.backends.megengine.recurrent import by_steps
from unifw.backends.megengine.windows import (
    Convolution,
    FirstMaximum,
    Geometry,
    Phases,
    Positive,
    Standardised,
)
from unifw.backends.separable import separable
from unifw.formulas.pooling import LOWEST
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.window import Pads, Window

__all__ = ["TURNS", "rules"]

rules = Rules("backend 'megengine'")


def _per_channel(part: Any) -> Any:
    return part.reshape(1, -1, 1, 1)


# In MegEngine a transpose costs nothing; the axes are put in order when somebody needs them so.
TURNS = Turns(
    last=lambda x: F.transpose(x, (*range(1, x.ndim), 0)),
    first=lambda x: F.transpose(x, (x.ndim - 1, *range(x.ndim - 1))),
)


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
def dense(placed: Placed) -> Forward:
    # One product of two matrices, whatever the rank: the gradient of a product of a 3-D and a 2-D
    # tensor crashes the process (megengine 1.13).
    units = placed.layer.units

    rows = len(placed.in_shape) == 1

    def forward(call: Call) -> Any:
        x = call.x if rows else call.x.reshape(-1, call.x.shape[-1])
        y = F.matmul(x, call.weights["weight"])
        y = y + call.weights["bias"] if placed.layer.bias else y
        return y if rows else y.reshape(*call.x.shape[:-1], units)

    return forward


@rules(L.Embedding)
def embedding(placed: Placed) -> Forward:
    del placed
    return lambda call: F.embedding(call.x, call.weights["weight"])


# ------------------------------------------------------------------------ windows
# Series become images, for the framework's operations of height 1: there are none for series alone, but conv1d.
# Padding that differs from side to side is put on beforehand, as no operation takes it.
# What comes with its batch last goes through unifw's own operations where those serve.


def _turned_over(forward: Forward) -> Forward:
    """Make a rule for values with their batch first serve those that have it last."""

    def turned(call: Call) -> Any:
        if not call.batch_last:
            return forward(call)
        first = call._replace(inputs=tuple(map(TURNS.first, call.inputs)), batch_last=False)
        y = forward(first)
        return TURNS.last(y) if y.ndim > 2 else y

    return turned


def _image(values: tuple[int, ...], fill: int) -> tuple[int, ...]:
    return (fill,) * (2 - len(values)) + values


def _as_image(x: Any) -> Any:
    return F.expand_dims(x, 2) if x.ndim == 3 else x


def _padded(x: Any, pads: Pads, value: float) -> Any:
    if not any(map(any, pads)):
        return x
    sides = ((0, 0),) * (x.ndim - len(pads)) + pads
    return F.nn.pad(x, sides, constant_value=value)


@rules(L.Conv1D, L.Conv2D)
def conv(placed: Placed) -> Forward:
    layer, window = placed.layer, placed.layer.window
    pads = window.pads(placed.in_shape[1:])
    settings = {
        "stride": _image(window.stride, 1),
        "dilation": _image(window.dilation, 1),
        "groups": layer.groups,
    }
    channels = placed.in_shape[0]
    per_group = (layer.groups, layer.filters // layer.groups, channels // layer.groups)
    kernel = _image(window.kernel, 1)
    # The weight of grouped convolutions has an axis for the groups.
    shape = (*per_group, *kernel) if layer.groups > 1 else (layer.filters, channels, *kernel)
    series = layer.axes == 1
    geometry = Geometry(placed)
    image = (layer.filters, channels, *geometry.kernel)

    def native(call: Call) -> Any:
        bias = _per_channel(call.weights["bias"]) if layer.bias else None
        x = _padded(_as_image(call.x), pads, 0.0)
        y = F.conv2d(x, call.weights["weight"].reshape(shape), bias, **settings)
        return F.squeeze(y, 2) if series else y

    if layer.groups > 1:
        return _turned_over(native)
    phases = Phases(geometry)

    def forward(call: Call) -> Any:
        if not call.batch_last:
            return native(call)
        x = F.expand_dims(call.x, 2) if series else call.x
        weight = call.weights["weight"].reshape(image)
        y = Convolution(geometry, phases, is_first=call.is_first)(x, weight)
        if layer.bias:
            y = y + call.weights["bias"].reshape(-1, 1, 1, 1)
        return F.squeeze(y, 2) if series else y

    return forward


rules(L.SeparableConv1D, L.SeparableConv2D)(separable(conv))


def _slices(window: Window, out: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield, for each place within the window, what is there at all window positions."""
    for offsets in product(*map(range, window.kernel)):
        steps = zip(offsets, window.stride, out, strict=True)
        yield (slice(None), slice(None), *(slice(o, o + s * (n - 1) + 1, s) for o, s, n in steps))


@rules(L.MaxPool1D, L.MaxPool2D)
def max_pool(placed: Placed) -> Forward:
    window, out = placed.layer.window, placed.out_shape[1:]
    pads = window.pads(placed.in_shape[1:])
    places = list(_slices(window, out))
    settings = {"kernel_size": _image(window.kernel, 1), "stride": _image(window.stride, 1)}
    series = placed.layer.axes == 1

    geometry = Geometry(placed)

    def native(x: Any) -> Any:
        y = F.max_pool2d(_as_image(x), **settings)
        return F.squeeze(y, 2) if series else y

    def overlapping(call: Call) -> Any:
        x = _padded(call.x, pads, LOWEST)
        if not call.training:
            return native(x)
        # The pool's own gradient goes in full to every tied element (megengine 1.13), and real
        # images are full of ties. Here each place passes the gradient on where it is the first
        # that equals the maximum.
        largest = native(x.detach())
        y, free = 0.0, 1.0
        for place in places:
            part = x[place]
            first = F.equal(part.detach(), largest) * free
            y, free = y + part * first, free - first
        return y

    others = _turned_over(overlapping)

    def forward(call: Call) -> Any:
        if not call.batch_last or not geometry.is_tiled:
            return others(call)
        x = F.expand_dims(call.x, 2) if series else call.x
        y = FirstMaximum(geometry)(x)
        return F.squeeze(y, 2) if series else y

    return forward


@rules(L.AvgPool1D, L.AvgPool2D)
def avg_pool(placed: Placed) -> Forward:
    window = placed.layer.window
    pads = window.pads(placed.in_shape[1:])
    settings = {"kernel_size": _image(window.kernel, 1), "stride": _image(window.stride, 1)}
    share = math.prod(window.kernel) / placed.layer.divisor(placed.in_shape[1:])[None, None]
    share, is_whole = share.astype(np.float32), bool((share == 1).all())
    series = placed.layer.axes == 1

    def forward(call: Call) -> Any:
        x = _padded(call.x, pads, 0.0)
        y = F.avg_pool2d(_as_image(x), **settings, mode="average")
        y = F.squeeze(y, 2) if series else y
        return y if is_whole else y * Tensor(share, device=x.device)

    return _turned_over(forward)


@rules(L.GlobalAvgPool)
def global_avg_pool(placed: Placed) -> Forward:
    size = math.prod(placed.in_shape[1:])

    def forward(call: Call) -> Any:
        if not call.batch_last:
            return F.mean(F.flatten(call.x, 2), axis=2)
        y = F.mean(call.x.reshape(call.x.shape[0], size, -1), axis=1)
        return F.transpose(y, (1, 0))

    return forward


@rules(L.GlobalMaxPool)
def global_max_pool(placed: Placed) -> Forward:
    size = math.prod(placed.in_shape[1:])

    def forward(call: Call) -> Any:
        # As in max_pool: the gradient of F.max goes to every tied element (megengine 1.13).
        x = F.flatten(call.x, 2)
        first = F.one_hot(F.argmax(x.detach(), axis=2), size).astype(x.dtype)
        return F.sum(x * first, axis=2)

    return forward


# ------------------------------------------------------------------------ normalisation


@rules(L.BatchNorm)
def batch_norm(placed: Placed) -> Forward:
    layer, channels = placed.layer, placed.in_shape[0]

    def native(call: Call) -> Any:
        x = call.x.reshape(call.x.shape[0], channels, -1, 1)
        part = {name: _per_channel(value) for name, value in call.weights.items()}
        scale = (part.get("weight"), part.get("bias"))
        mean, var = part["running_mean"], part["running_var"]
        if not (call.training and layer.trainable):
            y = F.nn.batch_norm(x, mean, var, *scale, eps=layer.epsilon)
            return y.reshape(call.x.shape)
        # With a momentum of 0 the operation gives the batch's mean and its unbiased variance.
        zeros = F.zeros_like(mean)
        y, new_mean, new_var = F.nn.batch_norm(
            x, zeros, zeros, *scale, training=True, momentum=0.0, eps=layer.epsilon, inplace=False
        )
        if math.prod(call.x.shape) == channels:  # one number has no unbiased variance: none is kept
            new_var = zeros
        moved(call, new_mean, new_var)
        return y.reshape(call.x.shape)

    def moved(call: Call, mean: Any, var: Any) -> None:
        _move(call.weights["running_mean"], mean.detach(), layer.momentum)
        _move(call.weights["running_var"], var.detach(), layer.momentum)

    def forward(call: Call) -> Any:
        if not call.batch_last:
            return native(call)
        part = {name: value.reshape(channels, 1) for name, value in call.weights.items()}
        rows = call.x.reshape(channels, -1)
        if call.training and layer.trainable:
            standardised, count = Standardised(layer.epsilon), math.prod(call.x.shape) / channels
            z = standardised(rows)
            moved(call, standardised.mean, standardised.var * (count / max(count - 1, 1)))
        else:
            scale = 1.0 / F.sqrt(part["running_var"] + layer.epsilon)
            z = (rows - part["running_mean"]) * scale
        if layer.affine:
            z = z * part["weight"] + part["bias"]
        return z.reshape(call.x.shape)

    return forward


def _move(running: Any, new: Any, momentum: float) -> None:
    running[...] = running + (new.reshape(-1) - running) * momentum


@rules(L.LayerNorm)
def layer_norm(placed: Placed) -> Forward:
    layer = placed.layer
    kept, size = placed.in_shape[: -layer.axes], math.prod(placed.in_shape[-layer.axes :])

    def forward(call: Call) -> Any:
        x = call.x.reshape(call.x.shape[0], *kept, size)
        scale = [call.weights[k].reshape(-1) for k in ("weight", "bias")] if layer.affine else []
        y = F.nn.layer_norm(x, (size,), layer.affine, *scale, eps=layer.epsilon)
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
    return lambda call: call.x.reshape(call.x.shape[0], *placed.out_shape)


@rules(L.Permute)
def permute(placed: Placed) -> Forward:
    order = (0, *placed.layer.axes)
    return lambda call: F.transpose(call.x, order)


@rules(L.Pad)
def pad(placed: Placed) -> Forward:
    return lambda call: _padded(call.x, placed.layer.padding, placed.layer.value)


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
    axis, learns = placed.layer.axis, placed.dtype == "float"

    def forward(call: Call) -> Any:
        # The gradient of each part is a view of the whole's. Multiplied by what is stretched over its
        # leading axes it comes out wrong (megengine 1.13, on CPU): such a product reads the view
        # as if it lay in one piece. Multiplying by a scalar first makes one piece of it.
        parts = [x * 1.0 for x in call.inputs] if call.training and learns else call.inputs
        return F.concat(list(parts), axis)

    return forward


# ------------------------------------------------------------------------ activations


def _elu(layer: L.ELU, x: Any) -> Any:
    return F.where(x > 0, x, F.expm1(F.minimum(x, 0.0)) * layer.alpha)


def _gelu(layer: L.GELU, x: Any) -> Any:
    if layer.approximate != "tanh":
        return F.gelu(x)
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return x * (F.tanh(inner) + 1) * 0.5


@rules(L.ReLU)
def relu(placed: Placed) -> Forward:
    del placed
    # On small values the overhead of a function of our own is more than it saves.
    return lambda call: Positive()(call.x) if call.batch_last else F.relu(call.x)


rules(L.LeakyReLU)(activation(lambda layer, x: F.where(x > 0, x, x * layer.negative_slope)))
rules(L.ELU)(activation(_elu))
rules(L.GELU)(activation(_gelu))
rules(L.SiLU)(activation(lambda layer, x: F.silu(x)))
rules(L.Sigmoid)(activation(lambda layer, x: F.sigmoid(x)))
rules(L.Tanh)(activation(lambda layer, x: F.tanh(x)))
rules(L.Softmax)(activation(lambda layer, x: FUNCTIONAL.softmax(x, layer.axis)))
rules(L.LogSoftmax)(activation(lambda layer, x: F.logsoftmax(x, layer.axis)))


# ------------------------------------------------------------------------ recurrence


@rules(L.SimpleRNN, L.LSTM, L.GRU)
def recurrent(placed: Placed) -> Forward:
    return by_steps(placed, by_formula(lambda: FUNCTIONAL)(formulas.find(placed.layer))(placed))


# ------------------------------------------------------------------------ all the rest

rules.adopt(formulas, by_formula(lambda: FUNCTIONAL))
