"""A training step as one MindSpore cell: losses, gradients, clipping, and unifw's own updates."""

from __future__ import annotations

from typing import Any

import mindspore
from mindspore import Parameter, ParameterTuple, nn, ops

from unifw.backends.mindspore.rules import log_softmax
from unifw.rules import Rules
from unifw.spec.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy, Huber, Loss
from unifw.spec.optimizers import Optimizer

__all__ = ["TrainStep", "rules"]

rules = Rules("backend 'mindspore'")


class Judge(nn.Cell):
    """Base of the losses: outputs and targets to one value per place, samples first."""

    def __init__(self, loss: Loss, rank: int) -> None:
        super().__init__()
        self.build(loss, rank)

    def build(self, loss: Any, rank: int) -> None:
        """Keep what ``construct`` needs; ``rank`` counts the output's axes with the batch."""


@rules(CrossEntropy)
class CrossEntropyJudge(Judge):
    def build(self, loss: Any, rank: int) -> None:
        self.axis = loss.axis % rank
        self.order = (*(i for i in range(rank) if i != self.axis), self.axis)
        self.smoothing = loss.label_smoothing

    def construct(self, out: Any, target: Any) -> Any:
        log_p = log_softmax(ops.transpose(out, self.order), -1)
        if target.ndim < out.ndim:
            wanted = ops.one_hot(target, out.shape[self.axis], 1.0, 0.0)
        else:
            wanted = ops.transpose(target, self.order)
        if self.smoothing:
            wanted = wanted * (1 - self.smoothing) + self.smoothing / out.shape[self.axis]
        return -ops.sum(wanted * log_p, -1)


@rules(BinaryCrossEntropy)
class BinaryCrossEntropyJudge(Judge):
    def construct(self, out: Any, target: Any) -> Any:
        # log(1 + exp(x)) = x + log(1 + exp(-x)): each where it cannot overflow. The logarithm's
        # argument comes from the detached sign, so the gradient is right at 0 as well.
        sign = ops.stop_gradient(ops.where(out >= 0, ops.ones_like(out), -ops.ones_like(out)))
        positive = out * ops.stop_gradient(ops.where(out >= 0, sign, ops.zeros_like(out)))
        return positive + ops.log1p(ops.exp(-out * sign)) - out * target


@rules(MSE)
class MSEJudge(Judge):
    def construct(self, out: Any, target: Any) -> Any:
        return (out - target) * (out - target)


@rules(MAE)
class MAEJudge(Judge):
    def construct(self, out: Any, target: Any) -> Any:
        return ops.abs(out - target)


@rules(Huber)
class HuberJudge(Judge):
    def build(self, loss: Any, rank: int) -> None:
        del rank
        self.delta = loss.delta

    def construct(self, out: Any, target: Any) -> Any:
        apart = out - target
        size = ops.abs(apart)
        near, far = apart * apart * 0.5, (size - self.delta / 2) * self.delta
        return ops.where(size <= self.delta, near, far)


class Judged(nn.Cell):
    """The net and its losses: ``(xs, ys, shares, masks) -> (total loss, outputs)``."""

    def __init__(self, net: nn.Cell, losses: tuple[Loss, ...], ranks: tuple[int, ...]) -> None:
        super().__init__(auto_prefix=False)
        self.net = net
        pairs = zip(losses, ranks, strict=True)
        judges = [rules.find(loss)(loss, rank) for loss, rank in pairs]
        self.judges = nn.CellList(judges, auto_prefix=False)
        self.count = len(losses)

    def construct(self, xs: Any, ys: Any, shares: Any, masks: Any) -> Any:
        outs = self.net(xs, masks)
        total = 0.0
        for i in range(self.count):
            values = self.judges[i](outs[i], ys[i])
            means = ops.mean(ops.reshape(values, (values.shape[0], -1)), 1)
            total = total + (ops.mean(means) if shares is None else ops.sum(means * shares))
        return total, outs


@mindspore.jit_class
class MindSporeOps:
    """What an optimizer's formula needs; written out, as the graph compiler reads no base class."""

    def sqrt(self, x: Any) -> Any:
        return ops.sqrt(x)

    def maximum(self, x: Any, y: Any) -> Any:
        return ops.maximum(x, y)

    def gather(self, slot: Any, keep: float, grad: Any) -> Any:
        return slot * keep + grad

    def blend(self, slot: Any, keep: float, new: Any) -> Any:
        return slot * keep + new * (1 - keep)

    def descend(self, weight: Any, step: Any, rate: Any) -> Any:
        return weight - step * rate


class TrainStep(nn.Cell):
    """One whole step: ``(xs, ys, shares, masks, coefficients) -> (loss, outputs)``."""

    def __init__(self, judged: Judged, optimizer: Optimizer, trained: list[Parameter]) -> None:
        super().__init__(auto_prefix=False)
        # The mark lets the compiler read the formula's source; it changes nothing else.
        mindspore.jit_class(type(optimizer))
        self.judged = judged
        self.optimizer, self.ops = optimizer, MindSporeOps()
        self.count, self.slot_count = len(trained), len(optimizer.slots)
        self.trained = ParameterTuple(trained)
        self.slots = tuple(
            ParameterTuple(
                [Parameter(ops.zeros_like(w), name=f"{w.name}/{s}") for s in optimizer.slots]
            )
            for w in trained
        )
        self.clip_value, self.clip_norm = optimizer.clip_value, optimizer.clip_norm
        self.gradient = mindspore.value_and_grad(judged, None, self.trained, has_aux=True)

    def construct(self, xs: Any, ys: Any, shares: Any, masks: Any, coefficients: Any) -> Any:
        if self.count == 0:
            return self.judged(xs, ys, shares, masks)
        (loss, outs), grads = self.gradient(xs, ys, shares, masks)
        factor = self.factor(grads)
        for i in range(self.count):
            grad = grads[i]
            if self.clip_value is not None:
                grad = ops.clamp(grad, -self.clip_value, self.clip_value)
            if self.clip_norm is not None:
                grad = grad * factor
            weight, slots = self.optimizer.update(
                self.ops, self.trained[i], grad, self.slots[i], coefficients
            )
            ops.assign(self.trained[i], weight)
            for k in range(self.slot_count):
                ops.assign(self.slots[i][k], slots[k])
        return loss, outs

    def factor(self, grads: Any) -> Any:
        """Return what all gradients are multiplied by."""
        if self.clip_norm is None:
            return 1.0
        total = 0.0
        for grad in grads:
            total = total + ops.sum(grad * grad)
        return ops.minimum(self.clip_norm / (ops.sqrt(total) + 1e-6), 1.0)
