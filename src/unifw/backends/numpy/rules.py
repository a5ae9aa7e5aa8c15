"""Layer → its forward and backward pass in NumPy; what has files of its own is imported into the table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy import (
    activations,
    convolution,
    normalisation,
    pooling,
    recurrent,
    transposed,
)
from unifw.backends.numpy.calls import Backward, Call, Forward, pure, rules
from unifw.backends.numpy.formula import by_formula
from unifw.backends.numpy.layout import reshaped
from unifw.formulas.table import formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = [
    "activations",
    "convolution",
    "normalisation",
    "pooling",
    "recurrent",
    "rules",
    "transposed",
]

Array = npt.NDArray[Any]


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
def dense(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), weight = call.inputs, call.weights["weight"]
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        y = rows @ weight
        if placed.layer.bias:
            y += call.weights["bias"]

        def backward(dy: Array) -> Any:
            flat = dy.reshape(-1, dy.shape[-1])
            grads = {"weight": rows.T @ flat}
            if placed.layer.bias:
                grads["bias"] = flat.sum(axis=0)
            if not call.needs_input_gradient:
                return (None,), grads
            # In memory the gradient lies as the input does.
            dx = flat @ weight.T if rows.flags.c_contiguous else (weight @ flat.T).T
            return (dx.reshape(x.shape),), grads

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


# ------------------------------------------------------------------------ noise


@rules(L.Dropout, L.SpatialDropout)
def dropout(placed: Placed) -> Forward:
    del placed

    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), mask = call.inputs, call.mask
        if mask is None:
            return x, lambda dy: ((dy,), {})
        return x * mask, lambda dy: ((dy * mask,), {})

    return forward


@rules(L.GaussianNoise)
def noise(placed: Placed) -> Forward:
    del placed

    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), added = call.inputs, call.mask
        return (x if added is None else x + added), lambda dy: ((dy,), {})

    return forward


# ------------------------------------------------------------------------ moving values


@rules(L.Flatten, L.Reshape)
def reshape(placed: Placed) -> Forward:
    def forward(call: Call) -> tuple[Array, Backward]:
        (x,) = call.inputs
        shape = x.shape[1:]
        return reshaped(x, placed.out_shape), lambda dy: ((reshaped(dy, shape),), {})

    return forward


@rules(L.Permute)
@pure
def permute(layer: L.Permute, x: Array) -> Any:
    order = (0, *layer.axes)
    return x.transpose(order), lambda dy: dy.transpose(np.argsort(order))


@rules(L.Pad)
@pure
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


# ------------------------------------------------------------------------ all the rest

rules.adopt(formulas, by_formula)
