"""How the weights are updated in MindSpore: by its kernels where their maths is ours, else by our formula."""

from __future__ import annotations

from typing import Any

import mindspore
from mindspore import nn, ops

from unifw.spec.optimizers import SGD, Adam, Optimizer

__all__ = ["rule_of"]


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
