"""Layer → ONNX nodes.

A rule takes a ``Writer``, the ``Placed`` and the names of its inputs, and returns that of its output.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unifw.export.onnx_functional import by_formula
from unifw.export.onnx_recurrent import gru, lstm, simple_rnn
from unifw.export.onnx_writer import Writer
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["rules"]

rules = Rules("format 'onnx'")


# ------------------------------------------------------------------------ matrices


@rules(L.Dense)
def dense(w: Writer, placed: Placed, inputs: list[str]) -> str:
    weight = w.weight(placed, "weight")
    if not placed.layer.bias:
        return w.op("MatMul", *inputs, weight)
    bias = w.weight(placed, "bias")
    if len(placed.in_shape) == 1:
        return w.op("Gemm", *inputs, weight, bias)
    return w.op("Add", w.op("MatMul", *inputs, weight), bias)


@rules(L.Embedding)
def embedding(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Gather", w.weight(placed, "weight"), *inputs, axis=0)


# ------------------------------------------------------------------------ windows


def _window(placed: Placed) -> dict[str, Any]:
    window = placed.layer.window
    pads = window.pads(placed.in_shape[1:])
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": [before for before, _ in pads] + [after for _, after in pads],
    }


@rules(L.Conv1D, L.Conv2D, L.Conv3D)
def conv(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer = placed.layer
    parts = [w.weight(placed, part) for part in placed.weights]
    dilations = list(layer.window.dilation)
    return w.op("Conv", *inputs, *parts, group=layer.groups, dilations=dilations, **_window(placed))


@rules(L.SeparableConv1D, L.SeparableConv2D)
def separable_conv(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer, channels = placed.layer, placed.in_shape[0]
    depthwise, *pointwise = (w.weight(placed, part) for part in placed.weights)
    dilations = list(layer.window.dilation)
    y = w.op("Conv", *inputs, depthwise, group=channels, dilations=dilations, **_window(placed))
    return w.op("Conv", y, *pointwise, group=layer.groups, kernel_shape=[1] * layer.axes)


@rules(L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D)
def conv_transpose(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer, crops = placed.layer, placed.layer.crops(placed.in_shape[1:])
    if any(-after >= step for (_, after), step in zip(crops, layer.stride, strict=True)):
        # Outputs added to the end, as many as the stride or more: ONNX Runtime 1.23 reads what it never wrote.
        return by_formula(formulas.find(layer))(w, placed, inputs)
    # The operator wants (channels, filters / groups, *kernel): a constant of its own, as some runtimes read
    # a kernel only from a constant.
    stored = np.asarray(w.weights[placed.weights["weight"]])
    apart = stored.reshape(layer.groups, layer.filters // layer.groups, *stored.shape[1:])
    turned = apart.swapaxes(1, 2).reshape(placed.in_shape[0], -1, *layer.kernel_size)
    bias = [w.weight(placed, "bias")] if layer.bias else []
    return w.op(
        "ConvTranspose", *inputs, w.constant("kernel", turned), *bias, group=layer.groups,
        kernel_shape=list(layer.kernel_size), strides=list(layer.stride),
        dilations=list(layer.dilation), output_padding=[max(-after, 0) for _, after in crops],
        pads=[before for before, _ in crops] + [max(after, 0) for _, after in crops],
    )  # fmt: skip


@rules(L.MaxPool1D, L.MaxPool2D, L.MaxPool3D)
def max_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("MaxPool", *inputs, **_window(placed))


@rules(L.AvgPool1D, L.AvgPool2D, L.AvgPool3D)
def avg_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # All padding is written out, as the operator's own ceil_mode has meant different things; and it is never
    # counted: from opset 19 on, ONNX Runtime 1.23 takes what is after an axis to be as much as before it then,
    # and it makes an operator Pad in front part of the pool.
    y = w.op("AveragePool", *inputs, count_include_pad=0, **_window(placed))
    share = placed.layer.share(placed.in_shape[1:])
    return y if share is None else w.op("Mul", y, w.constant("share", share[None, None]))


@rules(L.GlobalAvgPool)
def global_avg_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Flatten", w.op("GlobalAveragePool", *inputs), axis=1)


@rules(L.GlobalMaxPool)
def global_max_pool(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Flatten", w.op("GlobalMaxPool", *inputs), axis=1)


@rules(L.UpSample1D, L.UpSample2D)
def upsample(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer = placed.layer
    scales = w.constant("scales", [1, 1, *layer.scale])
    if layer.mode == "nearest":
        settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric",
                    "nearest_mode": "floor"}  # fmt: skip
    else:
        corners = "align_corners" if layer.align_corners else "half_pixel"
        settings = {"mode": "linear", "coordinate_transformation_mode": corners}
    return w.op("Resize", *inputs, "", scales, **settings)


# ------------------------------------------------------------------------ normalisation


@rules(L.BatchNorm)
def batch_norm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer, channels = placed.layer, placed.in_shape[0]
    if layer.affine:
        scale = [w.weight(placed, "weight"), w.weight(placed, "bias")]
    else:
        scale = [w.constant("ones", np.ones(channels)), w.constant("zeros", np.zeros(channels))]
    running = [w.weight(placed, "running_mean"), w.weight(placed, "running_var")]
    return w.op("BatchNormalization", *inputs, *scale, *running, epsilon=layer.epsilon)


@rules(L.LayerNorm)
def layer_norm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer, shape = placed.layer, placed.in_shape[-placed.layer.axes :]
    if w.opset >= 17:  # the first with an operator of its own
        scale = (
            [w.weight(placed, "weight"), w.weight(placed, "bias")]
            if layer.affine
            else [w.constant("ones", np.ones(shape))]
        )
        return w.op("LayerNormalization", *inputs, *scale, axis=-layer.axes, epsilon=layer.epsilon)
    axes = list(range(-layer.axes, 0))
    centred = w.op("Sub", *inputs, w.op("ReduceMean", *inputs, axes=axes))
    var = w.op("ReduceMean", w.op("Mul", centred, centred), axes=axes)
    deviation = w.op("Sqrt", w.op("Add", var, w.constant("epsilon", layer.epsilon)))
    y = w.op("Div", centred, deviation)
    if not layer.affine:
        return y
    return w.op("Add", w.op("Mul", y, w.weight(placed, "weight")), w.weight(placed, "bias"))


@rules(L.GroupNorm, L.InstanceNorm)
def group_norm(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # A group is an instance of a longer channel; the operator GroupNormalization is of opset 21.
    layer, (channels, *spatial) = placed.layer, placed.in_shape
    groups = layer.groups if isinstance(layer, L.GroupNorm) else channels
    if groups == channels and layer.affine and spatial:
        parts = [w.weight(placed, part) for part in placed.parts]
        return w.op("InstanceNormalization", *inputs, *parts, epsilon=layer.epsilon)
    rows = w.op("Reshape", *inputs, w.ints("rows", (0, groups, -1)))
    plain = (w.constant("ones", np.ones(groups)), w.constant("zeros", np.zeros(groups)))
    y = w.op("InstanceNormalization", rows, *plain, epsilon=layer.epsilon)
    y = w.op("Reshape", y, w.ints("shape", (0, *placed.out_shape)))
    if not layer.affine:
        return y
    # The weights are stored as they are, and their axes given in the file, so that names match.
    shape = w.ints("per_channel", (channels, *(1 for _ in spatial)))
    weight, bias = (w.op("Reshape", w.weight(placed, part), shape) for part in ("weight", "bias"))
    return w.op("Add", w.op("Mul", y, weight), bias)


@rules(L.Dropout, L.SpatialDropout, L.GaussianNoise)
def noise(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del w, placed  # nothing is dropped or added outside training
    return inputs[0]


# ------------------------------------------------------------------------ recurrence

rules(L.SimpleRNN)(simple_rnn)
rules(L.LSTM)(lstm)
rules(L.GRU)(gru)


# ------------------------------------------------------------------------ moving and joining


@rules(L.Flatten, L.Reshape)
def reshape(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # 0 stands for the axis as it is: the batch.
    return w.op("Reshape", *inputs, w.ints("shape", (0, *placed.out_shape)))


@rules(L.Permute)
def permute(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Transpose", *inputs, perm=[0, *placed.layer.axes])


@rules(L.Pad)
def pad(w: Writer, placed: Placed, inputs: list[str]) -> str:
    pairs = placed.layer.padding
    free = [0] * (len(placed.in_shape) + 1 - len(pairs))
    sides = [*free, *(before for before, _ in pairs), *free, *(after for _, after in pairs)]
    return w.op("Pad", *inputs, w.ints("pads", sides), w.constant("value", placed.layer.value))


@rules(L.Add)
def add(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Sum", *inputs) if len(inputs) > 2 else w.op("Add", *inputs)


@rules(L.Multiply)
def multiply(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    y = inputs[0]
    for x in inputs[1:]:
        y = w.op("Mul", y, x)
    return y


@rules(L.Maximum, L.Minimum, L.Average)
def joined(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op(
        {L.Maximum: "Max", L.Minimum: "Min", L.Average: "Mean"}[type(placed.layer)], *inputs
    )


@rules(L.Max, L.Min)
def reduced(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer = placed.layer
    kind, keepdims = "ReduceMax" if isinstance(layer, L.Max) else "ReduceMin", int(layer.keepdims)
    axes = [place + 1 for place in layer.places(placed.in_shape)]
    if w.opset >= 18:  # from here on the axes are an input
        return w.op(kind, *inputs, w.whole(axes), keepdims=keepdims)
    return w.op(kind, *inputs, axes=axes, keepdims=keepdims)


@rules(L.Abs)
def absolute(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Abs", *inputs)


@rules(L.Clip, L.Hardtanh)
def clip(w: Writer, placed: Placed, inputs: list[str]) -> str:
    layer = placed.layer
    low = "" if layer.min_value is None else w.number(layer.min_value)
    high = () if layer.max_value is None else (w.number(layer.max_value),)
    return w.op("Clip", *inputs, low, *high)


@rules(L.Power)
def power(w: Writer, placed: Placed, inputs: list[str]) -> str:
    exponent = placed.layer.exponent
    known = {0.5: "Sqrt", -1.0: "Reciprocal"}.get(exponent)
    return w.op(known, *inputs) if known else w.op("Pow", *inputs, w.number(exponent))


@rules(L.MatMul)
def matmul(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("MatMul", *inputs)


@rules(L.Concatenate)
def concatenate(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Concat", *inputs, axis=placed.layer.axis)


# ------------------------------------------------------------------------ activations


@rules(L.ReLU, L.Sigmoid, L.Tanh)
def named(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op({L.ReLU: "Relu"}.get(type(placed.layer), type(placed.layer).__name__), *inputs)


@rules(L.PReLU)
def prelu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    if len(placed.in_shape) == 1 or placed.layer.shared:
        return w.op("PRelu", *inputs, w.weight(placed, "weight"))
    # One slope per channel is stored so as to meet the positions, for runtimes that want a constant.
    shape = (-1, *(1,) * (len(placed.in_shape) - 1))
    slopes = w.weights[placed.weights["weight"]].reshape(shape)
    return w.op("PRelu", *inputs, w.constant("slopes", slopes))


@rules(L.ReLU6)
def relu6(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Clip", *inputs, w.number(0.0), w.number(6.0))


@rules(L.SELU)
def selu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Selu", *inputs)


@rules(L.CELU)
def celu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Celu", *inputs, alpha=placed.layer.alpha)


@rules(L.HardSigmoid)
def hard_sigmoid(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("HardSigmoid", *inputs, alpha=placed.layer.slope, beta=placed.layer.offset)


@rules(L.HardSwish)
def hard_swish(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    if w.opset >= 14:  # the first with an operator of its own
        return w.op("HardSwish", *inputs)
    return w.op("Mul", *inputs, w.op("HardSigmoid", *inputs, alpha=1 / 6, beta=0.5))


@rules(L.Softsign)
def softsign(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Softsign", *inputs)


@rules(L.LeakyReLU)
def leaky_relu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("LeakyRelu", *inputs, alpha=placed.layer.negative_slope)


@rules(L.ELU)
def elu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Elu", *inputs, alpha=placed.layer.alpha)


@rules(L.SiLU)
def silu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    del placed
    return w.op("Mul", *inputs, w.op("Sigmoid", *inputs))


@rules(L.GELU)
def gelu(w: Writer, placed: Placed, inputs: list[str]) -> str:
    # Not the operator Gelu (opset 20): MNN 3.6 reads it with an error of 1.4e-4.
    one, half = w.constant("one", 1.0), w.constant("half", 0.5)
    if placed.layer.approximate == "tanh":
        cube = w.op("Mul", w.op("Mul", *inputs, *inputs), *inputs)
        sum_ = w.op("Add", *inputs, w.op("Mul", cube, w.constant("cubic", 0.044715)))
        bent = w.op("Tanh", w.op("Mul", sum_, w.constant("root", math.sqrt(2 / math.pi))))
    else:
        bent = w.op("Erf", w.op("Mul", *inputs, w.constant("root", math.sqrt(1 / 2))))
    return w.op("Mul", w.op("Mul", *inputs, half), w.op("Add", bent, one))


@rules(L.Softmax)
def softmax(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("Softmax", *inputs, axis=placed.layer.axis)


@rules(L.LogSoftmax)
def log_softmax(w: Writer, placed: Placed, inputs: list[str]) -> str:
    return w.op("LogSoftmax", *inputs, axis=placed.layer.axis)


# ------------------------------------------------------------------------ all the rest

rules.adopt(formulas, by_formula)
