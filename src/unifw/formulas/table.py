"""All formulas in one table; each module puts its own in when it is imported."""

from __future__ import annotations

from unifw.formulas import (
    activations,
    attention,
    convolution,
    normalisation,
    pooling,
    recurrent,
    resampling,
)
from unifw.formulas.functional import formulas

__all__ = [
    "activations",
    "attention",
    "convolution",
    "formulas",
    "normalisation",
    "pooling",
    "recurrent",
    "resampling",
]
