"""Layer → ONNX nodes that MNN 3.6 computes right: unifw's own but for those that it gets wrong."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from unifw.export.mnn_recurrent import recurrent
from unifw.export.onnx_functional import OnnxFunctional, Value, by_formula
from unifw.export.onnx_rules import rules as onnx
from unifw.export.onnx_writer import Writer
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["rules"]

rules = Rules("format 'mnn'")


class MnnFunctional(OnnxFunctional):
    """The operations; see ``Functional``, whose words they are."""

    def softplus(self, x: Value) -> Value:
        # Its own overflows.
        return x.op("Relu") + ((-x.op("Abs")).op("Exp") + 1.0).op("Log")


@rules(L.Softplus, L.LogSigmoid, L.Mish, L.Average, L.MatMul, L.ConvTranspose3D, L.UpSample1D)
def formula(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return by_formula(formulas.find(placed.layer), MnnFunctional)(w, placed, inputs)


@rules(L.Conv1D, L.SeparableConv1D, L.ConvTranspose1D)
def conv_1d(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # It leaves an axis of size 1 at the end.
    y = onnx.find(placed.layer)(w, placed, inputs)
    return w.op("Reshape", y, w.whole((-1, *placed.out_shape)))


@rules(L.MaxPool3D, L.AvgPool3D)
def pool_3d(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # Its own crash. A pool of images, and then one along the first axis, all others side by side.
    layer, (channels, depth, *image), out = placed.layer, placed.in_shape, placed.out_shape
    window, (ends, *sides) = layer.window, layer.window.pads(placed.in_shape[1:])
    is_mean = isinstance(layer, L.AvgPool3D)

    def pooled(x: str, shape: tuple[int, ...], kernel: Any, stride: Any, pads: Any) -> str:
        settings = {
            "kernel_shape": list(kernel), "strides": list(stride),
            "pads": [before for before, _ in pads] + [after for _, after in pads],
        }  # fmt: skip
        kind = "AveragePool" if is_mean else "MaxPool"
        return w.op(kind, w.op("Reshape", x, w.whole((-1, *shape))), **settings)

    shape = (channels * depth, *image)
    y = pooled(inputs[0], shape, window.kernel[1:], window.stride[1:], sides)
    shape = (channels, depth, math.prod(out[2:]))
    y = pooled(y, shape, (window.kernel[0], 1), (window.stride[0], 1), (ends, (0, 0)))
    y = w.op("Reshape", y, w.whole((-1, *out)))
    share = layer.share(placed.in_shape[1:]) if is_mean else None
    return y if share is None else w.op("Mul", y, w.constant("share", share[None, None]))


@rules(L.GlobalAvgPool, L.GlobalMaxPool)
def global_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # That of volumes crashes now and then.
    if len(placed.in_shape) == 4:
        channels, *first, last = placed.in_shape
        inputs = [w.op("Reshape", *inputs, w.whole((-1, channels, math.prod(first), last)))]
    y: str = onnx.find(placed.layer)(w, placed, inputs)
    return y


@rules(L.RMSNorm)
def rms_norm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    y = by_formula(formulas.find(placed.layer))(w, placed, inputs)
    if placed.layer.affine:
        return y
    # Its converter takes whatever is multiplied next for the weights, and reads beyond its end.
    return w.op("Mul", y, w.constant("ones", np.ones(placed.in_shape[-placed.layer.axes :])))


rules(L.LSTM)(recurrent("LSTM", 3))
rules(L.GRU)(recurrent("GRU", 2, linear_before_reset=1))


@rules(L.SimpleRNN)
def simple_rnn(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # It takes any activation for tanh.
    if placed.layer.activation != "tanh":
        return formula(w, placed, inputs)
    return recurrent("RNN", 2)(w, placed, inputs)


@rules(L.Add, L.Maximum, L.Minimum)
def joined(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # Two by two; its own operators stretch no more than that.
    kind = {L.Add: "Add", L.Maximum: "Max", L.Minimum: "Min"}[type(placed.layer)]
    return functools.reduce(lambda x, y: w.op(kind, x, y), inputs)


rules.adopt(onnx, lambda rule: rule)
