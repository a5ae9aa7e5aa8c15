"""Optimizers: their settings, and their one formula, written once for every framework.

``update`` uses nothing but arithmetic and a few named operations, so NumPy arrays, Paddle, MindSpore
and MegEngine tensors all go through the very same lines; no framework's own defaults come in. (Where a
framework has the very same step as one kernel, proved by the conformance suite, its plugin may take that.) (The
graph compiler of MindSpore reads the source of ``update``, so its lines are of the plainest kind.)
Formulas follow PyTorch's: epsilon outside the root, states from zero, the momentum buffer without
the rate, weight decay added to the gradient (but not in AdamW). See ``docs/semantics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from unifw.spec import check
from unifw.spec.value import Value, named

__all__ = [
    "CATALOGUE",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Ops",
    "Optimizer",
    "PlainOps",
    "RMSprop",
    "optimizer",
]

Updated = tuple[Any, tuple[Any, ...]]


class Ops(Protocol):
    """What an optimizer's formula needs beyond ``+ - * /``.

    The last three may write their result over their first argument, which is not used again.
    """

    def sqrt(self, x: Any) -> Any:
        """Return the square root, value by value."""

    def maximum(self, x: Any, y: Any) -> Any:
        """Return the larger, value by value."""

    def gather(self, slot: Any, keep: float, grad: Any) -> Any:
        """Return ``slot * keep + grad``."""

    def blend(self, slot: Any, keep: float, new: Any) -> Any:
        """Return ``slot * keep + new * (1 - keep)``."""

    def descend(self, weight: Any, step: Any, rate: Any) -> Any:
        """Return ``weight - step * rate``."""


class PlainOps:
    """The last three in plain arithmetic, for a framework that has nothing quicker."""

    @staticmethod
    def gather(slot: Any, keep: float, grad: Any) -> Any:
        return slot * keep + grad

    @staticmethod
    def blend(slot: Any, keep: float, new: Any) -> Any:
        return slot * keep + new * (1 - keep)

    @staticmethod
    def descend(weight: Any, step: Any, rate: Any) -> Any:
        return weight - step * rate


@dataclass(frozen=True, repr=False)
class Optimizer(Value):
    """Base of all optimizers.

    Parameters
    ----------
    learning_rate : float
        The rate.
    clip_norm : float, optional
        Scales all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all
        of them together (as ``torch.nn.utils.clip_grad_norm_``).
    clip_value : float, optional
        Cuts every value of the gradients to ``[-clip_value, clip_value]``.
    """

    family: ClassVar[str] = "optimizer"

    learning_rate: float
    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        rate = check.number("learning_rate", self.learning_rate, least=0)
        self.normalise(learning_rate=rate)
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None:
                self.normalise(**{name: check.number(name, value, least=0, open_=True)})
        if self.clip_norm is not None and self.clip_value is not None:
            raise self.refuse("clip_norm and clip_value exclude each other; choose one")

    def _check(self, **least_and_below: tuple[float, float]) -> None:
        for name, (least, below) in least_and_below.items():
            self.normalise(
                **{name: check.number(name, getattr(self, name), least=least, below=below)}
            )

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for each weight, all starting from zero."""
        return ()

    def coefficients(self, step: int) -> tuple[float, ...]:
        """Return the numbers that ``update`` needs in this step.

        Parameters
        ----------
        step : int
            Number of the step, from 1.

        Notes
        -----
        They are worked out here in float64 and always in this order and number, so a compiled step
        may take them as one small array.
        """
        del step
        return (self.learning_rate,)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        """Return the new weight and the new slots; value by value, so any shape will do.

        Parameters
        ----------
        ops : Ops
            The framework's own operations.
        weight, grad : array
            A weight and its (clipped) gradient.
        slots : tuple of array
            Its state, in the order of ``slots``.
        coef : sequence
            What ``coefficients`` gave, as numbers or scalar tensors.
        """
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Gradient descent, with momentum if asked for (Sutskever et al., 2013, in PyTorch's form).

    ``g += weight_decay * w``; ``v = momentum * v + g``; ``w -= rate * v``, or with ``nesterov``
    ``w -= rate * (g + momentum * v)``.

    Parameters
    ----------
    learning_rate : float
        Default 0.01.
    momentum : float
        In [0, 1); default 0.
    nesterov : bool
        Default ``False``; needs momentum.
    weight_decay : float
        Default 0.
    """

    learning_rate: float = 0.01
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
class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015, algorithm 1).

    ``g += weight_decay * w``; ``m = b1 m + (1 - b1) g``; ``v = b2 v + (1 - b2) g²``;
    ``w -= rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)``.

    Parameters
    ----------
    learning_rate : float
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

    learning_rate: float = 0.001
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

    def coefficients(self, step: int) -> tuple[float, ...]:
        rate = self.learning_rate
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
class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012, in PyTorch's form: epsilon outside the root, states from zero).

    ``g += weight_decay * w``; ``v = rho v + (1 - rho) g²``; if ``centered``
    ``m = rho m + (1 - rho) g`` and ``v - m²`` below the root; ``d = g / (sqrt(v) + epsilon)``;
    with momentum ``b = momentum b + d`` and ``w -= rate * b``, else ``w -= rate * d``.

    Parameters
    ----------
    learning_rate : float
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

    learning_rate: float = 0.01
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
    learning_rate : float
        Default 0.01.
    epsilon : float
        Outside the root; default 1e-10.
    weight_decay : float
        Added to the gradient; default 0.
    """

    learning_rate: float = 0.01
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


CATALOGUE: Mapping[str, type[Optimizer]] = MappingProxyType(
    {kind.__name__: kind for kind in (SGD, Adam, AdamW, RMSprop, Adagrad)}
)
_SHORT = MappingProxyType({name.lower(): kind for name, kind in CATALOGUE.items()})


def optimizer(given: Any) -> Optimizer:
    """Turn ``"adam"``, ``"sgd"`` … or an instance into an optimizer."""
    result: Optimizer = named(given, Optimizer, _SHORT, "optimizer")
    return result
