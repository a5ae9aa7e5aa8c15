"""Losses as values. Their formulas in NumPy stand in ``unifw.measures.losses``.

Every loss is, per sample, the mean over the sample's values, and over a batch the mean over the
samples, weighted if there are weights: ``sum(w * loss) / sum(w)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from unifw.spec import check
from unifw.spec.value import Value, named

__all__ = [
    "CATALOGUE",
    "MAE",
    "MSE",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "Loss",
    "loss",
]


@dataclass(frozen=True, repr=False)
class Loss(Value):
    """Base of all losses."""

    family: ClassVar[str] = "loss"
    logits: ClassVar[bool] = False


@dataclass(frozen=True, repr=False)
class CrossEntropy(Loss):
    """``-sum(t * log_softmax(logits))`` over the classes.

    Parameters
    ----------
    label_smoothing : float
        ``e`` in ``t = (1 - e) * onehot + e / classes``, in [0, 1); default 0.
    axis : int
        The class axis, the batch being 0; default 1, as for ``(n, classes)`` and
        ``(n, classes, height, width)``; -1 for ``(n, time, classes)``.

    Notes
    -----
    Targets are class numbers, or probabilities (one-hot) in the shape of the logits.
    """

    logits = True

    label_smoothing: float = 0.0
    axis: int = 1

    def __post_init__(self) -> None:
        smoothing = check.number("label_smoothing", self.label_smoothing, least=0, below=1)
        self.normalise(label_smoothing=smoothing)
        if not isinstance(self.axis, int) or isinstance(self.axis, bool) or self.axis == 0:
            raise self.refuse(f"axis must be a whole number other than 0, got {self.axis!r}")


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(Loss):
    """``max(x, 0) - x * t + log(1 + exp(-|x|))`` of logits ``x`` and targets ``t`` in [0, 1]."""

    logits = True


@dataclass(frozen=True, repr=False)
class MSE(Loss):
    """``(y - t) ** 2``."""


@dataclass(frozen=True, repr=False)
class MAE(Loss):
    """``|y - t|``; the gradient at 0 is 0."""


@dataclass(frozen=True, repr=False)
class Huber(Loss):
    """``d**2 / 2`` where ``d = |y - t| <= delta``, else ``delta * (d - delta / 2)`` (Huber, 1964).

    Parameters
    ----------
    delta : float
        Where the square turns into a line; default 1.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        self.normalise(delta=check.number("delta", self.delta, least=0, open_=True))


CATALOGUE: Mapping[str, type[Loss]] = MappingProxyType(
    {kind.__name__: kind for kind in (CrossEntropy, BinaryCrossEntropy, MSE, MAE, Huber)}
)

_SHORT: Mapping[str, type[Loss]] = MappingProxyType(
    {
        "cross_entropy": CrossEntropy,
        "binary_cross_entropy": BinaryCrossEntropy,
        "mse": MSE,
        "mae": MAE,
        "huber": Huber,
    }
)


def loss(given: Any) -> Loss:
    """Turn ``"cross_entropy"``, ``"mse"`` … or an instance into a loss."""
    result: Loss = named(given, Loss, _SHORT, "loss")
    return result
