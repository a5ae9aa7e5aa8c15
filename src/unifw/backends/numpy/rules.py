"""Layer → its forward and backward pass in NumPy.

A rule is called once per node with its ``Placed`` and returns the forward pass; that takes a
``Call`` and returns the output and the backward pass; that takes the output's gradient and returns
the gradients of the inputs and of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.sliding import channels_outermost, crop, pad, positions
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["Backward", "Call", "Forward", "rules"]

Array = npt.NDArray[Any]
Backward = Callable[[Array], tuple[tuple[Any, ...], Mapping[str, Array]]]
rules = Rules("backend 'numpy'")


class Call(NamedTuple):
    """What a forward pass gets: its weights by part, its inputs, and the mode."""

    weights: Mapping[str, Array]
    inputs: tuple[Array, ...]
    training: bool
    mask: Array | None = None
    needs_input_gradient: bool = True


Forward = Callable[[Call], tuple[Array, Backward]]


def _pure(function: Callable[[Any, Array], tuple[Array, Callable[[Array], Array]]]) -> Any:
    """Make a rule of a function ``(layer, x) -> y, backward`` of one input without weights."""

    def rule(placed: Placed) -> Forward:
        def forward(call: Call) -> tuple[Array, Backward]:
            y, back = function(placed.layer, call.inputs[0])
            return y, lambda dy: ((back(dy),), {})

        return forward

    return rule


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
def dense(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), weight = call.inputs, call.weights["weight"]
        rows = x.reshape(-1, x.shape[-1])
        y = rows @ weight
        if placed.layer.bias:
            y += call.weights["bias"]

        def backward(dy: Array) -> Any:
            flat = dy.reshape(-1, dy.shape[-1])
            grads = {"weight": rows.T @ flat}
            if placed.layer.bias:
                grads["bias"] = flat.sum(axis=0)
            dx = (flat @ weight.T).reshape(x.shape) if call.needs_input_gradient else None
            return (dx,), grads

        return y.reshape(*x.shape[:-1], -1), backward

    return forward


@rules(L.Embedding)
def embedding(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), table = call.inputs, call.weights["weight"]

        def backward(dy: Array) -> Any:
            grad = np.zeros_like(table)
            np.add.at(grad, x, dy)
            return (None,), {"weight": grad}

        return table[x], backward

    return forward


@rules(L.Conv1D, L.Conv2D)
def conv(placed: Placed) -> Forward:
    layer = placed.layer
    window, groups = layer.window, layer.groups
    pads, out = window.pads(placed.in_shape[1:]), placed.out_shape[1:]
    places = list(positions(window, out))

    def forward(call: Call) -> tuple[Array, Backward]:
        x = pad(channels_outermost(call.inputs[0]), pads, 0)
        channels, rows = x.shape[:2]
        columns = np.empty((channels, len(places), rows, *out), dtype=x.dtype)
        for k, place in enumerate(places):
            columns[:, k] = x[place]
        matrix = columns.reshape(groups, channels // groups * len(places), -1)
        weight = call.weights["weight"].reshape(groups, layer.filters // groups, -1)
        y = np.matmul(weight, matrix).reshape(layer.filters, -1)
        if layer.bias:
            y += call.weights["bias"][:, None]
        y = y.reshape(layer.filters, rows, *out)

        def backward(dy: Array) -> Any:
            flat = channels_outermost(dy).reshape(groups, layer.filters // groups, -1)
            d_weight = np.matmul(flat, matrix.swapaxes(1, 2))
            grads = {"weight": d_weight.reshape(call.weights["weight"].shape)}
            if layer.bias:
                grads["bias"] = flat.sum(axis=2).reshape(-1)
            if not call.needs_input_gradient:
                return (None,), grads
            d_columns = np.matmul(weight.swapaxes(1, 2), flat).reshape(columns.shape)
            dx = np.zeros_like(x)
            for k, place in enumerate(places):
                dx[place] += d_columns[:, k]
            return (crop(dx, pads).swapaxes(0, 1),), grads

        return y.swapaxes(0, 1), backward

    return forward


# ------------------------------------------------------------------------ pooling


@rules(L.MaxPool1D, L.MaxPool2D)
def max_pool(placed: Placed) -> Forward:
    window, out = placed.layer.window, placed.out_shape[1:]
    pads = window.pads(placed.in_shape[1:])
    places = list(positions(window, out))

    def forward(call: Call) -> tuple[Array, Backward]:
        x = pad(channels_outermost(call.inputs[0]), pads, -np.inf)
        y = x[places[0]].copy()
        winner = np.zeros(y.shape, dtype=np.int32)
        for k, place in enumerate(places[1:], start=1):
            better = x[place] > y
            np.copyto(y, x[place], where=better)
            np.copyto(winner, k, where=better)

        def backward(dy: Array) -> Any:
            outer = dy.swapaxes(0, 1)
            dx = np.zeros_like(x)
            for k, place in enumerate(places):
                dx[place] += outer * (winner == k)
            return (crop(dx, pads).swapaxes(0, 1),), {}

        return y.swapaxes(0, 1), backward

    return forward


@rules(L.AvgPool1D, L.AvgPool2D)
def avg_pool(placed: Placed) -> Forward:
    window, spatial, out = placed.layer.window, placed.in_shape[1:], placed.out_shape[1:]
    pads = window.pads(spatial)
    places = list(positions(window, out))
    inside = pad(np.ones((1, 1, *spatial)), pads, 0)
    counts = sum(inside[place] for place in places)

    def forward(call: Call) -> tuple[Array, Backward]:
        x = pad(channels_outermost(call.inputs[0]), pads, 0)
        share = np.asarray(1 / counts, dtype=x.dtype)
        y = x[places[0]].copy()
        for place in places[1:]:
            y += x[place]

        def backward(dy: Array) -> Any:
            outer = dy.swapaxes(0, 1) * share
            dx = np.zeros_like(x)
            for place in places:
                dx[place] += outer
            return (crop(dx, pads).swapaxes(0, 1),), {}

        return (y * share).swapaxes(0, 1), backward

    return forward


@rules(L.GlobalAvgPool)
@_pure
def global_avg_pool(layer: L.GlobalAvgPool, x: Array) -> Any:
    del layer
    axes = tuple(range(2, x.ndim))
    size = math.prod(x.shape[2:])

    def backward(dy: Array) -> Array:
        return np.broadcast_to(np.expand_dims(dy / size, axes), x.shape)

    return x.mean(axis=axes), backward


@rules(L.GlobalMaxPool)
@_pure
def global_max_pool(layer: L.GlobalMaxPool, x: Array) -> Any:
    del layer
    flat = x.reshape(*x.shape[:2], -1)
    winner = flat.argmax(axis=2)[:, :, None]

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(flat)
        np.put_along_axis(dx, winner, dy[:, :, None], axis=2)
        return dx.reshape(x.shape)

    return np.take_along_axis(flat, winner, axis=2)[:, :, 0], backward


# ------------------------------------------------------------------------ normalisation


def _standardise(x: Array, axes: tuple[int, ...], epsilon: float) -> Any:
    """Return standardised ``x``, mean, biased variance and the backward pass through all three."""
    mean = x.mean(axis=axes, keepdims=True)
    centred = x - mean
    var = np.square(centred).mean(axis=axes, keepdims=True)
    scale = 1 / np.sqrt(var + epsilon)
    z = centred * scale

    def backward(dz: Array) -> Array:
        along = (dz * z).mean(axis=axes, keepdims=True)
        dx: Array = scale * (dz - dz.mean(axis=axes, keepdims=True) - z * along)
        return dx

    return z, mean, var, backward


def _affine(z: Array, call: Call, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Return ``z * weight + bias`` and the backward pass to ``z`` and both weights."""
    if "weight" not in call.weights:
        return z, lambda dy: (dy, {})
    weight = call.weights["weight"].reshape(shape)

    def backward(dy: Array) -> Any:
        grads = {"weight": (dy * z).sum(axis=axes), "bias": dy.sum(axis=axes)}
        return dy * weight, grads

    return z * weight + call.weights["bias"].reshape(shape), backward


