"""A training step as one MindSpore cell: losses, gradients, clipping, and unifw's own updates."""

from __future__ import annotations

from typing import Any

import mindspore
from mindspore import Parameter, ParameterTuple, nn, ops

from unifw.backends.mindspore.functional import FUNCTIONAL
from unifw.backends.mindspore.rules import log_softmax
from unifw.formulas.losses import LossFormula, loss_formulas, wanted
from unifw.rules import Rules
from unifw.spec.losses import CTC, MAE, MSE, BinaryCrossEntropy, CrossEntropy, Huber, Loss
from unifw.spec.optimizers import SGD, Adam, Optimizer

__all__ = ["Gather", "Judged", "Passes", "TrainStep", "rules"]

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


@mindspore.jit_class
class MindSporeOps:
    """What an optimizer's formula needs; written out, as the graph compiler reads no base class."""

    def sqrt(self, x: Any) -> Any:
        return ops.sqrt(x)

    def maximum(self, x: Any, y: Any) -> Any:
        return ops.maximum(x, y)

    def abs(self, x: Any) -> Any:
        return ops.abs(x)

    def sign(self, x: Any) -> Any:
        return ops.sign(x)

    def norm_ratio(self, x: Any, y: Any) -> Any:
        above, below = ops.sqrt(ops.sum(x * x)), ops.sqrt(ops.sum(y * y))
        both = ops.logical_and(above > 0, below > 0)
        one = ops.ones_like(above)
        return ops.where(both, above, one) / ops.where(both, below, one)

    def gather(self, slot: Any, keep: float, grad: Any) -> Any:
        return slot * keep + grad

    def blend(self, slot: Any, keep: float, new: Any) -> Any:
        return slot * keep + new * (1 - keep)

    def descend(self, weight: Any, step: Any, rate: Any) -> Any:
        return weight - step * rate


class FusedDescent(nn.Cell):
    """The step of SGD without momentum as one kernel; there are no slots."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = ops.ApplyGradientDescent()

    def construct(self, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:  # noqa: ARG002
        return self.kernel(weight, coefficients[0], grad)


class FusedMomentum(nn.Cell):
    """The step of SGD with momentum as one kernel; that ignores Nesterov on CPU (mindspore 2.10)."""

    def __init__(self, optimizer: SGD) -> None:
        super().__init__()
        self.kernel, self.momentum = ops.ApplyMomentum(), optimizer.momentum

    def construct(self, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:
        return self.kernel(weight, slots[0], coefficients[0], grad, self.momentum)


class FusedAdam(nn.Cell):
    """The step of Adam as one kernel.

    The kernel adds epsilon to the root of the plain second moment, where ours adds it to that of the unbiased
    one (mindspore 2.10): both are the same with the rate and epsilon divided by the correction.
    """

    def __init__(self, optimizer: Adam) -> None:
        super().__init__()
        self.kernel = ops.Adam()
        self.beta1, self.beta2, self.epsilon = optimizer.beta1, optimizer.beta2, optimizer.epsilon

    def construct(self, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:
        rate, epsilon = coefficients[0] / coefficients[1], self.epsilon / coefficients[1]
        # The powers of the betas are in the rate already.
        return self.kernel(
            weight, slots[0], slots[1], 0.0, 0.0, rate, self.beta1, self.beta2, epsilon, grad
        )


class Decayed(nn.Cell):
    """A fused step with weight decay in the gradient."""

    def __init__(self, step: nn.Cell, decay: float) -> None:
        super().__init__()
        self.step, self.decay = step, decay

    def construct(self, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:
        return self.step(coefficients, grad + weight * self.decay, weight, slots)


class Shrunk(nn.Cell):
    """The fused step of AdamW, with weight decay apart from the gradient."""

    def __init__(self, step: nn.Cell) -> None:
        super().__init__()
        self.step = step

    def construct(self, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:
        grad = ops.depend(grad, ops.assign(weight, weight * coefficients[2]))
        return self.step(coefficients, grad, weight, slots)


move = ops.MultitypeFuncGraph("move")


@move.register("Function", "Tensor", "Tensor", "Tensor", "Tuple")
def _move(step: Any, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:
    return step(coefficients, grad, weight, slots)


class Mapped(nn.Cell):
    """A fused step for many weights: ``(coefficients, grads, weights, slots)``, the last three by weight.

    A loop over them takes the compiler three times as long. The step must not branch, be it on a constant: what
    is written beyond a branch in a map is lost (mindspore 2.10).
    """

    def __init__(self, step: nn.Cell) -> None:
        super().__init__()
        self.step, self.map = step, ops.HyperMap()

    def construct(self, coefficients: Any, grads: Any, weights: Any, slots: Any) -> Any:
        return self.map(ops.partial(move, self.step, coefficients), grads, weights, slots)


class Formula(nn.Cell):
    """The optimizer's own formula for one weight, which writes nothing: ``-> (weight, slots)``."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__()
        # The mark lets the compiler read the formula's source; it changes nothing else.
        mindspore.jit_class(type(optimizer))
        self.optimizer, self.ops = optimizer, MindSporeOps()

    def construct(self, coefficients: Any, grad: Any, weight: Any, slots: Any) -> Any:
        return self.optimizer.update(self.ops, weight, grad, slots, coefficients)


