"""Normalisation in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward, rules
from unifw.backends.numpy.layout import batch_first, batch_last, blocks
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

Array = npt.NDArray[Any]


def _dots(a: Array, b: Array) -> Array:
    """Return the inner product of each row of ``a`` with that of ``b``, as a column."""
    found: Array = np.einsum("ij,ij->i", a, b)[:, None]
    return found


@rules(L.BatchNorm)
def batch_norm(placed: Placed) -> Forward:
    layer = placed.layer

    def forward(call: Call) -> tuple[Array, Backward]:
        x = batch_last(call.inputs[0])
        rows = x.reshape(len(x), -1)
        y = call.room.array("y", x.shape, x.dtype)
        if call.training and layer.trainable:
            normalised = _from_batch(call, rows, y.reshape(rows.shape), layer)
        else:
            normalised = _from_running(call, rows, y.reshape(rows.shape), layer.epsilon)

        def backward(dy: Array) -> Any:
            given = batch_last(dy).reshape(rows.shape)
            dx, grads = normalised(given)
            return (batch_first(dx.reshape(x.shape)),), grads

        return batch_first(y), backward

    return forward


def _from_running(call: Call, rows: Array, y: Array, epsilon: float) -> Any:
    """Normalise by the running statistics; return the backward pass."""
    mean = call.weights["running_mean"][:, None]
    scale = 1 / np.sqrt(call.weights["running_var"] + rows.dtype.type(epsilon))[:, None]
    weight, bias = _affine(call, rows.dtype)
    np.multiply(rows, scale * weight, out=y)
    y += bias - mean * scale * weight

    def backward(dy: Array) -> Any:
        return dy * (scale * weight), {}  # nothing learns in evaluation, nor when frozen

    return backward


def _affine(call: Call, dtype: Any) -> tuple[Array, Array]:
    if "weight" not in call.weights:
        return np.ones((1, 1), dtype), np.zeros((1, 1), dtype)
    return call.weights["weight"][:, None], call.weights["bias"][:, None]


def _from_batch(call: Call, rows: Array, y: Array, layer: L.BatchNorm) -> Any:
    """Normalise by the batch's own statistics and move the running ones; return the backward pass.

    Several members of a crew each have some rows. The mean and the sum of squares of all follow from theirs
    (Chan, Golub and LeVeque 1983); what each holds is about its own mean, ``shift`` from that of all.
    """
    here = rows.shape[1]
    centred = call.room.array("centred", rows.shape, rows.dtype)
    mean, square = (np.empty((len(rows), 1), rows.dtype) for _ in range(2))
    weight, bias = np.broadcast_arrays(*_affine(call, rows.dtype), mean)[:2]
    cuts = list(blocks(*rows.shape))
    for cut in cuts:
        mean[cut] = rows[cut].mean(axis=1, keepdims=True)
        part = np.subtract(rows[cut], mean[cut], out=centred[cut])
        square[cut] = _dots(part, part)
    shift, count = np.zeros_like(mean), here
    if call.member.count > 1:
        every = call.member.all(mean, square, here)
        count = sum(n for *_, n in every)
        whole = sum(m * (n / count) for m, _, n in every)
        square = sum(s + n * np.square(m - whole) for m, s, n in every)
        shift, mean = mean - whole, whole
    var = square / count
    scale = 1 / np.sqrt(var + rows.dtype.type(layer.epsilon))
    for cut in cuts:
        out = np.multiply(centred[cut], scale[cut] * weight[cut], out=y[cut])
        out += bias[cut] + shift[cut] * scale[cut] * weight[cut]
    if call.member.number == 0:
        unbiased = var[:, 0] * (count / max(count - 1, 1))
        running_mean, running_var = call.weights["running_mean"], call.weights["running_var"]
        running_mean += layer.momentum * (mean[:, 0] - running_mean)
        running_var += layer.momentum * (unbiased - running_var)

    def backward(dy: Array) -> Any:
        dx = call.room.array("dx", rows.shape, rows.dtype)
        total, along = np.empty_like(scale), np.empty_like(scale)
        for cut in cuts:
            total[cut] = dy[cut].sum(axis=1, keepdims=True)
            along[cut] = (_dots(dy[cut], centred[cut]) + shift[cut] * total[cut]) * scale[cut]
        grads = {"weight": along[:, 0], "bias": total[:, 0]} if "weight" in call.weights else {}
        if call.member.count > 1:
            every = call.member.all(total, along)
            total, along = (sum(found) for found in zip(*every, strict=True))
        slope = -scale * along / count
        for cut in cuts:
            part = np.multiply(centred[cut], slope[cut], out=dx[cut])
            part += dy[cut]
            part += slope[cut] * shift[cut] - total[cut] / count
            part *= scale[cut] * weight[cut]
        return dx, grads

    return backward


@rules(L.LayerNorm)
def layer_norm(placed: Placed) -> Forward:
    layer = placed.layer
    rank = len(placed.in_shape) + 1
    axes = tuple(range(rank - layer.axes, rank))
    others = tuple(range(rank - layer.axes))

    def forward(call: Call) -> tuple[Array, Backward]:
        (x,) = call.inputs
        centred = x - x.mean(axis=axes, keepdims=True)
        scale = 1 / np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + layer.epsilon)
        z = centred * scale
        weight = call.weights.get("weight")

        def backward(dy: Array) -> Any:
            grads = {}
            if weight is not None:
                grads = {"weight": (dy * z).sum(axis=others), "bias": dy.sum(axis=others)}
            dz = dy if weight is None else dy * weight
            along = (dz * z).mean(axis=axes, keepdims=True)
            return (scale * (dz - dz.mean(axis=axes, keepdims=True) - z * along),), grads

        return z if weight is None else z * weight + call.weights["bias"], backward

    return forward
