"""What the conformance suite runs: layers, losses, optimizers and nets, as data."""

from __future__ import annotations

from unifw import demo
from unifw import layers as L
from unifw.testing.cases import (
    activations,
    arithmetic,
    attention,
    basic,
    convolution,
    losses,
    merging,
    noise,
    normalisation,
    pooling,
    recurrent,
    upsampling,
)
from unifw.testing.cases.kinds import ROWS, LayerCase, LossCase
from unifw.testing.cases.optimizers import DEEP, OPTIMIZERS, WHOLE_DATA

__all__ = [
    "DEEP",
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
    *merging.CASES,
    *noise.CASES,
    *arithmetic.CASES,
)

LOSSES: tuple[LossCase, ...] = losses.CASES

# The curves of all optimizers are those of smooth nets; that of ReLU and MaxPool (full of ties) runs
# at a rate so small that a jump cannot matter.
SMOOTH = demo.NETS
KINKED = demo.lenet(L.ReLU(), L.MaxPool2D(2), "lenet-relu-max-pool")
