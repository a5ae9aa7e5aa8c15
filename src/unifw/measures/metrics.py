"""Metrics that gather batch by batch and give one number at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.rules import Rules
from unifw.spec import metrics as spec
from unifw.spec.metrics import Metric

__all__ = ["Meter", "meter", "rules"]

Array = npt.NDArray[Any]
rules = Rules("unifw's metrics")


class Meter(ABC):
    """Gathers outputs and targets of one metric.

    Parameters
    ----------
    metric : Metric
        What is measured.
    probabilities : bool
        Whether the net ends in ``Sigmoid`` or ``Softmax``; otherwise outputs are logits.
    """

    def __init__(self, metric: Any, *, probabilities: bool) -> None:
        self.metric = metric
        self.probabilities = probabilities

    @abstractmethod
    def update(self, out: Array, target: Array) -> None:
        """Take a batch in: outputs ``(n, ...)`` and their targets."""

    @abstractmethod
    def result(self) -> float:
        """Return the value over all that was taken in."""

    def cut(self, threshold: float) -> float:
        """Return the probability ``threshold`` in terms of the outputs."""
        if self.probabilities:
            return threshold
        return float(np.log(threshold / (1 - threshold))) if threshold > 0 else -np.inf


def meter(metric: Metric, *, probabilities: bool) -> Meter:
    """Return an empty meter for a metric."""
    made: Meter = rules.find(metric)(metric, probabilities=probabilities)
    return made


def _labels(out: Array, target: Array, axis: int = 1) -> Array:
    """Return class numbers, from class numbers or one-hot targets."""
    if target.shape == out.shape and out.shape[axis] > 1:
        return np.asarray(target.argmax(axis=axis))
    return target.reshape(out.shape[:axis] + out.shape[axis % out.ndim + 1 :])


class _Mean(Meter):
    """A mean over all values."""

    def __init__(self, metric: Any, *, probabilities: bool) -> None:
        super().__init__(metric, probabilities=probabilities)
        self._sum, self._count = 0.0, 0

    def update(self, out: Array, target: Array) -> None:
        values = self.values(out, target)
        self._sum += float(values.sum(dtype=np.float64))
        self._count += values.size

    def result(self) -> float:
        return self._sum / self._count

    @abstractmethod
    def values(self, out: Array, target: Array) -> Array:
        """Return what the mean is taken of."""


@rules(spec.BinaryAccuracy)
class BinaryAccuracy(_Mean):
    """Share of outputs on the right side of the threshold."""

    def values(self, out: Array, target: Array) -> Array:
        return np.asarray(
            (out > self.cut(self.metric.threshold)) == (target.reshape(out.shape) > 0.5)
        )


@rules(spec.Accuracy)
class Accuracy(_Mean):
    """Share of samples whose largest output is right; for one output, its side of one half."""

    def values(self, out: Array, target: Array) -> Array:
        axis = self.metric.axis
        if out.shape[axis] == 1:
            return np.asarray((out > self.cut(0.5)) == (target.reshape(out.shape) > 0.5))
        return np.asarray(out.argmax(axis=axis) == _labels(out, target, axis))


@rules(spec.TopKAccuracy)
class TopKAccuracy(_Mean):
    """Share of samples whose true class has fewer than k larger outputs."""

    def values(self, out: Array, target: Array) -> Array:
        labels = np.expand_dims(_labels(out, target), 1)
        true = np.take_along_axis(out, labels, axis=1)
        return np.asarray((out > true).sum(axis=1) < self.metric.k)


@rules(spec.MAE)
class MAE(_Mean):
    """Mean absolute error."""

    def values(self, out: Array, target: Array) -> Array:
        return np.abs(out.astype(np.float64) - target.reshape(out.shape))


@rules(spec.MSE)
class MSE(_Mean):
    """Mean squared error."""

    def values(self, out: Array, target: Array) -> Array:
        return np.square(out.astype(np.float64) - target.reshape(out.shape))


class _Counted(Meter):
    """Counts true positives, false positives and false negatives per class."""

    def __init__(self, metric: Any, *, probabilities: bool) -> None:
        super().__init__(metric, probabilities=probabilities)
        self._counts: Array = np.zeros((3, 0))
        self._binary = False

    def update(self, out: Array, target: Array) -> None:
        self._binary = self.metric.average == "binary" or (
            self.metric.average == "auto" and out.shape[1:] == (1,)
        )
        if self._binary or out.shape[1] == 1:
            said = (out > self.cut(self.metric.threshold)).reshape(-1)
            true = target.reshape(-1) > 0.5
            pairs = [(said, true)] if self._binary else [(~said, ~true), (said, true)]
        else:
            numbers, labels = out.argmax(axis=1), _labels(out, target)
            pairs = [(numbers == c, labels == c) for c in range(out.shape[1])]
        counts = [[(s & t).sum(), (s & ~t).sum(), (~s & t).sum()] for s, t in pairs]
        new = np.array(counts, dtype=np.float64).T
        self._counts = new if not self._counts.size else self._counts + new

    def result(self) -> float:
        counts = self._counts
        if self.metric.average == "micro":
            counts = counts.sum(axis=1, keepdims=True)
        present = counts.sum(axis=0) > 0  # scikit-learn averages over the classes that occur
        values = self.values(*counts[:, present if not self._binary else slice(None)])
        return float(np.mean(values))

    @abstractmethod
    def values(self, hit: Array, false: Array, missed: Array) -> Array:
        """Return the metric per class."""


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


@rules(spec.Precision)
class Precision(_Counted):
    """True positives among predicted positives."""

    def values(self, hit: Array, false: Array, missed: Array) -> Array:
        del missed
        return _ratio(hit, hit + false)


@rules(spec.Recall)
class Recall(_Counted):
    """True positives among real positives."""

    def values(self, hit: Array, false: Array, missed: Array) -> Array:
        del false
        return _ratio(hit, hit + missed)


@rules(spec.F1)
class F1(_Counted):
    """Harmonic mean of precision and recall."""

    def values(self, hit: Array, false: Array, missed: Array) -> Array:
        return _ratio(2 * hit, 2 * hit + false + missed)


@rules(spec.ROCAUC)
class ROCAUC(Meter):
    """Area under the ROC curve, from the ranks of the outputs (Mann-Whitney)."""

    def __init__(self, metric: Any, *, probabilities: bool) -> None:
        super().__init__(metric, probabilities=probabilities)
        self._outs: list[Array] = []
        self._targets: list[Array] = []

    def update(self, out: Array, target: Array) -> None:
        single = out.shape[1] == 1
        self._outs.append(out)
        self._targets.append((target.reshape(-1) > 0.5) if single else _labels(out, target))

    def result(self) -> float:
        out, labels = np.concatenate(self._outs), np.concatenate(self._targets)
        if out.shape[1] == 1:
            return _auc(out[:, 0], labels)
        if not self.probabilities:
            # One class against the rest compares different samples, and logits have a free offset
            # for each sample; probabilities have none.
            shifted = np.exp(out - out.max(axis=1, keepdims=True), dtype=np.float64)
            out = shifted / shifted.sum(axis=1, keepdims=True)
        return float(np.mean([_auc(out[:, c], labels == c) for c in range(out.shape[1])]))


def _auc(scores: Array, positive: Array) -> float:
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place.reshape(-1)]
    above = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))
