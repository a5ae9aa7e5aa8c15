"""Optimizers whose step has the size of the gradient, or of its sign alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from unifw.spec import check
from unifw.spec.optimizers.base import Ops, Optimizer, Rate, Updated

__all__ = ["SGD", "Lion"]


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Gradient descent, with momentum if asked for (Sutskever et al., 2013, in PyTorch's form).

    ``g += weight_decay * w``; ``v = momentum * v + g``; ``w -= rate * v``, or with ``nesterov``
    ``w -= rate * (g + momentum * v)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.01.
    momentum : float
        In [0, 1); default 0.
    nesterov : bool
        Default ``False``; needs momentum.
    weight_decay : float
        Default 0.
    """

    learning_rate: Rate = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(momentum=(0, 1), weight_decay=(0, math.inf))
        check.flag("nesterov", self.nesterov)
        if self.nesterov and not self.momentum:
            raise self.refuse("nesterov needs a momentum above 0, for example 0.9")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        if not self.momentum:
            return ops.descend(weight, grad, coef[0]), ()
        velocity = ops.gather(slots[0], self.momentum, grad)
        step = grad + velocity * self.momentum if self.nesterov else velocity
        return ops.descend(weight, step, coef[0]), (velocity,)


@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    """Lion (Chen et al., 2023): every value moves by the rate, whatever the size of its gradient.

    ``w *= 1 - rate * weight_decay``; ``w -= rate * sign(b1 m + (1 - b1) g)``; ``m = b2 m + (1 - b2) g``.

    Parameters
    ----------
    learning_rate : float or Schedule
        A third to a tenth of what Adam would take; default 0.0001.
    beta1, beta2 : float
        In [0, 1); default 0.9 and 0.99.
    weight_decay : float
        Apart from the gradient; default 0.
    """

    learning_rate: Rate = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta1=(0, 1), beta2=(0, 1), weight_decay=(0, math.inf))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean",)

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        return (rate, 1 - rate * self.weight_decay)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            weight = weight * coef[1]
        step = ops.sign(slots[0] * self.beta1 + grad * (1 - self.beta1))
        mean = ops.blend(slots[0], self.beta2, grad)
        return ops.descend(weight, step, coef[0]), (mean,)
