"""Regularizers: what the size of a weight adds to the training loss.

Formulas are Keras's. Like those of the optimizers they are written once, in a few operations, and go
through every framework; its gradients then come from the framework itself. (The graph compiler of
MindSpore reads the source of ``penalty``, so its lines are of the plainest kind.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from unifw.spec import check
from unifw.spec.value import Value, named
from unifw.spec.weight_ops import WeightOps

__all__ = ["CATALOGUE", "L1", "L1L2", "L2", "Regularizer", "regularizer"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, repr=False)
class Regularizer(Value):
    """Base of all regularizers."""

    family: ClassVar[str] = "regularizer"

    def penalty(self, ops: WeightOps, weight: Any) -> Any:
        """Return what a weight adds to the loss, as a scalar of the framework."""
        raise NotImplementedError

    def slope(self, weight: Array) -> Array:
        """Return the gradient of the penalty, for NumPy, which takes no gradients itself."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class L1(Regularizer):
    """``l1 * sum(|w|)``; the gradient at 0 is 0.

    Parameters
    ----------
    l1 : float
        Default 0.01.
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        self.normalise(l1=check.number("l1", self.l1, least=0))

    def penalty(self, ops: WeightOps, weight: Any) -> Any:
        return ops.total(ops.abs(weight)) * self.l1

    def slope(self, weight: Array) -> Array:
        return np.sign(weight) * self.l1


@dataclass(frozen=True, repr=False)
class L2(Regularizer):
    """``l2 * sum(w²)``, without a half.

    Parameters
    ----------
    l2 : float
        Default 0.01.
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        self.normalise(l2=check.number("l2", self.l2, least=0))

    def penalty(self, ops: WeightOps, weight: Any) -> Any:
        return ops.total(weight * weight) * self.l2

    def slope(self, weight: Array) -> Array:
        return weight * (2 * self.l2)


@dataclass(frozen=True, repr=False)
class L1L2(Regularizer):
    """``l1 * sum(|w|) + l2 * sum(w²)``.

    Parameters
    ----------
    l1, l2 : float
        Default 0 each.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        self.normalise(
            l1=check.number("l1", self.l1, least=0), l2=check.number("l2", self.l2, least=0)
        )

    def penalty(self, ops: WeightOps, weight: Any) -> Any:
        return ops.total(ops.abs(weight)) * self.l1 + ops.total(weight * weight) * self.l2

    def slope(self, weight: Array) -> Array:
        return np.sign(weight) * self.l1 + weight * (2 * self.l2)


CATALOGUE: Mapping[str, type[Regularizer]] = MappingProxyType(
    {kind.__name__: kind for kind in (L1, L2, L1L2)}
)
_SHORT: Mapping[str, type[Regularizer]] = MappingProxyType({"l1": L1, "l2": L2})


def regularizer(given: Any) -> Regularizer | None:
    """Turn ``"l1"``, ``"l2"`` or an instance into a regularizer; ``None`` stays."""
    if given is None:
        return None
    result: Regularizer = named(given, Regularizer, _SHORT, "regularizer")
    return result
