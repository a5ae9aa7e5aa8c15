"""What regularizers add to the loss, and what constraints make of a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unifw.formulas.derived import magnitude
from unifw.formulas.functional import Functional
from unifw.rules import Rules
from unifw.spec import constraints as C
from unifw.spec import regularizers as R

__all__ = ["Held", "held_by"]

# weight -> a penalty, or the weight as it shall be
Held = Callable[[Any], Any]

# (regularizer or constraint, rank of the weight, vocabulary) -> Held
held_by = Rules("unifw's formulas of weights")


@held_by(R.L1)
def l1(rule: R.L1 | R.L1L2, rank: int, f: Functional) -> Held:
    axes, size, rate = tuple(range(rank)), magnitude(f), rule.l1

    def applied(weight: Any) -> Any:
        return f.sum(size(weight), axes, False) * rate

    return applied


@held_by(R.L2)
def l2(rule: R.L2 | R.L1L2, rank: int, f: Functional) -> Held:
    axes, rate = tuple(range(rank)), rule.l2

    def applied(weight: Any) -> Any:
        return f.sum(weight * weight, axes, False) * rate

    return applied


@held_by(R.L1L2)
def l1_l2(rule: R.L1L2, rank: int, f: Functional) -> Held:
    first, second = l1(rule, rank, f), l2(rule, rank, f)

    def applied(weight: Any) -> Any:
        return first(weight) + second(weight)

    return applied


@held_by(C.NonNeg)
def non_negative(rule: C.NonNeg, rank: int, f: Functional) -> Held:
    del rule, rank

    def applied(weight: Any) -> Any:
        return f.where(weight < 0, 0.0, weight)

    return applied


@held_by(C.MaxNorm)
def max_norm(rule: C.MaxNorm, rank: int, f: Functional) -> Held:
    del rank
    axes, most = rule.axis, rule.max_value

    def applied(weight: Any) -> Any:
        # Keras multiplies by min(norm, max_value) / (norm + 1e-7), which also shrinks, by a hair in every step,
        # what lies below the limit.
        share = most / (f.sqrt(f.sum(weight * weight, axes, True)) + C.EPSILON)
        return weight * f.where(share > 1, 1.0, share)

    return applied


@held_by(C.UnitNorm)
def unit_norm(rule: C.UnitNorm, rank: int, f: Functional) -> Held:
    del rank
    axes = rule.axis

    def applied(weight: Any) -> Any:
        return weight / (f.sqrt(f.sum(weight * weight, axes, True)) + C.EPSILON)

    return applied
