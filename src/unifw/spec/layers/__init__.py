"""The catalogue of layers; everything here is a description, and no framework is needed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unifw.spec.layers.activation import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    HardSigmoid,
    HardSwish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from unifw.spec.layers.base import Layer, Part
from unifw.spec.layers.conv import Conv1D, Conv2D
from unifw.spec.layers.dense import Dense, Embedding
from unifw.spec.layers.merge import Add, Concatenate, Multiply
from unifw.spec.layers.norm import BatchNorm, Dropout, LayerNorm
from unifw.spec.layers.pool import (
    AvgPool1D,
    AvgPool2D,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
)
from unifw.spec.layers.reshape import Flatten, Pad, Permute, Reshape

__all__ = [
    "CATALOGUE",
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Add",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Hardtanh",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "MaxPool1D",
    "MaxPool2D",
    "Mish",
    "Multiply",
    "PReLU",
    "Pad",
    "Part",
    "Permute",
    "ReLU",
    "ReLU6",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]

CATALOGUE: Mapping[str, type[Layer]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            Dense,
            Embedding,
            Conv1D,
            Conv2D,
            MaxPool1D,
            MaxPool2D,
            AvgPool1D,
            AvgPool2D,
            GlobalAvgPool,
            GlobalMaxPool,
            BatchNorm,
            LayerNorm,
            Dropout,
            Flatten,
            Reshape,
            Permute,
            Pad,
            Add,
            Multiply,
            Concatenate,
            ReLU,
            LeakyReLU,
            PReLU,
            ReLU6,
            Hardtanh,
            ELU,
            SELU,
            CELU,
            GELU,
            SiLU,
            Mish,
            HardSigmoid,
            HardSwish,
            Softplus,
            Softsign,
            Sigmoid,
            LogSigmoid,
            Tanh,
            Softmax,
            LogSoftmax,
            GLU,
        )
    }
)
