"""All formulas in one table; each module puts its own in when it is imported."""

from __future__ import annotations

from unifw.formulas import (
    activations,
    arithmetic,
    attention,
    convolution,
    merging,
    normalisation,
    pooling,
    recurrent,
    reductions,
    resampling,
)
from unifw.formulas.functional import formulas

__all__ = [
    "activations",
    "arithmetic",
    "attention",
    "convolution",
    "formulas",
    "merging",
    "normalisation",
    "pooling",
    "recurrent",
    "reductions",
    "resampling",
]
