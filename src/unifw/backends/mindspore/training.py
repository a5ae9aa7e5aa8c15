"""A training step as one MindSpore cell: gradients, clipping, the update, and what follows it."""

from __future__ import annotations

from typing import Any

import mindspore
from mindspore import Parameter, ParameterTuple, nn, ops

from unifw.backends.mindspore.update import rule_of
from unifw.spec.optimizers import Optimizer

__all__ = ["Gather", "Passes", "TrainStep"]


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
