"""The catalogue of layers; everything here is a description, and no framework is needed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unifw.spec.layers.activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from unifw.spec.layers.adaptive import (
    AdaptiveAvgPool1D,
    AdaptiveAvgPool2D,
    AdaptiveAvgPool3D,
    AdaptiveMaxPool1D,
    AdaptiveMaxPool2D,
    AdaptiveMaxPool3D,
)
from unifw.spec.layers.attention import (
    MultiHeadAttention,
    PositionalEmbedding,
    SinusoidalPositions,
)
from unifw.spec.layers.base import Layer, Part
from unifw.spec.layers.conv import Conv1D, Conv2D, Conv3D
from unifw.spec.layers.dense import Dense, Embedding
from unifw.spec.layers.merge import Add, Concatenate, Multiply
from unifw.spec.layers.norm import (
    BatchNorm,
    Dropout,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
)
from unifw.spec.layers.pool import (
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
)
from unifw.spec.layers.recurrent import GRU, LSTM, SimpleRNN
from unifw.spec.layers.reshape import Flatten, Pad, Permute, Reshape
from unifw.spec.layers.separable import SeparableConv1D, SeparableConv2D
from unifw.spec.layers.transposed import ConvTranspose1D, ConvTranspose2D, ConvTranspose3D
from unifw.spec.layers.upsample import UpSample1D, UpSample2D

__all__ = [
    "CATALOGUE",
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "AdaptiveAvgPool1D",
    "AdaptiveAvgPool2D",
    "AdaptiveAvgPool3D",
    "AdaptiveMaxPool1D",
    "AdaptiveMaxPool2D",
    "AdaptiveMaxPool3D",
    "Add",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNorm",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "ConvTranspose3D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "Mish",
    "MultiHeadAttention",
    "Multiply",
    "Pad",
    "Part",
    "Permute",
    "PositionalEmbedding",
    "RMSNorm",
    "ReLU",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "SinusoidalPositions",
    "Softmax",
    "Tanh",
    "UpSample1D",
    "UpSample2D",
]

CATALOGUE: Mapping[str, type[Layer]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            Dense,
            Embedding,
            Conv1D,
            Conv2D,
            Conv3D,
            ConvTranspose1D,
            ConvTranspose2D,
            ConvTranspose3D,
            SeparableConv1D,
            SeparableConv2D,
            MaxPool1D,
            MaxPool2D,
            MaxPool3D,
            AvgPool1D,
            AvgPool2D,
            AvgPool3D,
            AdaptiveMaxPool1D,
            AdaptiveMaxPool2D,
            AdaptiveMaxPool3D,
            AdaptiveAvgPool1D,
            AdaptiveAvgPool2D,
            AdaptiveAvgPool3D,
            GlobalAvgPool,
            GlobalMaxPool,
            UpSample1D,
            UpSample2D,
            BatchNorm,
            LayerNorm,
            RMSNorm,
            GroupNorm,
            InstanceNorm,
            Dropout,
            SimpleRNN,
            LSTM,
            GRU,
            MultiHeadAttention,
            PositionalEmbedding,
            SinusoidalPositions,
            Flatten,
            Reshape,
            Permute,
            Pad,
            Add,
            Multiply,
            Concatenate,
            ReLU,
            LeakyReLU,
            ELU,
            GELU,
            SiLU,
            Mish,
            Sigmoid,
            Tanh,
            Softmax,
            LogSoftmax,
        )
    }
)