class Written(nn.Cell):
    """A formula for many weights, called as ``Mapped`` is; as formulas branch, all is written after the map."""

    def __init__(self, step: nn.Cell, slot_count: int) -> None:
        super().__init__()
        self.step, self.map, self.slot_count = step, ops.HyperMap(), slot_count

    def construct(self, coefficients: Any, grads: Any, weights: Any, slots: Any) -> None:
        found = self.map(ops.partial(move, self.step, coefficients), grads, weights, slots)
        for i in range(len(grads)):
            ops.assign(weights[i], found[i][0])
            for k in range(self.slot_count):
                ops.assign(slots[i][k], found[i][1][k])


def rule_of(optimizer: Optimizer) -> nn.Cell:
    """Return the kernel that takes the very step of an optimizer, or its formula if there is none."""
    step: nn.Cell
    if isinstance(optimizer, SGD) and not optimizer.nesterov:
        step, apart = FusedMomentum(optimizer) if optimizer.momentum else FusedDescent(), False
    elif isinstance(optimizer, Adam) and not optimizer.amsgrad:
        step, apart = FusedAdam(optimizer), optimizer.decoupled
    else:
        return Written(Formula(optimizer), len(optimizer.slots))
    if optimizer.weight_decay:
        step = Shrunk(step) if apart else Decayed(step, optimizer.weight_decay)
    return Mapped(step)


class Passes(nn.Cell):
    """Forward and backward: ``(*inputs, *targets, *masks[, shares]) -> ((loss, outputs), gradients)``.

    All tensors are arguments of their own: those in a tuple are constants of the graph, which would be compiled
    anew in every step, or are unpacked slowly if they are marked as mutable (mindspore 2.10).

    Parameters
    ----------
    judged : Judged or Scaled
        The net and its losses.
    trained : list of Parameter
        The weights that learn.
    counts : tuple of int
        How many inputs, targets and masks there are.
    """

    def __init__(
        self, judged: nn.Cell, trained: list[Parameter], counts: tuple[int, int, int]
    ) -> None:
        super().__init__(auto_prefix=False)
        self.judged, self.count = judged, len(trained)
        self.ends = (counts[0], counts[0] + counts[1], sum(counts))
        self.trained = ParameterTuple(trained)

    def construct(self, *arrays: Any) -> Any:
        xs, ys = arrays[: self.ends[0]], arrays[self.ends[0] : self.ends[1]]
        masks = arrays[self.ends[1] : self.ends[2]]
        shares = arrays[self.ends[2]] if len(arrays) > self.ends[2] else None
        if self.count == 0:
            return self.judged(xs, ys, shares, masks), ()
        # Made here, as it belongs to the mode in which it is made: compiled or not.
        gradient = mindspore.value_and_grad(self.judged, None, self.trained, has_aux=True)
        return gradient(xs, ys, shares, masks)


