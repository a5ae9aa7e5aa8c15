"""Regularizers: what the size of a weight adds to the training loss.

Formulas are Keras's; they stand in ``unifw.formulas.weights``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from unifw.spec import check
from unifw.spec.value import Value, named

__all__ = ["CATALOGUE", "L1", "L1L2", "L2", "Regularizer", "regularizer"]


@dataclass(frozen=True, repr=False)
class Regularizer(Value):
    """Base of all regularizers."""

    family: ClassVar[str] = "regularizer"


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
