"""What the conformance suite runs: layers, losses, optimizers and nets, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw import demo, losses, optimizers
from unifw import layers as L
from unifw import schedules as S
from unifw.initializers import Constant
from unifw.spec.graph import Graph, Input
from unifw.spec.initializers import random_state
from unifw.spec.layers import Layer
from unifw.spec.symbol import Symbol

__all__ = [
    "KINKED",
    "LAYERS",
    "LOSSES",
    "OPTIMIZERS",
    "ROWS",
    "SMOOTH",
    "WHOLE_DATA",
    "LayerCase",
    "LossCase",
]

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]

# Rows in every batch of the small cases; not a divisor of anything.
ROWS = 5


@dataclass(frozen=True)
class LayerCase:
    """One layer on inputs of these shapes.

    Attributes
    ----------
    name : str
        What the test is called.
    layer : Layer
        The layer.
    shapes : tuple of shapes
        Of its inputs, without the batch axis.
    values : {"normal", "large", "ties", "zeros", "indices"}
        What the inputs hold: normal numbers, a hundred times them, few different ones (as in real
        images), normal numbers with exact zeros among them, or indices below 7.
    """

    name: str
    layer: Layer
    shapes: tuple[Shape, ...]
    values: str = "normal"

    @cached_property
    def graph(self) -> Graph:
        """The layer alone in a net."""
        dtype = "int" if self.values == "indices" else "float"
        inputs = [Input(shape, dtype) for shape in self.shapes]
        return Graph(inputs, self.layer(*inputs), self.name)

    @cached_property
    def probed(self) -> Graph:
        """The layer with a probe before each input, whose weights' gradient is that of the input.

        A probe adds a table of zeros, looked up by position, so the input's values stay exactly what
        they are (ties stay ties), and each row and position has a weight of its own.
        """
        if self.values == "indices":
            return self.graph
        inputs, probed = [], []
        for number, shape in enumerate(self.shapes):
            x, at = Input(shape), Input(shape, "int")
            inputs += [x, at]
            probed.append(L.Add()(x, _probe(f"probe_{number}", shape)(at)))
        return Graph(inputs, self.layer(*probed), self.name)

    def inputs(self) -> tuple[Array, ...]:
        """Return ROWS rows for each input."""
        return tuple(_draw(self.values, shape, self.name, i) for i, shape in enumerate(self.shapes))

    def probed_inputs(self) -> tuple[Array, ...]:
        """Return the inputs, each followed by the positions for its probe."""
        if self.values == "indices":
            return self.inputs()
        return tuple(array for x in self.inputs() for array in (x, _positions(x.shape)))


@dataclass(frozen=True)
class LossCase:
    """One loss on outputs of this shape and given targets."""

    name: str
    loss: losses.Loss
    shape: Shape
    targets: str = "normal"
    scale: float = 1.0

    @cached_property
    def graph(self) -> Graph:
        """A net whose output is its input, with a probe that holds the gradient of the output."""
        x, at = Input(self.shape), Input(self.shape, "int")
        return Graph([x, at], L.Add()(x, _probe("probe", self.shape)(at)), self.name)

    def inputs(self) -> tuple[Array, ...]:
        """Return the outputs that are judged, and the positions for the probe."""
        x = random_state("loss", self.name).standard_normal((ROWS, *self.shape)) * self.scale
        return x.astype(np.float32), _positions(x.shape)

    def target(self) -> Any:
        """Return the targets."""
        draw = random_state("target", self.name)
        if self.targets == "equal":  # half of the outputs are exactly right
            x = self.inputs()[0].reshape(-1).copy()
            x[::2] = draw.standard_normal(x[::2].size)
            return x.reshape(ROWS, *self.shape)
        if self.targets == "normal":
            return draw.standard_normal((ROWS, *self.shape)).astype(np.float32)
        if self.targets == "shares":
            return draw.random_sample((ROWS, *self.shape)).astype(np.float32)
        axis = getattr(self.loss, "axis", 1)
        classes = (ROWS, *self.shape)[axis]
        if self.targets == "probabilities":
            values = draw.random_sample((ROWS, *self.shape)) + 0.1
            return (values / values.sum(axis=axis, keepdims=True)).astype(np.float32)
        rest = [ROWS, *self.shape]
        del rest[axis]
        return draw.randint(0, classes, rest).astype(self.targets)


def _probe(name: str, shape: Shape) -> Layer | _Chain:
    table = L.Embedding(ROWS * prod(shape), 1, weight_init=Constant(0.0), name=name)
    return _Chain((table, L.Reshape(shape)))


@dataclass(frozen=True)
class _Chain:
    layers: tuple[Layer, ...]

    def __call__(self, symbol: Symbol) -> Symbol:
        for layer in self.layers:
            symbol = layer(symbol)
        return symbol


def _positions(shape: Shape) -> Array:
    return np.arange(prod(shape), dtype=np.int64).reshape(shape)


def _draw(values: str, shape: Shape, *key: object) -> Array:
    draw = random_state("case", *key)
    size = (ROWS, *shape)
    if values == "indices":
        return draw.randint(0, 7, size).astype(np.int64)
    if values == "large":
        return (draw.standard_normal(size) * 100).astype(np.float32)
    if values == "ties":
        return draw.randint(-2, 3, size).astype(np.float32)
    x = draw.standard_normal(size).astype(np.float32)
    if values == "zeros":
        x[draw.random_sample(size) < 0.3] = 0
    return x


def _unary(name: str, layer: Layer, shape: Shape, values: str = "normal") -> LayerCase:
    return LayerCase(name, layer, (shape,), values)


_IMAGE = (4, 7, 6)
_SERIES = (4, 11)

LAYERS: tuple[LayerCase, ...] = (
    _unary("dense", L.Dense(3), (6,)),
    _unary("dense-no-bias", L.Dense(3, bias=False), (6,)),
    _unary("dense-more-axes", L.Dense(3), (2, 5, 6)),
    _unary("embedding", L.Embedding(7, 3), (4,), "indices"),
    _unary("embedding-more-axes", L.Embedding(7, 3), (2, 4), "indices"),
    _unary("conv1d", L.Conv1D(3, 3), _SERIES),
    _unary("conv1d-same-stride", L.Conv1D(3, 4, stride=2, padding="same"), _SERIES),
    _unary("conv1d-dilated", L.Conv1D(3, 3, dilation=2, padding=((3, 1),)), _SERIES),
    _unary("conv1d-groups", L.Conv1D(6, 3, groups=2, padding=1, bias=False), _SERIES),
    _unary("conv2d", L.Conv2D(3, 3), _IMAGE),
    _unary("conv2d-pointwise", L.Conv2D(3, 1), _IMAGE),
    _unary("conv2d-same", L.Conv2D(3, 3, padding="same"), _IMAGE),
    _unary("conv2d-same-even", L.Conv2D(3, (2, 4), padding="same"), _IMAGE),
    _unary("conv2d-same-stride", L.Conv2D(3, 3, stride=2, padding="same"), _IMAGE),
    _unary("conv2d-same-dilated", L.Conv2D(3, 3, dilation=2, padding="same"), _IMAGE),
    _unary("conv2d-stride-dilation", L.Conv2D(3, (2, 3), (2, 1), (1, 2), dilation=(1, 2)), _IMAGE),
    _unary("conv2d-pairs", L.Conv2D(3, 3, padding=((2, 0), (1, 3))), _IMAGE),
    _unary("conv2d-stride-beyond-kernel", L.Conv2D(3, 2, stride=3), _IMAGE),
    _unary("conv2d-groups", L.Conv2D(6, 3, groups=2, padding=1, bias=False), _IMAGE),
    _unary("conv2d-depthwise", L.Conv2D(4, 3, groups=4, padding=1), _IMAGE),
    _unary("conv2d-depthwise-multiplied", L.Conv2D(8, 3, groups=4), _IMAGE),
    _unary("conv2d-padded-beyond-reach", L.Conv2D(3, 2, 1, ((2, 3), (1, 0))), _IMAGE),
    _unary("conv2d-strided-dilated", L.Conv2D(3, (3, 2), (2, 3), 1, dilation=(1, 2)), _IMAGE),
    _unary("conv2d-many-filters", L.Conv2D(16, 3, padding="same"), _IMAGE),
    _unary("max-pool1d", L.MaxPool1D(2), _SERIES, "ties"),
    _unary("max-pool1d-same", L.MaxPool1D(3, 2, "same"), _SERIES, "ties"),
    _unary("max-pool2d", L.MaxPool2D(2), _IMAGE, "ties"),
    _unary("max-pool2d-overlapping", L.MaxPool2D(3, 2, 1), _IMAGE, "ties"),
    _unary("max-pool2d-same", L.MaxPool2D((2, 3), 2, "same"), _IMAGE, "ties"),
    _unary("max-pool2d-pairs", L.MaxPool2D(3, 1, ((2, 0), (0, 1))), _IMAGE, "ties"),
    _unary("avg-pool1d", L.AvgPool1D(2), _SERIES),
    _unary("avg-pool1d-same", L.AvgPool1D(3, 2, "same"), _SERIES),
    _unary("avg-pool2d", L.AvgPool2D(2), _IMAGE),
    _unary("avg-pool2d-padded", L.AvgPool2D(3, 2, 1), _IMAGE),
    _unary("avg-pool2d-same", L.AvgPool2D((2, 3), 2, "same"), _IMAGE),
    _unary("avg-pool2d-pairs", L.AvgPool2D(3, 1, ((2, 0), (0, 1))), _IMAGE),
    _unary("global-avg-pool", L.GlobalAvgPool(), _IMAGE),
    _unary("global-avg-pool-1d", L.GlobalAvgPool(), _SERIES),
    _unary("global-max-pool", L.GlobalMaxPool(), _IMAGE, "ties"),
    _unary("global-max-pool-1d", L.GlobalMaxPool(), _SERIES, "ties"),
    _unary("batch-norm-vector", L.BatchNorm(), (6,)),
    _unary("batch-norm-series", L.BatchNorm(), _SERIES),
    _unary("batch-norm-image", L.BatchNorm(), _IMAGE),
    _unary("batch-norm-volume", L.BatchNorm(), (3, 2, 4, 3)),
    _unary("batch-norm-options", L.BatchNorm(0.3, 1e-2), _IMAGE),
    _unary("batch-norm-plain", L.BatchNorm(affine=False), _IMAGE),
    _unary("layer-norm", L.LayerNorm(), (3, 6)),
    _unary("layer-norm-vector", L.LayerNorm(), (6,)),
    _unary("layer-norm-axes", L.LayerNorm(3, 1e-3), _IMAGE),
    _unary("layer-norm-plain", L.LayerNorm(2, affine=False), _IMAGE),
    _unary("dropout", L.Dropout(0.3), (6, 4)),
    _unary("dropout-zero", L.Dropout(0.0), (6,)),
    _unary("flatten", L.Flatten(), _IMAGE),
    _unary("flatten-vector", L.Flatten(), (6,)),
    _unary("reshape", L.Reshape((6, -1)), _IMAGE),
    _unary("reshape-vector", L.Reshape((-1,)), _IMAGE),
    _unary("permute", L.Permute((2, 1)), _SERIES),
    _unary("permute-image", L.Permute((2, 3, 1)), _IMAGE),
    _unary("pad", L.Pad(((1, 2), (0, 3))), _IMAGE),
    _unary("pad-value", L.Pad(((2, 1), (0, 0), (1, 0)), 0.5), _IMAGE),
    _unary("pad-series", L.Pad(((3, 1),)), _SERIES),
    LayerCase("add", L.Add(), (_IMAGE, _IMAGE)),
    LayerCase("add-three", L.Add(), ((6,), (6,), (6,))),
    LayerCase("add-stretched", L.Add(), (_IMAGE, (4, 1, 1), (1, 7, 6))),
    LayerCase("multiply", L.Multiply(), (_IMAGE, _IMAGE)),
    LayerCase("multiply-three", L.Multiply(), ((6,), (6,), (6,)), "zeros"),
    LayerCase("multiply-stretched", L.Multiply(), (_IMAGE, (4, 1, 1))),
    LayerCase("concatenate", L.Concatenate(), (_IMAGE, (2, 7, 6), (1, 7, 6))),
    LayerCase("concatenate-last", L.Concatenate(-1), (_SERIES, (4, 2))),
    LayerCase("concatenate-middle", L.Concatenate(2), (_IMAGE, (4, 3, 6))),
    _unary("relu", L.ReLU(), (6, 4), "zeros"),
    _unary("leaky-relu", L.LeakyReLU(), (6, 4), "zeros"),
    _unary("leaky-relu-slope", L.LeakyReLU(0.3), (6, 4)),
    _unary("elu", L.ELU(), (6, 4), "zeros"),
    _unary("elu-alpha", L.ELU(0.7), (6, 4)),
    _unary("gelu", L.GELU(), (6, 4)),
    _unary("gelu-tanh", L.GELU("tanh"), (6, 4)),
    _unary("silu", L.SiLU(), (6, 4)),
    _unary("sigmoid", L.Sigmoid(), (6, 4)),
    _unary("tanh", L.Tanh(), (6, 4)),
    _unary("softmax", L.Softmax(), (6, 4)),
    _unary("softmax-axis", L.Softmax(1), _IMAGE),
    _unary("log-softmax", L.LogSoftmax(), (6, 4)),
    _unary("softmax-large", L.Softmax(), (6, 4), "large"),
    _unary("log-softmax-large", L.LogSoftmax(), (6, 4), "large"),
    _unary("log-softmax-axis", L.LogSoftmax(2), _IMAGE),
)

LOSSES: tuple[LossCase, ...] = (
    LossCase("cross-entropy", losses.CrossEntropy(), (4,), "int64"),
    LossCase("cross-entropy-int32", losses.CrossEntropy(), (4,), "int32"),
    LossCase("cross-entropy-smoothed", losses.CrossEntropy(0.2), (4,), "int64"),
    LossCase("cross-entropy-probabilities", losses.CrossEntropy(), (4,), "probabilities"),
    LossCase(
        "cross-entropy-probabilities-smoothed", losses.CrossEntropy(0.2), (4,), "probabilities"
    ),
    LossCase("cross-entropy-image", losses.CrossEntropy(), (4, 3, 2), "int64"),
    LossCase("cross-entropy-image-probabilities", losses.CrossEntropy(), (4, 3), "probabilities"),
    LossCase("cross-entropy-last-axis", losses.CrossEntropy(axis=-1), (3, 4), "int64"),
    LossCase("cross-entropy-last-axis-smoothed", losses.CrossEntropy(0.1, -1), (3, 4), "int64"),
    LossCase("cross-entropy-large-logits", losses.CrossEntropy(), (4,), "int64", scale=100),
    LossCase("binary-cross-entropy", losses.BinaryCrossEntropy(), (1,), "shares"),
    LossCase("binary-cross-entropy-labels", losses.BinaryCrossEntropy(), (3, 2), "shares"),
    LossCase("binary-cross-entropy-large-logits", losses.BinaryCrossEntropy(), (3,), "shares", 100),
    LossCase("binary-cross-entropy-zero-logits", losses.BinaryCrossEntropy(), (3,), "shares", 0),
    LossCase("mse", losses.MSE(), (1,)),
    LossCase("mse-image", losses.MSE(), (2, 3, 4)),
    LossCase("mae", losses.MAE(), (4,)),
    LossCase("mae-exact", losses.MAE(), (4,), "equal"),
    LossCase("huber", losses.Huber(), (4,)),
    LossCase("huber-delta", losses.Huber(0.3), (2, 3)),
)

OPTIMIZERS: Mapping[str, optimizers.Optimizer] = MappingProxyType(
    {
        "sgd": optimizers.SGD(),
        "sgd-momentum": optimizers.SGD(0.01, 0.9),
        "sgd-nesterov": optimizers.SGD(0.01, 0.9, nesterov=True),
        "sgd-decay": optimizers.SGD(0.01, 0.8, weight_decay=0.05),
        "adam": optimizers.Adam(),
        "adam-options": optimizers.Adam(5e-4, 0.8, 0.95, 1e-3, 0.01),
        "adam-amsgrad": optimizers.Adam(amsgrad=True),
        "adamw": optimizers.AdamW(),
        "adamw-options": optimizers.AdamW(5e-4, 0.8, 0.95, 1e-3, 0.1),
        # At its default rate of 0.01 RMSprop's first steps are 0.1 per weight: the loss jumps about,
        # and rounding is amplified by 1e6 within 60 steps, on NumPy alone.
        "rmsprop": optimizers.RMSprop(1e-3),
        "rmsprop-options": optimizers.RMSprop(5e-4, 0.9, 1e-3, 0.8, weight_decay=0.01),
        "rmsprop-centered": optimizers.RMSprop(5e-4, 0.9, 1e-3, centered=True),
        "rmsprop-centered-momentum": optimizers.RMSprop(5e-4, 0.9, 1e-3, 0.5, centered=True),
        "adagrad": optimizers.Adagrad(),
        "adagrad-options": optimizers.Adagrad(0.005, 1e-2, 0.01),
        "adadelta": optimizers.Adadelta(),
        "adadelta-options": optimizers.Adadelta(0.5, 0.95, 1e-4, 0.01),
        "adamax": optimizers.Adamax(),
        "adamax-options": optimizers.Adamax(1e-3, 0.8, 0.95, 1e-3, 0.01),
        "nadam": optimizers.NAdam(),
        "nadam-options": optimizers.NAdam(1e-3, 0.8, 0.95, 1e-3, 0.01, 0.1),
        "radam": optimizers.RAdam(),
        # It begins to divide in its fourth step already.
        "radam-options": optimizers.RAdam(5e-4, 0.8, 0.95, 1e-3, 0.01),
        "lamb": optimizers.Lamb(),
        "lamb-options": optimizers.Lamb(5e-4, 0.8, 0.95, 1e-3, 0.1),
        "lion": optimizers.Lion(),
        "lion-options": optimizers.Lion(5e-5, 0.8, 0.95, 0.1),
        "ftrl": optimizers.Ftrl(),
        "ftrl-options": optimizers.Ftrl(0.05, 0.5, 1e-3, 1e-2, 0.3),
        "clip-norm": optimizers.SGD(0.05, clip_norm=0.5),
        "clip-norm-adam": optimizers.Adam(clip_norm=0.1),
        "momentum-warmup": optimizers.SGD(S.Warmup(S.InverseSqrt(0.02, 20), 15, 0.001), 0.9),
        "adam-restarts": optimizers.Adam(S.CosineRestarts(1e-3, 12, 2, 1e-4, 0.5)),
        "adamw-cosine": optimizers.AdamW(S.CosineDecay(1e-3, 60, 1e-4), weight_decay=0.5),
        "adagrad-steps": optimizers.Adagrad(S.StepDecay(0.01, 30, 0.5)),
        "rmsprop-one-cycle": optimizers.RMSprop(S.OneCycle(1e-3, 90), momentum=0.5),
        "adamw-groups": optimizers.AdamW(
            weight_decay=0.5,
            groups=(optimizers.Group("*.bias", 0.5, 0.0), optimizers.Group("*_1.*", 2.0)),
        ),
        "momentum-accumulate": optimizers.SGD(0.02, 0.9, accumulate=3, clip_norm=0.5),
        "everything": optimizers.Adam(
            S.CosineDecay(1e-3, 30),
            weight_decay=0.01,
            accumulate=3,
            ema=0.9,
            clip_norm=0.5,
            groups=(optimizers.Group("*.weight", 0.5),),
        ),
        "clip-value": optimizers.SGD(0.05, clip_value=0.02),
    }
)

# Those that take all rows in each step.
WHOLE_DATA: Mapping[str, optimizers.Optimizer] = MappingProxyType(
    {
        "lbfgs": optimizers.LBFGS(),
        "lbfgs-options": optimizers.LBFGS(S.ExponentialDecay(0.5, 0.9), 3, evaluations=4, ema=0.8),
        "lbfgs-plain": optimizers.LBFGS(0.5, line_search="none"),
    }
)

# The curves of all optimizers are those of smooth nets; that of ReLU and MaxPool (full of ties) runs
# at a rate so small that a jump cannot matter.
SMOOTH = demo.NETS
KINKED = demo.lenet(L.ReLU(), L.MaxPool2D(2), "lenet-relu-max-pool")
