"""What the conformance suite runs: layers, losses, optimizers and nets, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unifw import demo, losses, optimizers
from unifw import layers as L
from unifw.testing.cases import activations, arithmetic, basic, merging, noise
from unifw.testing.cases.kinds import ROWS, LayerCase, LossCase

__all__ = [
    "KINKED",
    "LAYERS",
    "LOSSES",
    "OPTIMIZERS",
    "ROWS",
    "SMOOTH",
    "LayerCase",
    "LossCase",
]

LAYERS: tuple[LayerCase, ...] = (
    *basic.CASES,
    *activations.CASES,
    *merging.CASES,
    *noise.CASES,
    *arithmetic.CASES,
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
        "clip-norm": optimizers.SGD(0.05, clip_norm=0.5),
        "clip-norm-adam": optimizers.Adam(clip_norm=0.1),
        "clip-value": optimizers.SGD(0.05, clip_value=0.02),
    }
)

# The curves of all optimizers are those of smooth nets; that of ReLU and MaxPool (full of ties) runs
# at a rate so small that a jump cannot matter.
SMOOTH = demo.NETS
KINKED = demo.lenet(L.ReLU(), L.MaxPool2D(2), "lenet-relu-max-pool")
