"""Metrics as values. They are computed in NumPy, the same for every backend: ``unifw.measures``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from unifw.spec import check
from unifw.spec.value import Value, named

__all__ = [
    "CATALOGUE",
    "F1",
    "MAE",
    "MSE",
    "ROCAUC",
    "Accuracy",
    "BinaryAccuracy",
    "Metric",
    "Precision",
    "Recall",
    "TopKAccuracy",
    "metric",
]


@dataclass(frozen=True, repr=False)
class Metric(Value):
    """Base of all metrics; unweighted means over samples, unless they say otherwise.

    Attributes
    ----------
    axis : int or None
        The class axis of those that ask for one class per sample, the batch being 0.
    """

    family: ClassVar[str] = "metric"
    axis: ClassVar[Any] = None

    def misfit(self, shape: tuple[int, ...]) -> str:
        """Return why outputs of this shape cannot be measured; empty if they can."""
        del shape
        return ""

    @property
    def key(self) -> str:
        """Its name in ``history`` and in what ``evaluate`` returns."""
        return next(short for short, kind in _SHORT.items() if kind is type(self))


@dataclass(frozen=True, repr=False)
class Accuracy(Metric):
    """Share of the samples whose largest output is at the true class.

    Targets are class numbers or one-hot. A net with a single output is judged as ``BinaryAccuracy``.

    Parameters
    ----------
    axis : int
        The class axis, the batch being 0; default 1.
    """

    axis: int = 1  # type: ignore[misc]  # here users choose it

    def __post_init__(self) -> None:
        self.normalise(axis=check.axis("axis", self.axis))

    def misfit(self, shape: tuple[int, ...]) -> str:
        inside = self.axis <= len(shape) and -self.axis <= len(shape)
        return "" if inside else f"has no axis {self.axis}"


@dataclass(frozen=True, repr=False)
class TopKAccuracy(Metric):
    """Share of the samples whose true class is among the ``k`` largest outputs.

    Parameters
    ----------
    k : int
        Default 5.
    """

    axis = 1

    k: int = 5

    def __post_init__(self) -> None:
        self.normalise(k=check.count("k", self.k))

    def misfit(self, shape: tuple[int, ...]) -> str:
        return "" if math.prod(shape) > 1 else "has a single value, not one for each class"

    @property
    def key(self) -> str:
        return f"top_{self.k}_accuracy"


@dataclass(frozen=True, repr=False)
class BinaryAccuracy(Metric):
    """Share of the outputs on the right side of the threshold.

    Parameters
    ----------
    threshold : float
        A probability; default 0.5. Outputs are taken as logits, unless the net ends in ``Sigmoid``
        or ``Softmax``.
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        self.normalise(threshold=check.number("threshold", self.threshold, least=0, below=1))


@dataclass(frozen=True, repr=False)
class _Counted(Metric):
    """Base of the metrics made of true and false positives and negatives.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro"}
        ``"binary"`` judges one output against the threshold, ``"macro"`` is the mean over classes,
        ``"micro"`` counts all classes together. ``"auto"`` (default) is binary for a single output,
        else macro.
    threshold : float
        A probability, for binary; default 0.5.

    Notes
    -----
    Where nothing was predicted, or nothing is there to find, the value is 0, as in scikit-learn.
    """

    axis = 1

    average: str = "auto"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        check.choice("average", self.average, ("auto", "binary", "macro", "micro"))
        self.normalise(threshold=check.number("threshold", self.threshold, least=0, below=1))

    def misfit(self, shape: tuple[int, ...]) -> str:
        if not shape:
            return "has no axis of classes"
        single = math.prod(shape) == 1
        return "" if single or self.average != "binary" else "has more than one value to judge"


class Precision(_Counted):
    __doc__ = "True positives among all predicted positives.\n" + str(_Counted.__doc__)


class Recall(_Counted):
    __doc__ = "True positives among all that are positive.\n" + str(_Counted.__doc__)


class F1(_Counted):
    __doc__ = "Harmonic mean of precision and recall.\n" + str(_Counted.__doc__)


class ROCAUC(Metric):
    """Area under the ROC curve; several classes one against the rest, mean over classes.

    It is the share of pairs (positive, negative) in which the positive has the larger output, ties
    counting half (Fawcett, 2006). Not a number where only one class occurs.
    """

    axis = 1

    def misfit(self, shape: tuple[int, ...]) -> str:
        return "" if len(shape) == 1 else "has other axes than the classes"


@dataclass(frozen=True, repr=False)
class MAE(Metric):
    """Mean of ``|y - t|`` over all values."""


@dataclass(frozen=True, repr=False)
class MSE(Metric):
    """Mean of ``(y - t) ** 2`` over all values."""


_SHORT: Mapping[str, type[Metric]] = MappingProxyType(
    {
        "accuracy": Accuracy,
        "top_k_accuracy": TopKAccuracy,
        "binary_accuracy": BinaryAccuracy,
        "precision": Precision,
        "recall": Recall,
        "f1": F1,
        "roc_auc": ROCAUC,
        "mae": MAE,
        "mse": MSE,
    }
)
CATALOGUE: Mapping[str, type[Metric]] = MappingProxyType(
    {kind.__name__: kind for kind in _SHORT.values()}
)


def metric(given: Any) -> Metric:
    """Turn ``"accuracy"``, ``"roc_auc"`` … or an instance into a metric."""
    result: Metric = named(given, Metric, _SHORT, "metric")
    return result