@rules(L.BatchNorm)
def batch_norm(placed: Placed) -> Forward:
    layer = placed.layer
    axes = (0, *range(2, len(placed.in_shape) + 1))
    shape = (-1, *(1,) * (len(placed.in_shape) - 1))

    def forward(call: Call) -> tuple[Array, Backward]:
        (x,) = call.inputs
        mean, var = call.weights["running_mean"], call.weights["running_var"]
        if not call.training:
            scale = 1 / np.sqrt(var + layer.epsilon).reshape(shape)
            z = (x - mean.reshape(shape)) * scale

            def back(dz: Array) -> Any:
                return dz * scale

        else:
            z, new_mean, new_var, back = _standardise(x, axes, layer.epsilon)
            count = x.size // x.shape[1]
            unbiased = new_var.reshape(-1) * (count / max(count - 1, 1))
            mean += layer.momentum * (new_mean.reshape(-1) - mean)
            var += layer.momentum * (unbiased - var)
        y, affine_back = _affine(z, call, shape, axes)

        def backward(dy: Array) -> Any:
            dz, grads = affine_back(dy)
            return (back(dz),), grads

        return y, backward

    return forward


@rules(L.LayerNorm)
def layer_norm(placed: Placed) -> Forward:
    layer = placed.layer
    rank = len(placed.in_shape) + 1
    axes = tuple(range(rank - layer.axes, rank))
    others = tuple(range(rank - layer.axes))
    shape = placed.in_shape[-layer.axes :]

    def forward(call: Call) -> tuple[Array, Backward]:
        z, _, _, back = _standardise(call.inputs[0], axes, layer.epsilon)
        y, affine_back = _affine(z, call, shape, others)

        def backward(dy: Array) -> Any:
            dz, grads = affine_back(dy)
            return (back(dz),), grads

        return y, backward

    return forward


