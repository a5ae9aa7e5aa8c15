"""Optimizers that give each value a rate of its own by the squares of its gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from unifw.spec import check
from unifw.spec.optimizers.base import Ops, Optimizer, Rate, Updated
from unifw.spec.schedules import Schedule

__all__ = ["Adadelta", "Adagrad", "Ftrl", "RMSprop"]


@dataclass(frozen=True, repr=False)
class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012, in PyTorch's form: epsilon outside the root, states from zero).

    ``g += weight_decay * w``; ``v = rho v + (1 - rho) g²``; if ``centered``
    ``m = rho m + (1 - rho) g`` and ``v - m²`` below the root; ``d = g / (sqrt(v) + epsilon)``;
    with momentum ``b = momentum b + d`` and ``w -= rate * b``, else ``w -= rate * d``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.01.
    rho : float
        In [0, 1); default 0.99 (PyTorch calls it alpha).
    epsilon : float
        Outside the root; default 1e-8.
    momentum : float
        In [0, 1); default 0.
    centered : bool
        Default ``False``.
    weight_decay : float
        Default 0.
    """

    learning_rate: Rate = 0.01
    rho: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(rho=(0, 1), epsilon=(0, math.inf), momentum=(0, 1), weight_decay=(0, math.inf))
        check.flag("centered", self.centered)

    @property
    def slots(self) -> tuple[str, ...]:
        extra = (("mean",) if self.centered else ()) + (("velocity",) if self.momentum else ())
        return ("square", *extra)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        square = ops.blend(slots[0], self.rho, grad * grad)
        new = [square]
        spread = square
        if self.centered:
            mean = ops.blend(slots[1], self.rho, grad)
            new.append(mean)
            # Rounding can push the variance a hair below zero; the root would give NaN.
            spread = ops.maximum(square - mean * mean, square * 0)
        step = grad / (ops.sqrt(spread) + self.epsilon)
        if self.momentum:
            step = ops.gather(slots[-1], self.momentum, step)
            new.append(step)
        return ops.descend(weight, step, coef[0]), tuple(new)


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011): ``s += g²``; ``w -= rate * g / (sqrt(s) + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.01.
    epsilon : float
        Outside the root; default 1e-10.
    weight_decay : float
        Added to the gradient; default 0.
    """

    learning_rate: Rate = 0.01
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(epsilon=(0, math.inf), weight_decay=(0, math.inf))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        square = ops.gather(slots[0], 1.0, grad * grad)
        return ops.descend(weight, grad / (ops.sqrt(square) + self.epsilon), coef[0]), (square,)


@dataclass(frozen=True, repr=False)
class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012, as in PyTorch): steps in the units of the weights, whatever the gradients'.

    ``g += weight_decay * w``; ``v = rho v + (1 - rho) g²``;
    ``d = sqrt(u + epsilon) / sqrt(v + epsilon) * g``; ``u = rho u + (1 - rho) d²``; ``w -= rate * d``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 1.
    rho : float
        In [0, 1); default 0.9.
    epsilon : float
        Inside both roots, above 0; default 1e-6.
    weight_decay : float
        Default 0.
    """

    learning_rate: Rate = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(rho=(0, 1), weight_decay=(0, math.inf))
        self.normalise(epsilon=check.number("epsilon", self.epsilon, least=0, open_=True))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "step")

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        square = ops.blend(slots[0], self.rho, grad * grad)
        step = ops.sqrt((slots[1] + self.epsilon) / (square + self.epsilon)) * grad
        steps = ops.blend(slots[1], self.rho, step * step)
        return ops.descend(weight, step, coef[0]), (square, steps)


@dataclass(frozen=True, repr=False)
class Ftrl(Optimizer):
    """FTRL-Proximal (McMahan et al., 2013, algorithm 1, as in Keras), for sparse linear models.

    ``n = s + g²``; ``z += g - (sqrt(n) - sqrt(s)) / rate * w``; ``s = n``;
    ``w = -sign(z) max(|z| - l1, 0) / ((beta + sqrt(n)) / rate + 2 l2)``, where ``s`` starts from
    ``initial_sum`` and ``z`` from zero. So a weight starts from zero whatever it was set to, and a
    hidden layer, whose weights are all the same then, learns next to nothing.

    Parameters
    ----------
    learning_rate : float or Schedule
        Above 0 in every step; default 0.001.
    beta : float
        Default 0.
    l1, l2 : float
        How strongly weights are drawn to zero; with ``l1`` many are exactly zero. Default 0.
    initial_sum : float
        Above 0; default 0.1.
    """

    learning_rate: Rate = 0.001
    beta: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    initial_sum: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta=(0, math.inf), l1=(0, math.inf), l2=(0, math.inf))
        positive = check.number("initial_sum", self.initial_sum, least=0, open_=True)
        self.normalise(initial_sum=positive)
        if self.learning_rate == 0:
            raise self.refuse("learning_rate must be above 0: the formula divides by it")
        for group in self.groups:
            if group.rate == 0:
                raise self.refuse(
                    f"{group!r}: the rate must be above 0, as the formula divides by it"
                )

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "linear")

    def check_steps(self, first: int, last: int, reductions: int) -> None:
        if isinstance(self.learning_rate, Schedule):
            for step in range(first, last + 1):
                self.numbers(step, reductions)

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        if rate == 0:
            raise self.refuse(
                f"the learning rate of step {step} is 0, and the formula divides by it"
            )
        return (1 / rate, self.beta / rate + 2 * self.l2)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        square = slots[0] + grad * grad
        root, before = ops.sqrt(square + self.initial_sum), ops.sqrt(slots[0] + self.initial_sum)
        linear = slots[1] + grad - (root - before) * coef[0] * weight
        size = ops.abs(linear)
        if self.l1:
            size = ops.maximum(size - self.l1, size * 0)
        new = -ops.sign(linear) * size / (root * coef[0] + coef[1])
        return new, (square, linear)
