"""Layers and nets that are frozen, regularized or constrained, for the conformance suite."""

from __future__ import annotations

from unifw import layers as L
from unifw.constraints import MaxNorm, NonNeg, UnitNorm
from unifw.regularizers import L1, L1L2, L2
from unifw.spec.graph import Sequential
from unifw.testing.cases import LAYERS, LayerCase

__all__ = ["FROZEN_MIDDLE", "HELD", "HELD_NET"]

_IMAGE = (4, 7, 6)
_SERIES = (4, 11)


def _unary(name: str, layer: L.Layer, shape: tuple[int, ...], values: str = "normal") -> LayerCase:
    return LayerCase(name, layer, (shape,), values)


_FIRST = {type(case.layer): case for case in reversed(LAYERS)}
# Every layer with weights, frozen; behind the probes, so a gradient goes through it.
FROZEN = tuple(
    LayerCase(f"{case.name}-still", case.layer.replace(trainable=False), case.shapes, case.values)
    for case in _FIRST.values()
    if any(placed.parts for placed in case.graph)
)

HELD: tuple[LayerCase, ...] = (
    *FROZEN,
    _unary(
        "lstm-held",
        L.LSTM(
            3,
            weight_regularizer="l2",
            recurrent_regularizer=L1(0.1),
            bias_regularizer=L2(0.2),
            recurrent_constraint=MaxNorm(0.5),
            bias_constraint="non_neg",
        ),
        (4, 5),
    ),
    _unary(
        "gru-held",
        L.GRU(3, bidirectional=True, weight_constraint="unit_norm", recurrent_regularizer="l2"),
        (4, 5),
    ),
    _unary(
        "attention-held",
        L.MultiHeadAttention(2, weight_regularizer="l2", weight_constraint=MaxNorm(0.6)),
        (4, 6),
    ),
    _unary("positions-held", L.PositionalEmbedding(5, weight_constraint=MaxNorm(0.1)), (4, 6)),
    _unary("prelu-held", L.PReLU(weight_regularizer="l1", weight_constraint="non_neg"), (4, 6)),
    _unary("dense-l1", L.Dense(3, weight_regularizer="l1", bias_regularizer=L1(0.3)), (6,)),
    _unary("dense-l2", L.Dense(3, weight_regularizer="l2", bias_regularizer=L2(0.3)), (6,)),
    _unary(
        "dense-l1-at-zero",
        L.Dense(3, weight_regularizer=L1(0.5), weight_init="zeros", name="probe_weight"),
        (6,),
    ),
    _unary("dense-l1-l2", L.Dense(3, weight_regularizer=L1L2(0.2, 0.3)), (2, 6)),
    _unary(
        "dense-max-norm",
        L.Dense(3, weight_constraint=MaxNorm(0.5), bias_constraint=MaxNorm(0.2)),
        (6,),
    ),
    _unary("dense-max-norm-axis", L.Dense(3, weight_constraint=MaxNorm(0.6, -1)), (6,)),
    _unary("dense-max-norm-beyond-reach", L.Dense(3, weight_constraint=MaxNorm(1e3)), (6,)),
    _unary(
        "dense-non-neg", L.Dense(3, weight_constraint="non_neg", bias_constraint=NonNeg()), (6,)
    ),
    _unary(
        "dense-unit-norm",
        L.Dense(3, weight_constraint="unit_norm", bias_constraint=UnitNorm()),
        (6,),
    ),
    _unary("dense-unit-norm-whole", L.Dense(3, weight_constraint=UnitNorm((0, 1))), (6,)),
    _unary(
        "dense-frozen-held",
        L.Dense(3, weight_regularizer="l2", weight_constraint="unit_norm", trainable=False),
        (6,),
    ),
    _unary("dense-frozen", L.Dense(3, trainable=False), (6,)),
    _unary("embedding-l2", L.Embedding(7, 3, weight_regularizer=L2(0.1)), (4,), "indices"),
    _unary("embedding-unit-norm", L.Embedding(7, 3, weight_constraint=UnitNorm()), (4,), "indices"),
    _unary(
        "embedding-max-norm", L.Embedding(7, 3, weight_constraint=MaxNorm(0.7, 0)), (4,), "indices"
    ),
    _unary("embedding-frozen", L.Embedding(7, 3, trainable=False), (4,), "indices"),
    _unary(
        "conv2d-held",
        L.Conv2D(
            3,
            3,
            padding=1,
            weight_regularizer=L1L2(0.1, 0.2),
            bias_regularizer="l1",
            weight_constraint=MaxNorm(0.8),
            bias_constraint="non_neg",
        ),
        _IMAGE,
    ),
    _unary(
        "conv2d-groups-unit-norm",
        L.Conv2D(6, 3, groups=2, weight_constraint=UnitNorm(), weight_regularizer="l2"),
        _IMAGE,
    ),
    _unary(
        "conv2d-max-norm-axis", L.Conv2D(3, 3, weight_constraint=MaxNorm(0.4, axis=(2, 3))), _IMAGE
    ),
    _unary(
        "conv1d-held",
        L.Conv1D(3, 3, weight_regularizer="l2", weight_constraint=UnitNorm()),
        _SERIES,
    ),
    _unary("conv2d-frozen", L.Conv2D(3, 3, padding=1, trainable=False), _IMAGE),
    _unary("conv1d-frozen", L.Conv1D(3, 3, trainable=False), _SERIES),
    _unary("batch-norm-frozen", L.BatchNorm(trainable=False), _IMAGE),
    _unary("batch-norm-frozen-vector", L.BatchNorm(trainable=False), (6,)),
    _unary("batch-norm-frozen-plain", L.BatchNorm(affine=False, trainable=False), _SERIES),
    _unary("layer-norm-frozen", L.LayerNorm(trainable=False), (3, 6)),
)

FROZEN_MIDDLE = Sequential(
    [
        L.Conv2D(4, 3, name="first"),
        L.BatchNorm(),
        L.ELU(),
        L.Conv2D(5, 2, name="still_conv"),
        L.BatchNorm(name="still_norm"),
        L.ELU(),
        L.Flatten(),
        L.Dense(12, name="still_dense"),
        L.Tanh(),
        L.Dense(10, name="last"),
    ],
    input_shape=(1, 8, 8),
    name="frozen-middle",
).frozen("still*")

HELD_NET = Sequential(
    [
        L.Conv2D(
            6,
            3,
            weight_regularizer=L2(0.01),
            weight_constraint=MaxNorm(0.7),
            bias_regularizer=L1(0.01),
        ),
        L.ELU(),
        L.AvgPool2D(2),
        L.Flatten(),
        L.Dense(16, weight_constraint=NonNeg(), bias_constraint=MaxNorm(0.01)),
        L.Tanh(),
        L.Dense(10, weight_regularizer=L1L2(1e-3, 1e-2), weight_constraint=UnitNorm()),
    ],
    input_shape=(1, 8, 8),
    name="held",
)
