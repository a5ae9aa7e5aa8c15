"""How the weights are updated in Paddle: by its fused kernels where their maths is ours, else by our formula.

Verified step by step (paddle 3.3): Momentum, Adam without amsgrad, AdamW and Adagrad are PyTorch's form, which
is ours. RMSProp has its epsilon inside the root and the rate inside the buffer, and is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import paddle

from unifw.spec.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer

__all__ = ["Update", "update"]


# From how many numbers, or weights, on a momentum step in one pass gains more than its overhead.
MANY_NUMBERS, MANY_WEIGHTS = 1 << 17, 16


class Update(Protocol):
    """Takes the weights a step further.

    Attributes
    ----------
    slots : list of list of Tensor
        The live state of each weight, in the order of the optimizer's ``slots``.
    """

    @property
    def slots(self) -> list[list[Any]]: ...

    def __call__(self, grads: Sequence[Any], coefficients: tuple[float, ...], number: int) -> None:
        """Take step ``number`` (from 1) with the gradient of each weight."""


def update(optimizer: Optimizer, trained: Sequence[Any], names: Sequence[str]) -> Update:
    """Return the quicker of the two ways that there are for an optimizer, or for each of its groups."""
    if optimizer.groups:
        return Parted(optimizer, trained, names)
    # The kernels take the rate in single precision (3.3).
    exact = bool(trained) and trained[0].dtype == paddle.float64
    usable = trained and not exact and type(optimizer) in FUSED
    built = FUSED[type(optimizer)](optimizer, trained) if usable else None
    return Formula(optimizer, trained) if built is None else Fused(optimizer, trained, built)


class Parted:
    """Each group of weights has an update of its own."""

    def __init__(self, optimizer: Optimizer, trained: Sequence[Any], names: Sequence[str]) -> None:
        self._optimizer, self._count = optimizer, len(trained)
        places = optimizer.places(names)
        self._parts = []
        for place, (variant, _) in enumerate(optimizer.variants):
            mine = [number for number, other in enumerate(places) if other == place]
            weights, own = [trained[n] for n in mine], [names[n] for n in mine]
            self._parts.append((mine, update(variant, weights, own)))

    @property
    def slots(self) -> list[list[Any]]:
        """The live state of each weight."""
        found: list[list[Any]] = [[]] * self._count
        for mine, follow in self._parts:
            for number, slots in zip(mine, follow.slots, strict=True):
                found[number] = slots
        return found

    def __call__(self, grads: Sequence[Any], coefficients: tuple[float, ...], number: int) -> None:
        """Take a step."""
        parts = self._optimizer.parted(coefficients)
        for (mine, follow), own in zip(self._parts, parts, strict=True):
            follow([grads[n] for n in mine], own, number)


class Ops:
    """What an optimizer's formula needs, in place where it may be."""

    sqrt = staticmethod(paddle.sqrt)
    maximum = staticmethod(paddle.maximum)
    abs = staticmethod(paddle.abs)
    sign = staticmethod(paddle.sign)

    @staticmethod
    def norm_ratio(x: Any, y: Any) -> Any:
        above, below = paddle.sqrt((x * x).sum()), paddle.sqrt((y * y).sum())
        one = paddle.ones_like(above)
        both = paddle.logical_and(above > 0, below > 0)
        return paddle.where(both, above, one) / paddle.where(both, below, one)

    @staticmethod
    def gather(slot: Any, keep: float, grad: Any) -> Any:
        return (slot if keep == 1 else slot.scale_(keep)).add_(grad)

    @staticmethod
    def blend(slot: Any, keep: float, new: Any) -> Any:
        return slot.scale_(keep).add_(new * (1 - keep))

    @staticmethod
    def descend(weight: Any, step: Any, rate: Any) -> Any:
        return weight.subtract_(step * rate)


class Formula:
    """The optimizer's own formula, operation by operation."""

    def __init__(self, optimizer: Optimizer, trained: Sequence[Any]) -> None:
        self._optimizer, self._trained = optimizer, trained
        self.slots = [[paddle.zeros_like(w) for _ in optimizer.slots] for w in trained]

    def __call__(self, grads: Sequence[Any], coefficients: tuple[float, ...], number: int) -> None:
        """Take a step."""
        del number
        for place, grad in enumerate(grads):
            weight = self._trained[place]
            new, slots = self._optimizer.update(Ops, weight, grad, self.slots[place], coefficients)
            self.slots[place] = list(slots)
            if new is not weight:
                paddle.assign(new, weight)


