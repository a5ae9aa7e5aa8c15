"""What a training step needs in Paddle: losses and clipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
import paddle.nn.functional as F

from unifw.backends.eager import judged_by
from unifw.backends.paddle.functional import functional_of
from unifw.backends.paddle.rules import log_softmax
from unifw.formulas.losses import loss_formulas
from unifw.rules import Rules
from unifw.spec.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy, Huber, Loss
from unifw.spec.optimizers import Optimizer

__all__ = ["clip", "rules", "total_loss"]

rules = Rules("backend 'paddle'")


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
            means.append(values.mean())
        else:
            means.append((values.reshape([out.shape[0], -1]).mean(1) * shares).sum())
    # Times 1 is left out: it would be an operation of its own.
    weighted = [
        mean if weight == 1 else mean * weight for mean, weight in zip(means, weights, strict=True)
    ]
    return sum(weighted[1:], start=weighted[0]), means


@rules(CrossEntropy)
def cross_entropy(loss: CrossEntropy, out: Any, target: Any) -> Any:
    smoothing = loss.label_smoothing
    if target.ndim < out.ndim:
        # The framework's own never goes beyond 64 (3.3).
        place = target.unsqueeze(loss.axis)
        if out.ndim == 2:
            wanted = paddle.index_sample(out, place)  # the quicker one
        else:
            wanted = paddle.take_along_axis(out, place, loss.axis)
        values = paddle.logsumexp(out, loss.axis, keepdim=True) - wanted
        if not smoothing:
            return values
        log_p = log_softmax(out, loss.axis)
        return values * (1 - smoothing) - log_p.mean(loss.axis, keepdim=True) * smoothing
    wanted = target * (1 - smoothing) + smoothing / out.shape[loss.axis]
    return -(wanted * log_softmax(out, loss.axis)).sum(loss.axis)


@rules(BinaryCrossEntropy)
def binary_cross_entropy(loss: BinaryCrossEntropy, out: Any, target: Any) -> Any:
    del loss
    # The framework's own has the gradient -target at logits of exactly 0 (paddle 3.3).
    return F.softplus(out) - out * target


@rules(MSE)
def mse(loss: MSE, out: Any, target: Any) -> Any:
    del loss
    return F.square_error_cost(out, target)


@rules(MAE)
def mae(loss: MAE, out: Any, target: Any) -> Any:
    del loss
    return paddle.abs(out - target)


@rules(Huber)
def huber(loss: Huber, out: Any, target: Any) -> Any:
    apart = out - target
    size = paddle.abs(apart)
    near, far = apart * apart * 0.5, (size - loss.delta / 2) * loss.delta
    return paddle.where(size <= loss.delta, near, far)


rules.adopt(loss_formulas, judged_by(functional_of))


def clip(optimizer: Optimizer, grads: Sequence[Any]) -> Sequence[Any]:
    """Return the gradients of all weights, clipped as the optimizer says."""
    if optimizer.clip_value is not None:
        return [paddle.clip(g, -optimizer.clip_value, optimizer.clip_value) for g in grads]
    if optimizer.clip_norm is not None:
        norm = paddle.sqrt(sum((g * g).sum() for g in grads))
        factor = paddle.clip(optimizer.clip_norm / (norm + 1e-6), max=1.0)
        return [g * factor for g in grads]
    return grads
