"""The losses in NumPy: value and gradient. They are the reference for all backends.

The first ones are written out here; ``unifw.formulas.losses`` has the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.formulas.losses import LossFormula, loss_formulas, wanted
from unifw.formulas.tape import TAPE, Value, gradients
from unifw.rules import Rules
from unifw.spec.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy, Huber, Loss

__all__ = ["per_sample", "rules", "value_and_gradient"]

Array = npt.NDArray[Any]
# (value per sample, gradient of each sample's value with respect to the outputs)
Result = tuple[Array, Array]
Formula = Callable[[Any, Array, Array], Result]

rules = Rules("unifw's reference")


def per_sample(loss: Loss, out: Array, target: Array) -> Array:
    """Return the loss of each sample, shape ``(n,)``, in the dtype of ``out``."""
    values: Array = rules.find(loss)(loss, out, target)[0]
    return values


def value_and_gradient(
    loss: Loss, out: Array, target: Array, shares: Array | None
) -> tuple[Any, Array]:
    """Return the batch's mean loss and its gradient in the shape of ``out``.

    ``shares`` are what the samples weigh in the mean, summing to 1; ``None`` weighs them alike.
    """
    values, gradient = rules.find(loss)(loss, out, target)
    if shares is None:
        return values.mean(), gradient / len(out)
    return values @ shares, gradient * shares.reshape(-1, *(1,) * (out.ndim - 1))


def _mean(values: Array) -> Array:
    result: Array = values.reshape(len(values), -1).mean(axis=1)
    return result


@rules(CrossEntropy)
def cross_entropy(loss: CrossEntropy, out: Array, target: Array) -> Result:
    classes = out.shape[loss.axis]
    shifted = out - out.max(axis=loss.axis, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=loss.axis, keepdims=True))
    log_p = shifted - log_sum
    if target.dtype.kind == "i":
        wanted = np.zeros_like(out)
        np.put_along_axis(wanted, np.expand_dims(target, loss.axis), 1, axis=loss.axis)
    else:
        wanted = target.astype(out.dtype, copy=False)
    if loss.label_smoothing:
        wanted = wanted * (1 - loss.label_smoothing) + loss.label_smoothing / classes
    values = -(wanted * log_p).sum(axis=loss.axis)
    places = max(values[0].size, 1)
    total = wanted.sum(axis=loss.axis, keepdims=True)
    return _mean(values), (np.exp(log_p) * total - wanted) / places


@rules(BinaryCrossEntropy)
def binary_cross_entropy(loss: BinaryCrossEntropy, out: Array, target: Array) -> Result:
    del loss
    small = np.exp(-np.abs(out))
    values = np.maximum(out, 0) - out * target + np.log1p(small)
    sigmoid = np.where(out >= 0, 1, small) / (1 + small)
    return _mean(values), (sigmoid - target) / out[0].size


@rules(MSE)
def mse(loss: MSE, out: Array, target: Array) -> Result:
    del loss
    apart = out - target
    return _mean(apart * apart), 2 * apart / out[0].size


@rules(MAE)
def mae(loss: MAE, out: Array, target: Array) -> Result:
    del loss
    apart = out - target
    return _mean(np.abs(apart)), np.sign(apart) / out[0].size


@rules(Huber)
def huber(loss: Huber, out: Array, target: Array) -> Result:
    apart = out - target
    size = np.abs(apart)
    values = np.where(size <= loss.delta, apart * apart / 2, loss.delta * (size - loss.delta / 2))
    return _mean(values), np.clip(apart, -loss.delta, loss.delta) / out[0].size


def _by_formula(formula: LossFormula) -> Formula:
    """Return a shared formula as one of these."""

    def judged(loss: Loss, out: Array, target: Array) -> Result:
        shape = out.shape[1:]
        asked, x = Value(target), Value(out, learns=True)
        if loss.targets.one_class and target.dtype.kind == "i":
            asked = wanted(loss, shape, TAPE)(asked)
        y = formula(loss, shape, TAPE)(x, asked)
        places = y.data[0].size
        (gradient,) = gradients(y, np.full_like(y.data, 1 / places), [x])
        return _mean(y.data), np.asarray(gradient)

    return judged


rules.adopt(loss_formulas, _by_formula)