class Fused:
    """The framework's optimizer, whose state is kept as ours."""

    # What the framework calls the state that we call thus.
    KINDS = ({"velocity": "velocity", "mean": "moment1", "square": "moment2"}, {"square": "moment"})

    def __init__(self, optimizer: Optimizer, trained: Sequence[Any], native: Any) -> None:
        self._optimizer, self._trained, self._native = optimizer, trained, native
        # It makes its state in its first step. That is taken now, with gradients of zero on weights
        # that are zero still, and changes nothing.
        for weight in trained:
            weight.grad = paddle.zeros_like(weight)
        native.step()
        native.clear_grad(set_to_zero=False)
        held = native.state_dict()
        kinds = self.KINDS[isinstance(optimizer, Adagrad)]
        self.slots = [[_held(held, w, kinds[slot]) for slot in optimizer.slots] for w in trained]
        self._powers = [
            (beta, [_held(held, w, kind) for w in trained]) for beta, kind in self._betas(optimizer)
        ]
        self._done, self._rate = 1, optimizer.rate(1)

    @staticmethod
    def _betas(optimizer: Optimizer) -> list[tuple[float, str]]:
        if not isinstance(optimizer, Adam):
            return []
        return [(optimizer.beta1, "beta1_pow_acc"), (optimizer.beta2, "beta2_pow_acc")]

    def __call__(self, grads: Sequence[Any], coefficients: tuple[float, ...], number: int) -> None:
        """Take a step."""
        if self._done != number - 1:
            # It counts its steps in powers of the betas, which are one ahead.
            for beta, powers in self._powers:
                for power in powers:
                    power.set_value(paddle.full_like(power, beta ** max(number, 1)))
        rate = coefficients[0]
        if isinstance(self._optimizer, Adam):
            rate *= 1 - self._optimizer.beta1 ** max(number, 1)
        if not math.isclose(rate, self._rate, rel_tol=1e-12):
            self._native.set_lr(rate)
            self._rate = rate
        for weight, grad in zip(self._trained, grads, strict=True):
            # The same numbers come as another object each time, and would be copied (paddle 3.3).
            if weight.grad is None or weight.grad.data_ptr() != grad.data_ptr():
                weight.grad = grad
        self._native.step()
        self._done = number


def _held(held: dict[str, Any], weight: Any, kind: str) -> Any:
    start = f"{weight.name}_{kind}_"
    return next(
        v for name, v in held.items() if name.startswith(start) and name[len(start) :].isdigit()
    )


def _momentum(given: SGD, trained: Sequence[Any]) -> Any:
    many = len(trained) >= MANY_WEIGHTS or sum(w.size for w in trained) >= MANY_NUMBERS
    if not given.momentum or not many:
        return None  # our few operations in place are less than the framework's way to its kernel
    return paddle.optimizer.Momentum(
        given.rate(1), given.momentum, parameters=list(trained), use_nesterov=given.nesterov,
        weight_decay=given.weight_decay or None, use_multi_tensor=True,
    )  # fmt: skip


def _adam(given: Adam, trained: Sequence[Any]) -> Any:
    if given.amsgrad:
        return None
    settings = {
        "learning_rate": given.rate(1), "beta1": given.beta1, "beta2": given.beta2,
        "epsilon": given.epsilon, "parameters": list(trained),
    }  # fmt: skip
    if given.decoupled:
        return paddle.optimizer.AdamW(**settings, weight_decay=given.weight_decay)
    decay = given.weight_decay or None
    return paddle.optimizer.Adam(**settings, weight_decay=decay, use_multi_tensor=True)


def _adagrad(given: Adagrad, trained: Sequence[Any]) -> Any:
    return paddle.optimizer.Adagrad(
        given.rate(1), given.epsilon, parameters=list(trained),
        weight_decay=given.weight_decay or None, initial_accumulator_value=0.0,
    )  # fmt: skip


FUSED: dict[type[Optimizer], Callable[[Any, Sequence[Any]], Any]] = {
    SGD: _momentum, Adam: _adam, AdamW: _adam, Adagrad: _adagrad,
}  # fmt: skip
