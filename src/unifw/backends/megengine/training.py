"""What a training step needs in MegEngine: losses, clipping, and what the optimizers' formulas need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import megengine.functional as F
import numpy as np
from megengine import Tensor

from unifw.backends.eager import judged_by
from unifw.backends.megengine.functional import FUNCTIONAL
from unifw.formulas.losses import loss_formulas
from unifw.rules import Rules
from unifw.spec.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy, Huber, Loss
from unifw.spec.optimizers import Optimizer, PlainOps

__all__ = ["MegEngineOps", "clip", "rules", "total_loss"]

rules = Rules("backend 'megengine'")


@lru_cache(maxsize=64)
def _constant(value: float, device: str) -> Any:
    return Tensor(value, dtype="float32", device=device)


class MegEngineOps(PlainOps):
    """What an optimizer's formula needs; numbers become tensors once, not in each operation."""

    sqrt = staticmethod(F.sqrt)
    maximum = staticmethod(F.maximum)
    abs = staticmethod(F.abs)
    sign = staticmethod(F.sign)

    @staticmethod
    def norm_ratio(x: Any, y: Any) -> Any:
        above, below = F.sqrt(F.sum(x * x)), F.sqrt(F.sum(y * y))
        both = F.logical_and(above > 0, below > 0)
        one = F.ones_like(above)
        return F.where(both, above, one) / F.where(both, below, one)

    @staticmethod
    def gather(slot: Any, keep: float, grad: Any) -> Any:
        return grad + slot if keep == 1 else slot * _constant(keep, slot.device) + grad

    @staticmethod
    def blend(slot: Any, keep: float, new: Any) -> Any:
        device = slot.device
        return slot * _constant(keep, device) + new * _constant(1 - keep, device)

    @staticmethod
    def descend(weight: Any, step: Any, rate: Any) -> Any:
        return weight - step * _constant(rate, weight.device)


def total_loss(
    losses: Sequence[Loss],
    weights: Sequence[float],
    outs: Sequence[Any],
    targets: Sequence[Any],
    shares: Any,
) -> tuple[Any, Sequence[Any]]:
    """Return the weighted sum of the outputs' losses, and each: a mean, or weighted by ``shares``."""
    means = []
    for loss, out, target in zip(losses, outs, targets, strict=True):
        values = rules.find(loss)(loss, out, target)
        if shares is None:
            means.append(F.mean(values))
        else:
            means.append(F.sum(F.mean(values.reshape(out.shape[0], -1), axis=1) * shares))
    # Times 1 is left out: it would be an operation of its own.
    weighted = [
        mean if weight == 1 else mean * weight for mean, weight in zip(means, weights, strict=True)
    ]
    return sum(weighted[1:], start=weighted[0]), means


@rules(CrossEntropy)
def cross_entropy(loss: CrossEntropy, out: Any, target: Any) -> Any:
    # Classes go last in two axes: F.gather and F.argmax abort the process beyond four (1.13).
    axis = loss.axis % out.ndim
    order = [*(i for i in range(out.ndim) if i != axis), axis]
    classes = out.shape[axis]
    if out.ndim == 2 and target.ndim == 1 and not loss.label_smoothing:
        return F.logsumexp(out, 1) - F.indexing_one_hot(out, target, 1)
    log_p = F.logsoftmax(F.transpose(out, order).reshape(-1, classes), 1)
    if np.issubdtype(target.dtype, np.integer):
        wanted = F.one_hot(target.reshape(-1), classes).astype(log_p.dtype)
    else:
        wanted = F.transpose(target, order).reshape(-1, classes)
    if loss.label_smoothing:
        wanted = wanted * (1 - loss.label_smoothing) + loss.label_smoothing / classes
    return -F.sum(wanted * log_p, axis=1)


@rules(BinaryCrossEntropy)
def binary_cross_entropy(loss: BinaryCrossEntropy, out: Any, target: Any) -> Any:
    del loss
    return F.softplus(out) - out * target


@rules(MSE)
def mse(loss: MSE, out: Any, target: Any) -> Any:
    del loss
    apart = out - target
    return apart * apart


@rules(MAE)
def mae(loss: MAE, out: Any, target: Any) -> Any:
    del loss
    # F.abs (megengine 1.13) has the gradient 1 at 0, where it must be 0.
    apart = out - target
    return apart * F.sign(apart.detach())


@rules(Huber)
def huber(loss: Huber, out: Any, target: Any) -> Any:
    apart = out - target
    size = F.abs(apart)
    near, far = apart * apart * 0.5, (size - loss.delta / 2) * loss.delta
    return F.where(size <= loss.delta, near, far)


rules.adopt(loss_formulas, judged_by(lambda _: FUNCTIONAL))


def clip(optimizer: Optimizer, grads: Sequence[Any]) -> Sequence[Any]:
    """Return the gradients of all weights, clipped as the optimizer says."""
    if optimizer.clip_value is not None:
        return [F.clip(g, -optimizer.clip_value, optimizer.clip_value) for g in grads]
    if optimizer.clip_norm is not None:
        norm = F.sqrt(sum(F.sum(g * g) for g in grads))
        factor = F.minimum(optimizer.clip_norm / (norm + 1e-6), 1.0)
        return [g * factor for g in grads]
    return grads