@rules(L.Dropout)
def dropout(placed: Placed) -> Forward:
    del placed

    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), mask = call.inputs, call.mask
        if mask is None:
            return x, lambda dy: ((dy,), {})
        return x * mask, lambda dy: ((dy * mask,), {})

    return forward


# ------------------------------------------------------------------------ moving values


@rules(L.Flatten, L.Reshape)
def reshape(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        (x,) = call.inputs
        return x.reshape(len(x), *placed.out_shape), lambda dy: ((dy.reshape(x.shape),), {})

    return forward


@rules(L.Permute)
@_pure
def permute(layer: L.Permute, x: Array) -> Any:
    order = (0, *layer.axes)
    return x.transpose(order), lambda dy: dy.transpose(np.argsort(order))


@rules(L.Pad)
@_pure
def pad_layer(layer: L.Pad, x: Array) -> Any:
    widths = [(0, 0)] * (x.ndim - len(layer.padding)) + list(layer.padding)
    inner = tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True))
    return np.pad(x, widths, constant_values=layer.value), lambda dy: dy[inner]


# ------------------------------------------------------------------------ joining


def _summed_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its input, of ``shape``, was stretched."""
    axes = tuple(i for i, (n, m) in enumerate(zip(shape, gradient.shape, strict=True)) if n != m)
    return gradient.sum(axis=axes, keepdims=True) if axes else gradient


@rules(L.Add)
def add(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        y = sum(call.inputs[1:], start=call.inputs[0])
        return y, lambda dy: (tuple(_summed_to(dy, x.shape) for x in call.inputs), {})

    return forward


@rules(L.Multiply)
def multiply(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        inputs = call.inputs

        def backward(dy: Array) -> Any:
            others = (math.prod(inputs[:i] + inputs[i + 1 :]) for i in range(len(inputs)))
            pairs = zip(inputs, others, strict=True)
            return tuple(_summed_to(dy * other, x.shape) for x, other in pairs), {}

        return math.prod(inputs), backward  # type: ignore[return-value]  # a product of arrays

    return forward


@rules(L.Concatenate)
def concatenate(placed: Placed) -> Forward:
    axis = placed.layer.axis

    def forward(call: Call) -> tuple[Array, Backward]:
        cuts = np.cumsum([x.shape[axis] for x in call.inputs])[:-1]
        return np.concatenate(call.inputs, axis), lambda dy: (tuple(np.split(dy, cuts, axis)), {})

    return forward


# ------------------------------------------------------------------------ activations


@rules(L.ReLU)
@_pure
def relu(layer: L.ReLU, x: Array) -> Any:
    del layer
    y = np.maximum(x, 0)
    return y, lambda dy: dy * (y > 0)


@rules(L.LeakyReLU)
@_pure
def leaky_relu(layer: L.LeakyReLU, x: Array) -> Any:
    slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(layer.negative_slope))
    return x * slope, lambda dy: dy * slope


@rules(L.ELU)
@_pure
def elu(layer: L.ELU, x: Array) -> Any:
    y = np.where(x > 0, x, layer.alpha * np.expm1(np.minimum(x, 0)))
    return y, lambda dy: dy * np.where(x > 0, 1, y + x.dtype.type(layer.alpha))


@rules(L.GELU)
@_pure
def gelu(layer: L.GELU, x: Array) -> Any:
    if layer.approximate == "tanh":
        root = math.sqrt(2 / math.pi)
        t = np.tanh(root * (x + 0.044715 * x**3))
        slope = root * (1 + 3 * 0.044715 * x * x)
        return x * (1 + t) / 2, lambda dy: dy * ((1 + t) + x * (1 - t * t) * slope) / 2
    below = (1 + _erf(x * (1 / math.sqrt(2)))) / 2
    density = np.exp(-x * x / 2) * (1 / math.sqrt(2 * math.pi))
    return x * below, lambda dy: dy * (below + x * density)


@rules(L.SiLU)
@_pure
def silu(layer: L.SiLU, x: Array) -> Any:
    del layer
    s = _sigmoid(x)
    return x * s, lambda dy: dy * (s + x * s * (1 - s))


@rules(L.Sigmoid)
@_pure
def sigmoid(layer: L.Sigmoid, x: Array) -> Any:
    del layer
    y = _sigmoid(x)
    return y, lambda dy: dy * y * (1 - y)


@rules(L.Tanh)
@_pure
def tanh(layer: L.Tanh, x: Array) -> Any:
    del layer
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y * y)


@rules(L.Softmax)
@_pure
def softmax(layer: L.Softmax, x: Array) -> Any:
    e = np.exp(x - x.max(axis=layer.axis, keepdims=True))
    y = e / e.sum(axis=layer.axis, keepdims=True)
    return y, lambda dy: y * (dy - (dy * y).sum(axis=layer.axis, keepdims=True))


@rules(L.LogSoftmax)
@_pure
def log_softmax(layer: L.LogSoftmax, x: Array) -> Any:
    shifted = x - x.max(axis=layer.axis, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=layer.axis, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=layer.axis, keepdims=True)


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), dtype=x.dtype)


@cache
def _erfc_exponent(degree: int) -> Any:
    """Return the Chebyshev polynomial of ``log(erfc(z) / t) + z²`` in ``t = 2 / (2 + z)``.

    The form is that of Numerical Recipes, 6.2.2; the coefficients are fitted here to ``math.erfc``
    for z up to 6.5, beyond which erf is 1 in float64.
    """
    from numpy.polynomial import Chebyshev

    def exponent(t: Array) -> Array:
        z = 2 / t - 2
        return np.array([math.log(math.erfc(a) / b) + a * a for a, b in zip(z, t, strict=True)])

    return Chebyshev.interpolate(exponent, degree, domain=[2 / 8.5, 1.0])


def _erf(x: Array) -> Array:
    """Return the error function; NumPy has none, and SciPy is too large to ask for it alone."""
    z = np.minimum(np.abs(x), 6.5)
    t = 2 / (2 + z)
    fit = _erfc_exponent(24 if x.dtype == np.float64 else 12)
    erfc = t * np.exp(fit(t) - z * z)
    return np.asarray(np.copysign(1 - erfc, x), dtype=x.dtype)
