"""Adam and its family: a mean of the gradients over the root of a mean of their squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from unifw.spec import check
from unifw.spec.optimizers.base import Ops, Optimizer, Rate, Updated

__all__ = ["Adam", "AdamW", "Adamax", "Lamb", "NAdam", "RAdam"]


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015, algorithm 1).

    ``g += weight_decay * w``; ``m = b1 m + (1 - b1) g``; ``v = b2 v + (1 - b2) g²``;
    ``w -= rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.001.
    beta1, beta2 : float
        In [0, 1); default 0.9 and 0.999.
    epsilon : float
        Outside the root; default 1e-8.
    weight_decay : float
        Added to the gradient; default 0. For decay apart from the gradient see ``AdamW``.
    amsgrad : bool
        Divide by the largest ``v`` so far (Reddi et al., 2018); default ``False``.
    """

    decoupled: ClassVar[bool] = False

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta1=(0, 1), beta2=(0, 1), epsilon=(0, math.inf), weight_decay=(0, math.inf))
        check.flag("amsgrad", self.amsgrad)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square", "largest") if self.amsgrad else ("mean", "square")

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        unbias = 1 / math.sqrt(1 - self.beta2**step)
        return (rate / (1 - self.beta1**step), unbias, 1 - rate * self.weight_decay)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay and self.decoupled:
            weight = weight * coef[2]
        elif self.weight_decay:
            grad = grad + weight * self.weight_decay
        mean = ops.blend(slots[0], self.beta1, grad)
        square = ops.blend(slots[1], self.beta2, grad * grad)
        if self.amsgrad:
            largest = ops.maximum(slots[2], square)
            new: tuple[Any, ...] = (mean, square, largest)
        else:
            largest = square
            new = (mean, square)
        step = mean / (ops.sqrt(largest) * coef[1] + self.epsilon)
        return ops.descend(weight, step, coef[0]), new


@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019).

    As ``Adam``, but instead of adding decay to the gradient, ``w *= 1 - rate * weight_decay``
    before the step.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon, amsgrad
        As in ``Adam``.
    weight_decay : float
        Default 0.01.
    """

    decoupled = True

    weight_decay: float = 0.01


@dataclass(frozen=True, repr=False)
class Adamax(Optimizer):
    """Adam with the largest gradient in place of the root (Kingma & Ba, 2015, algorithm 2, as in PyTorch).

    ``g += weight_decay * w``; ``m = b1 m + (1 - b1) g``; ``u = max(b2 u, |g| + epsilon)``;
    ``w -= rate / (1 - b1^t) * m / u``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.002.
    beta1, beta2 : float
        In [0, 1); default 0.9 and 0.999.
    epsilon : float
        Above 0; default 1e-8.
    weight_decay : float
        Added to the gradient; default 0.
    """

    learning_rate: Rate = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta1=(0, 1), beta2=(0, 1), weight_decay=(0, math.inf))
        self.normalise(epsilon=check.number("epsilon", self.epsilon, least=0, open_=True))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "largest")

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        return (rate / (1 - self.beta1**step),)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        mean = ops.blend(slots[0], self.beta1, grad)
        largest = ops.maximum(slots[1] * self.beta2, ops.abs(grad) + self.epsilon)
        return ops.descend(weight, mean / largest, coef[0]), (mean, largest)


@dataclass(frozen=True, repr=False)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016, as in PyTorch).

    ``g += weight_decay * w``; ``m`` and ``v`` as in ``Adam``;
    ``mu_t = b1 (1 - 0.5 * 0.96^(t * momentum_decay))``; ``p_t = mu_1 mu_2 … mu_t``;
    ``w -= rate * ((1 - mu_t) / (1 - p_t) g + mu_{t+1} / (1 - p_{t+1}) m) / (sqrt(v / (1 - b2^t)) + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.002.
    beta1, beta2 : float
        In [0, 1); default 0.9 and 0.999.
    epsilon : float
        Outside the root; default 1e-8.
    weight_decay : float
        Added to the gradient; default 0.
    momentum_decay : float
        How soon the momentum grows to ``beta1``; default 0.004.
    """

    learning_rate: Rate = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    momentum_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta1=(0, 1), beta2=(0, 1), epsilon=(0, math.inf), weight_decay=(0, math.inf))
        self._check(momentum_decay=(0, math.inf))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def _momenta(self, step: int) -> Any:
        """Return ``mu_1 … mu_t``, as far as their product is not lost in float64."""
        # None is larger than beta1.
        enough = math.log(1e-20) / math.log(self.beta1) if self.beta1 else 1
        numbers = np.arange(1, min(step, int(enough) + 1) + 1)
        return self.beta1 * (1 - 0.5 * 0.96 ** (numbers * self.momentum_decay))

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        now, after = (
            self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay)) for t in (step, step + 1)
        )
        product = float(np.prod(self._momenta(step)))
        unbias = 1 / math.sqrt(1 - self.beta2**step)
        return (rate, (1 - now) / (1 - product), after / (1 - product * after), unbias)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        mean = ops.blend(slots[0], self.beta1, grad)
        square = ops.blend(slots[1], self.beta2, grad * grad)
        step = (grad * coef[1] + mean * coef[2]) / (ops.sqrt(square) * coef[3] + self.epsilon)
        return ops.descend(weight, step, coef[0]), (mean, square)


