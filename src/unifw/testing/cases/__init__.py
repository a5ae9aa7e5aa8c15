"""What the conformance suite runs: layers, losses, optimizers and nets, as data."""

from __future__ import annotations

from unifw import demo, losses
from unifw import layers as L
from unifw.testing.cases import (
    activations,
    attention,
    basic,
    convolution,
    normalisation,
    pooling,
    recurrent,
    upsampling,
)
from unifw.testing.cases.kinds import ROWS, LayerCase, LossCase
from unifw.testing.cases.optimizers import OPTIMIZERS, WHOLE_DATA

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

LAYERS: tuple[LayerCase, ...] = (
    *basic.CASES,
    *activations.CASES,
    *recurrent.CASES,
    *attention.CASES,
    *convolution.CASES,
    *normalisation.CASES,
    *pooling.CASES,
    *upsampling.CASES,
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

# The curves of all optimizers are those of smooth nets; that of ReLU and MaxPool (full of ties) runs
# at a rate so small that a jump cannot matter.
SMOOTH = demo.NETS
KINKED = demo.lenet(L.ReLU(), L.MaxPool2D(2), "lenet-relu-max-pool")
