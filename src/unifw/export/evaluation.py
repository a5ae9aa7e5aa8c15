"""What every layer computes outside training, in the words of ``unifw.formulas.functional``.

The shared formulas cover the layers that some framework lacks; here are those that every framework has, for
files that are written word by word.
"""

from __future__ import annotations

import math
from typing import Any

from unifw.backends.separable import stages
from unifw.formulas.functional import Applied, Functional
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.merge import axis_index

__all__ = ["evaluation"]

evaluation = Rules("unifw's formulas of evaluation")


@evaluation(L.Dense)
def dense(placed: Placed, f: Functional) -> Applied:
    biased = placed.layer.bias

    def applied(inputs: Any, parts: Any) -> Any:
        y = f.matmul(inputs[0], parts[0])
        return y + parts[1] if biased else y

    return applied


@evaluation(L.SeparableConv1D, L.SeparableConv2D)
def separable_conv(placed: Placed, f: Functional) -> Applied:
    first, second = (formulas.find(part.layer)(part, f) for part in stages(placed))

    def applied(inputs: Any, parts: Any) -> Any:
        return second((first(inputs, parts[:1]),), parts[1:])

    return applied


@evaluation(L.GlobalAvgPool, L.GlobalMaxPool)
def global_pool(placed: Placed, f: Functional) -> Applied:
    axes = tuple(range(2, len(placed.in_shape) + 1))
    pooled = f.mean if isinstance(placed.layer, L.GlobalAvgPool) else f.amax

    def applied(inputs: Any, parts: Any) -> Any:
        return pooled(inputs[0], axes, False)

    return applied


@evaluation(L.Max, L.Min)
def extreme(placed: Placed, f: Functional) -> Applied:
    layer = placed.layer
    axes = tuple(place + 1 for place in layer.places(placed.in_shape))

    def applied(inputs: Any, parts: Any) -> Any:
        if isinstance(layer, L.Max):
            return f.amax(inputs[0], axes, layer.keepdims)
        return -f.amax(-inputs[0], axes, layer.keepdims)

    return applied


@evaluation(L.BatchNorm)
def batch_norm(placed: Placed, f: Functional) -> Applied:
    layer, spatial = placed.layer, placed.in_shape[1:]

    def applied(inputs: Any, parts: Any) -> Any:
        *scale, mean, var = (f.per_channel(part, spatial) for part in parts)
        y = (inputs[0] - mean) / f.sqrt(var + layer.epsilon)
        return y * scale[0] + scale[1] if layer.affine else y

    return applied


@evaluation(L.LayerNorm)
def layer_norm(placed: Placed, f: Functional) -> Applied:
    layer, rank = placed.layer, len(placed.in_shape) + 1
    axes = tuple(range(rank - layer.axes, rank))

    def applied(inputs: Any, parts: Any) -> Any:
        centred = inputs[0] - f.mean(inputs[0], axes, True)
        y = centred / f.sqrt(f.mean(centred * centred, axes, True) + layer.epsilon)
        return y * parts[0] + parts[1] if layer.affine else y

    return applied


@evaluation(L.Dropout, L.SpatialDropout, L.GaussianNoise)
def noise(placed: Placed, f: Functional) -> Applied:
    del placed, f  # nothing is dropped or added outside training

    def applied(inputs: Any, parts: Any) -> Any:
        return inputs[0]

    return applied


@evaluation(L.Flatten, L.Reshape)
def reshape(placed: Placed, f: Functional) -> Applied:
    shape = (-1, *placed.out_shape)

    def applied(inputs: Any, parts: Any) -> Any:
        return f.reshape(inputs[0], shape)

    return applied


@evaluation(L.Permute)
def permute(placed: Placed, f: Functional) -> Applied:
    order = (0, *placed.layer.axes)

    def applied(inputs: Any, parts: Any) -> Any:
        return f.transpose(inputs[0], order)

    return applied


@evaluation(L.Pad)
def pad(placed: Placed, f: Functional) -> Applied:
    pairs, value = placed.layer.padding, placed.layer.value
    pads = (*((0, 0) for _ in placed.in_shape[len(pairs) :]), *pairs)

    def applied(inputs: Any, parts: Any) -> Any:
        return f.pad(inputs[0], pads, value)

    return applied


@evaluation(L.Add, L.Multiply)
def joined(placed: Placed, f: Functional) -> Applied:
    del f
    is_sum = isinstance(placed.layer, L.Add)

    def applied(inputs: Any, parts: Any) -> Any:
        y = inputs[0]
        for x in inputs[1:]:
            y = y + x if is_sum else y * x
        return y

    return applied


@evaluation(L.Concatenate)
def concatenate(placed: Placed, f: Functional) -> Applied:
    axis = axis_index(placed.layer.axis, len(placed.in_shape)) + 1

    def applied(inputs: Any, parts: Any) -> Any:
        return f.concat(inputs, axis)

    return applied


@evaluation(L.ReLU)
def relu(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        return f.where(inputs[0] <= 0, 0.0, inputs[0])  # in this order, for nan must stay nan

    return applied


@evaluation(L.LeakyReLU)
def leaky_relu(placed: Placed, f: Functional) -> Applied:
    slope = placed.layer.negative_slope

    def applied(inputs: Any, parts: Any) -> Any:
        return f.where(inputs[0] > 0, inputs[0], inputs[0] * slope)

    return applied


@evaluation(L.ELU)
def elu(placed: Placed, f: Functional) -> Applied:
    alpha = placed.layer.alpha

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        return f.where(x > 0, x, (f.exp(f.where(x > 0, 0.0, x)) - 1.0) * alpha)

    return applied


@evaluation(L.SiLU)
def silu(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        return inputs[0] * f.sigmoid(inputs[0])

    return applied


@evaluation(L.Sigmoid, L.Tanh)
def bent(placed: Placed, f: Functional) -> Applied:
    curve = f.sigmoid if isinstance(placed.layer, L.Sigmoid) else f.tanh

    def applied(inputs: Any, parts: Any) -> Any:
        return curve(inputs[0])

    return applied


@evaluation(L.GELU)
def gelu(placed: Placed, f: Any) -> Applied:
    """Take the exact one from a vocabulary that has the word ``erf`` too."""
    is_exact = placed.layer.approximate == "none"

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        if is_exact:
            return x * 0.5 * (f.erf(x * math.sqrt(1 / 2)) + 1.0)
        sum_ = x + x * x * x * 0.044715
        return x * 0.5 * (f.tanh(sum_ * math.sqrt(2 / math.pi)) + 1.0)

    return applied


@evaluation(L.Softmax)
def softmax(placed: Placed, f: Functional) -> Applied:
    axis = _axis(placed)

    def applied(inputs: Any, parts: Any) -> Any:
        return f.softmax(inputs[0], axis)

    return applied


@evaluation(L.LogSoftmax)
def log_softmax(placed: Placed, f: Functional) -> Applied:
    axes = (_axis(placed),)

    def applied(inputs: Any, parts: Any) -> Any:
        shifted = inputs[0] - f.amax(inputs[0], axes, True)
        return shifted - f.log(f.sum(f.exp(shifted), axes, True))

    return applied


def _axis(placed: Placed) -> int:
    return int(axis_index(placed.layer.axis, len(placed.in_shape))) + 1


evaluation.adopt(formulas, lambda formula: formula)