class Gather(nn.Cell):
    """A batch whose gradients wait for those of further ones: ``(*arrays) -> (loss, outputs)``."""

    def __init__(self, passes: Passes, held: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.passes, self.held, self.count = passes, held, len(held)

    def construct(self, *arrays: Any) -> Any:
        (loss, outs), grads = self.passes(*arrays)
        for i in range(self.count):
            ops.assign(self.held[i], self.held[i] + grads[i])
        return loss, outs


class TrainStep(nn.Cell):
    """One whole step: ``(coefficients, *arrays) -> (loss, outputs)``, the arrays being those of ``Passes``.

    Parameters
    ----------
    passes : Passes
        Forward and backward.
    optimizer : Optimizer
        How to train.
    trained : list of Parameter
        The weights that learn; their names tell their groups.
    constraints : CellList
        What turns weights into what they shall be after a step.
    """

    def __init__(
        self,
        passes: Passes,
        optimizer: Optimizer,
        trained: list[Parameter],
        constraints: nn.CellList,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.constraints, self.constraint_count = constraints, len(constraints)
        self.passes, self.count = passes, len(trained)
        self.trained = ParameterTuple(trained)
        self.ema, self.accumulate = optimizer.ema, optimizer.accumulate
        self.kept = {
            kind: [Parameter(ops.zeros_like(w), name=f"{w.name}/{kind}") for w in trained]
            for kind in optimizer.kept
        }
        self.extras = tuple(ParameterTuple(self.kept[kind]) for kind in optimizer.extras)
        # Of each rule that weights follow: where its coefficients are, which weights, and their state.
        followed = optimizer.places([w.name for w in trained])
        numbers, width = sorted(set(followed)), len(optimizer.coefficients(1, 1.0))
        rules = [rule_of(optimizer.variants[number][0]) for number in numbers]
        self.rules, self.rule_count = nn.CellList(rules, auto_prefix=False), len(numbers)
        self.is_parted = bool(optimizer.groups)
        self.starts = tuple(number * width for number in numbers)
        self.ends = tuple(start + width for start in self.starts)
        self.places = tuple(
            tuple(i for i, other in enumerate(followed) if other == number) for number in numbers
        )
        self.weights = tuple(ParameterTuple([trained[i] for i in own]) for own in self.places)
        self.slots = tuple(
            tuple(ParameterTuple([self.kept[kind][i] for kind in optimizer.slots]) for i in own)
            for own in self.places
        )
        self.clip_value, self.clip_norm = optimizer.clip_value, optimizer.clip_norm

    def construct(self, coefficients: Any, *arrays: Any) -> Any:
        (loss, outs), grads = self.passes(*arrays)
        if self.count == 0:
            return loss, outs
        if self.accumulate > 1:
            grads = self.mean(grads)
        self.update(coefficients, grads)
        self.follow()
        return loss, outs

    def update(self, coefficients: Any, grads: Any) -> None:
        """Take the weights a step further."""
        grads = self.clipped(grads)
        for k in range(self.rule_count):
            own, part = coefficients, grads
            if self.is_parted:
                own, part = coefficients[self.starts[k] : self.ends[k]], ()
                for i in self.places[k]:
                    part += (grads[i],)
            self.rules[k](own, part, self.weights[k], self.slots[k])
        for i in range(self.constraint_count):
            self.constraints[i]()

    def follow(self) -> None:
        """Take the weights into their average."""
        if self.ema is not None:
            for i in range(self.count):
                average = self.extras[0][i] * self.ema + self.trained[i] * (1 - self.ema)
                ops.assign(self.extras[0][i], average)

    def mean(self, grads: Any) -> Any:
        """Return the mean gradients of this batch and those that waited for it."""
        held = self.extras[-1]
        means = ()
        for i in range(self.count):
            mean = (held[i] + grads[i]) / self.accumulate
            # Without the dependency, zeros may be written before they are read (mindspore 2.10).
            ops.assign(held[i], ops.depend(ops.zeros_like(mean), mean))
            means += (mean,)  # type: ignore[assignment]  # it grows
        return means

    def clipped(self, grads: Any) -> Any:
        """Return all gradients as the optimizer wants them clipped."""
        if self.clip_value is None and self.clip_norm is None:
            return grads
        found: Any = ()
        if self.clip_value is not None:
            for grad in grads:
                found += (ops.clamp(grad, -self.clip_value, self.clip_value),)
            return found
        total = 0.0
        for grad in grads:
            total = total + ops.sum(grad * grad)
        factor = ops.minimum(self.clip_norm / (ops.sqrt(total) + 1e-6), 1.0)
        for grad in grads:
            found += (grad * factor,)
        return found