@dataclass(frozen=True, repr=False)
class RAdam(Optimizer):
    """Adam that waits until its mean of squares can be trusted (Liu et al., 2020, as in PyTorch).

    ``g += weight_decay * w``; ``m`` and ``v`` as in ``Adam``; ``r = 2 / (1 - b2) - 1``;
    ``r_t = r - 2 t b2^t / (1 - b2^t)``. Where ``r_t > 5``, ``w -= rate * m / (1 - b1^t) * l *
    sqrt(1 - b2^t) / (sqrt(v) + epsilon)`` with
    ``l = sqrt((r_t - 4) (r_t - 2) r / ((r - 4) (r - 2) r_t))``; before, ``w -= rate * m / (1 - b1^t)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.001.
    beta1, beta2 : float
        In [0, 1); default 0.9 and 0.999.
    epsilon : float
        Outside the root; default 1e-8.
    weight_decay : float
        Added to the gradient; default 0.
    """

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta1=(0, 1), beta2=(0, 1), epsilon=(0, math.inf), weight_decay=(0, math.inf))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        power = self.beta2**step
        most = 2 / (1 - self.beta2) - 1
        now = most - 2 * step * power / (1 - power)
        rate = rate / (1 - self.beta1**step)
        if now <= 5:
            # Then the divisor is one.
            return (rate, 0.0, 1.0)
        trust = (now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)
        scale = 1 / math.sqrt(trust * (1 - power))
        return (rate, scale, self.epsilon * scale)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        if self.weight_decay:
            grad = grad + weight * self.weight_decay
        mean = ops.blend(slots[0], self.beta1, grad)
        square = ops.blend(slots[1], self.beta2, grad * grad)
        step = mean / (ops.sqrt(square) * coef[1] + coef[2])
        return ops.descend(weight, step, coef[0]), (mean, square)


@dataclass(frozen=True, repr=False)
class Lamb(Optimizer):
    """Adam with a step as long as the weight it changes, for large batches (You et al., 2020, algorithm 2).

    ``m`` and ``v`` as in ``Adam``; ``s = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) +
    weight_decay * w``; ``w -= rate * |w| / |s| * s`` with the norms of the whole weight, whose
    quotient is 1 where either is zero.

    Parameters
    ----------
    learning_rate : float or Schedule
        Default 0.001.
    beta1, beta2 : float
        In [0, 1); default 0.9 and 0.999.
    epsilon : float
        Outside the root; default 1e-6.
    weight_decay : float
        Within the step, apart from the gradient; default 0.01.
    """

    whole = True

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(beta1=(0, 1), beta2=(0, 1), epsilon=(0, math.inf), weight_decay=(0, math.inf))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        return (rate, 1 / (1 - self.beta1**step), 1 / math.sqrt(1 - self.beta2**step))

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        mean = ops.blend(slots[0], self.beta1, grad)
        square = ops.blend(slots[1], self.beta2, grad * grad)
        step = mean * coef[1] / (ops.sqrt(square) * coef[2] + self.epsilon)
        if self.weight_decay:
            step = step + weight * self.weight_decay
        step = step * ops.norm_ratio(weight, step)
        return ops.descend(weight, step, coef[0]), (mean, square)
