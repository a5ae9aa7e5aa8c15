"""Layer → what computes it, forward and back.

A rule takes the layer, its inputs and its weights. It returns the output, and the function that turns the
gradient of the output into those of the inputs and of the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unifw import layers as L
from unifw.rules import Reason, Rules

__all__ = ["rules"]

rules = Rules("backend 'toy'")


@rules(L.Dense)
def dense(layer: L.Dense, inputs: Any, weights: Any) -> Any:
    x, weight = inputs[0], weights["weight"]
    rows = x.reshape(-1, x.shape[-1])

    def back(slope: Any) -> Any:
        flat = slope.reshape(-1, layer.units)
        return [(flat @ weight.T).reshape(x.shape)], {"weight": rows.T @ flat, "bias": flat.sum(0)}

    return x @ weight + weights.get("bias", 0), back


@rules(L.Embedding)
def embedding(layer: L.Embedding, inputs: Any, weights: Any) -> Any:
    table = weights["weight"]

    def back(slope: Any) -> Any:
        found = np.zeros_like(table)
        np.add.at(found, inputs[0], slope)
        return [None], {"weight": found}

    return table[inputs[0]], back


@rules(L.Add)
def add(layer: L.Add, inputs: Any, weights: Any) -> Any:
    shapes = [x.shape for x in inputs]
    return sum(inputs), lambda slope: ([_summed(slope, shape) for shape in shapes], {})


def _summed(slope: Any, shape: Any) -> Any:
    """Sum a gradient over the axes along which an input was stretched."""
    axes = tuple(i for i, (n, m) in enumerate(zip(slope.shape, shape, strict=True)) if n != m)
    return slope.sum(axes, keepdims=True)


@rules(L.Flatten, L.Reshape)
def reshape(layer: L.Layer, inputs: Any, weights: Any) -> Any:
    (x,) = inputs
    shape = layer.out_shape(x.shape[1:])
    return x.reshape(len(x), *shape), lambda slope: ([slope.reshape(x.shape)], {})


@rules(L.ReLU)
def relu(layer: L.ReLU, inputs: Any, weights: Any) -> Any:
    (x,) = inputs
    return np.maximum(x, 0), lambda slope: ([slope * (x > 0)], {})


@rules(L.Tanh)
def tanh(layer: L.Tanh, inputs: Any, weights: Any) -> Any:
    y = np.tanh(inputs[0])
    return y, lambda slope: ([slope * (1 - y * y)], {})


# What is not in the table is "not written yet"; a better reason is told where there is one.
rules.lacks(L.Conv2D, Reason.FRAMEWORK, "Toy 1.0 has no windows that slide")
