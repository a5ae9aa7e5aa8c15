"""Constraints: what a weight is turned into after each step of the optimizer.

Meanings are Keras's, but axes count in unifw's neutral layout of weights, and where none is given, the
norm is that of all weights that come in to one unit. Their formulas stand in ``unifw.formulas.weights``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType
from typing import Any, ClassVar

from typing_extensions import Self

from unifw.spec import check
from unifw.spec.value import Value, named

__all__ = ["CATALOGUE", "Constraint", "MaxNorm", "NonNeg", "UnitNorm", "constraint"]

# Keras's: keeps a norm of zero from dividing.
EPSILON = 1e-7


@dataclass(frozen=True, repr=False)
class Constraint(Value):
    """Base of all constraints."""

    family: ClassVar[str] = "constraint"

    def on(self, shape: tuple[int, ...], incoming: tuple[int, ...]) -> Self:
        """Return it as it is for a weight of this shape, with all its axes named.

        Parameters
        ----------
        shape : tuple of int
            Of the weight, in the neutral layout.
        incoming : tuple of int
            The axes over which a norm goes when none are given.

        Raises
        ------
        SpecError
            If the weight has no such axis.
        """
        del shape, incoming
        return self


@dataclass(frozen=True, repr=False)
class NonNeg(Constraint):
    """``max(w, 0)``."""


class _Normed(Constraint):
    """Base of the constraints of norms, ``sqrt(sum(w²))`` along some axes."""

    axis: Any  # each has the field in its own place

    def __post_init__(self) -> None:
        if self.axis is None:
            return
        given = self.axis if isinstance(self.axis, (tuple, list)) else (self.axis,)
        if not given or not all(isinstance(a, Integral) and not isinstance(a, bool) for a in given):
            raise self.refuse(f"axis must be a whole number or several, got {self.axis!r}")
        self.normalise(axis=tuple(map(int, given)))

    def on(self, shape: tuple[int, ...], incoming: tuple[int, ...]) -> Self:
        rank = len(shape)
        axes = incoming if self.axis is None else self.axis
        places = sorted({axis % rank for axis in axes})
        if not all(-rank <= axis < rank for axis in axes) or len(places) < len(axes):
            raise self.refuse(
                f"axis {self.axis} does not name each of its axes of a weight of shape {shape} once"
            )
        return self.replace(axis=tuple(places))


@dataclass(frozen=True, repr=False)
class MaxNorm(_Normed):
    """Scales norms above a limit down to it: ``w * min(1, max_value / (norm + 1e-7))``.

    Parameters
    ----------
    max_value : float
        The limit; default 2.
    axis : int or tuple of int, optional
        The axes of the neutral layout along which each norm goes; default all those that come in to
        one unit: 0 for Dense ``(in, out)``, all but 0 for convolutions ``(out, in, *kernel)``, 1 (a
        row) for Embedding, and 0 (the whole vector) for a bias.
    """

    max_value: float = 2.0
    axis: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(max_value=check.number("max_value", self.max_value, least=0, open_=True))


@dataclass(frozen=True, repr=False)
class UnitNorm(_Normed):
    """Scales every norm to 1: ``w / (norm + 1e-7)``.

    Parameters
    ----------
    axis : int or tuple of int, optional
        As for ``MaxNorm``.
    """

    axis: Any = None


CATALOGUE: Mapping[str, type[Constraint]] = MappingProxyType(
    {kind.__name__: kind for kind in (MaxNorm, NonNeg, UnitNorm)}
)
_SHORT: Mapping[str, type[Constraint]] = MappingProxyType(
    {"max_norm": MaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm}
)


def constraint(given: Any) -> Constraint | None:
    """Turn ``"max_norm"``, ``"non_neg"``, ``"unit_norm"`` or an instance into a constraint; ``None`` stays."""
    if given is None:
        return None
    result: Constraint = named(given, Constraint, _SHORT, "constraint")
    return result
