"""The losses in MindSpore, and the net with its losses as one cell."""

from __future__ import annotations

from typing import Any

import mindspore
from mindspore import nn, ops

from unifw.backends.mindspore.functional import FUNCTIONAL
from unifw.backends.mindspore.rules import log_softmax
from unifw.formulas.losses import LossFormula, loss_formulas, wanted
from unifw.rules import Rules
from unifw.spec.losses import CTC, MAE, MSE, BinaryCrossEntropy, CrossEntropy, Huber, Loss

__all__ = ["Judged", "rules"]

rules = Rules("backend 'mindspore'")


class Judge(nn.Cell):
    """Base of the losses: outputs and targets to one value per place, samples first."""

    def __init__(self, loss: Loss, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.build(loss, shape)

    def build(self, loss: Any, shape: tuple[int, ...]) -> None:
        """Keep what ``construct`` needs; ``shape`` is that of one output, without the batch."""


@rules(CrossEntropy)
class CrossEntropyJudge(Judge):
    def build(self, loss: Any, shape: tuple[int, ...]) -> None:
        rank = len(shape) + 1
        self.axis = loss.axis % rank
        self.is_plain = rank == 2
        self.whole = ops.SoftmaxCrossEntropyWithLogits()
        self.order = (*(i for i in range(rank) if i != self.axis), self.axis)
        self.smoothing = loss.label_smoothing

    def construct(self, out: Any, target: Any) -> Any:
        if target.ndim < out.ndim:
            wanted = ops.one_hot(target, out.shape[self.axis], 1.0, 0.0)
        else:
            wanted = ops.transpose(target, self.order)
        if self.smoothing:
            wanted = wanted * (1 - self.smoothing) + self.smoothing / out.shape[self.axis]
        if self.is_plain:
            return self.whole(out, wanted)[0]
        log_p = log_softmax(ops.transpose(out, self.order), -1)
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
    def build(self, loss: Any, shape: tuple[int, ...]) -> None:
        del shape
        self.delta = loss.delta

    def construct(self, out: Any, target: Any) -> Any:
        apart = out - target
        size = ops.abs(apart)
        near, far = apart * apart * 0.5, (size - self.delta / 2) * self.delta
        return ops.where(size <= self.delta, near, far)


@rules(CTC)
class CTCJudge(Judge):
    """The framework's own, as one kernel: written out step by step it compiles for seconds per time step."""

    def build(self, loss: Any, shape: tuple[int, ...]) -> None:
        self.time, self.blank = shape[0], loss.blank

    def construct(self, out: Any, target: Any) -> Any:
        log_p = ops.transpose(log_softmax(out, -1), (1, 0, 2))
        there = ops.cast(target >= 0, mindspore.int32)
        counts = ops.cast(ops.sum(ops.cast(there, mindspore.float32), 1), mindspore.int32)
        steps = ops.full((out.shape[0],), self.time, dtype=mindspore.int32)
        return ops.ctc_loss(log_p, target * there, steps, counts, self.blank, "none")[0]


def _by_formula(formula: LossFormula) -> type[Judge]:
    """Make a judge of a shared formula."""

    class ByFormula(Judge):
        def build(self, loss: Any, shape: tuple[int, ...]) -> None:
            self.applied = formula(loss, shape, FUNCTIONAL)
            self.has_classes = loss.targets.one_class
            if self.has_classes:
                self.wanted = wanted(loss, shape, FUNCTIONAL)

        def construct(self, out: Any, target: Any) -> Any:
            if self.has_classes and target.ndim < out.ndim:
                return self.applied(out, self.wanted(target))
            return self.applied(out, target)

    return ByFormula


rules.adopt(loss_formulas, _by_formula)


class Judged(nn.Cell):
    """The net and its losses: ``(xs, ys, shares, masks) -> (total loss, outputs)``.

    Several outputs are followed by the vector of the total and the loss of each.
    """

    def __init__(
        self,
        net: nn.Cell,
        losses: tuple[Loss, ...],
        weights: tuple[float, ...],
        shapes: tuple[tuple[int, ...], ...],
        penalties: nn.CellList,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.net = net
        pairs = zip(losses, shapes, strict=False)  # a net that only predicts has no losses
        judges = [rules.find(loss)(loss, shape) for loss, shape in pairs]
        self.judges = nn.CellList(judges, auto_prefix=False)
        self.count, self.weights = len(losses), weights
        self.penalties, self.penalty_count = penalties, len(penalties)

    def construct(self, xs: Any, ys: Any, shares: Any, masks: Any) -> Any:
        outs = self.net(xs, masks)
        total: Any = 0.0
        parts: Any = ()
        for i in range(self.count):
            values = self.judges[i](outs[i], ys[i])
            if shares is None:
                mean = ops.mean(values)
            else:
                means = ops.mean(ops.reshape(values, (values.shape[0], -1)), 1)
                mean = ops.sum(means * shares)
            parts += (mean,)
            if self.weights[i] != 1:
                mean = mean * self.weights[i]
            total = mean if i == 0 else total + mean
        for i in range(self.penalty_count):
            total = total + self.penalties[i]()
        if self.count > 1:
            outs += (ops.stack((total, *parts)),)
        return total, outs
