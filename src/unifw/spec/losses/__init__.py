"""Losses as values. Their formulas stand in ``unifw.formulas.losses`` and ``unifw.measures.losses``.

Every loss is, per sample, the mean over the sample's values, and over a batch the mean over the
samples, weighted if there are weights: ``sum(w * loss) / sum(w)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from unifw.spec.losses.base import Loss, Outputs, Targets
from unifw.spec.losses.classes import (
    CTC,
    NLL,
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalFocal,
    CategoricalHinge,
    CrossEntropy,
    Hinge,
    KLDiv,
    SquaredHinge,
)
from unifw.spec.losses.values import (
    MAE,
    MSE,
    CosineSimilarity,
    Huber,
    LogCosh,
    Poisson,
    SmoothL1,
    Triplet,
)
from unifw.spec.value import named

__all__ = [
    "CATALOGUE",
    "CTC",
    "MAE",
    "MSE",
    "NLL",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalFocal",
    "CategoricalHinge",
    "CosineSimilarity",
    "CrossEntropy",
    "Hinge",
    "Huber",
    "KLDiv",
    "LogCosh",
    "Loss",
    "Outputs",
    "Poisson",
    "SmoothL1",
    "SquaredHinge",
    "Targets",
    "Triplet",
    "loss",
]

_SHORT: Mapping[str, type[Loss]] = MappingProxyType(
    {
        "cross_entropy": CrossEntropy,
        "binary_cross_entropy": BinaryCrossEntropy,
        "nll": NLL,
        "kl_div": KLDiv,
        "focal": CategoricalFocal,
        "binary_focal": BinaryFocal,
        "hinge": Hinge,
        "squared_hinge": SquaredHinge,
        "categorical_hinge": CategoricalHinge,
        "mse": MSE,
        "mae": MAE,
        "huber": Huber,
        "smooth_l1": SmoothL1,
        "log_cosh": LogCosh,
        "poisson": Poisson,
        "cosine_similarity": CosineSimilarity,
        "triplet": Triplet,
        "ctc": CTC,
    }
)

CATALOGUE: Mapping[str, type[Loss]] = MappingProxyType(
    {kind.__name__: kind for kind in _SHORT.values()}
)


def loss(given: Any) -> Loss:
    """Turn ``"cross_entropy"``, ``"mse"`` … or an instance into a loss."""
    result: Loss = named(given, Loss, _SHORT, "loss")
    return result
