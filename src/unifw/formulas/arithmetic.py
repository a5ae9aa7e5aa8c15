"""Arithmetic value by value, in any layout, with numbers that are part of the description."""

from __future__ import annotations

from typing import Any

from unifw.formulas.derived import magnitude
from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []


@formulas(L.Affine)
def affine(placed: Placed, f: Functional) -> Applied:
    del f
    scale, shift = placed.layer.scale, placed.layer.shift

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        if scale == -1.0:
            return shift - x if shift else -x
        y = x if scale == 1.0 else x * scale
        return y + shift if shift else y

    return applied


def _whole_power(exponent: int) -> Any:
    """Return what multiplies a value by itself, by squaring."""
    bits = tuple(bit == "1" for bit in reversed(f"{exponent:b}"))

    def raised(x: Any) -> Any:
        made = []
        for i in range(len(bits)):
            if i:
                x = x * x
            if bits[i]:
                made.append(x)
        y = made[0]
        for i in range(1, len(made)):
            y = y * made[i]
        return y

    return raised


def _fractional_power(f: Functional, exponent: float) -> Any:
    """Return what raises values of at least 0; below is nan."""

    def raised(x: Any) -> Any:
        if exponent == 0.5:
            return f.sqrt(x)
        if exponent < 1:
            return f.exp(f.log(x) * exponent)
        # At 0 the logarithm is infinite, and the gradient would be nan, not 0.
        safe = f.where(x > 0, x, f.where(x < 0, x, 1.0))
        y = f.exp(f.log(safe) * exponent)
        return f.where(x > 0, y, f.where(x < 0, y, x * 0.0))  # nan stays nan

    return raised


@formulas(L.Power)
def power(placed: Placed, f: Functional) -> Applied:
    exponent = placed.layer.exponent
    size, is_negative = abs(exponent), exponent < 0
    raised = _whole_power(int(size)) if size == int(size) else _fractional_power(f, size)

    def applied(inputs: Any, parts: Any) -> Any:
        y = raised(inputs[0])
        return 1.0 / y if is_negative else y

    return applied


@formulas(L.Clip)
def clip(placed: Placed, f: Functional) -> Applied:
    low, high = placed.layer.min_value, placed.layer.max_value

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        y = x
        if high is not None:
            y = f.where(x > high, high, y)
        if low is not None:
            y = f.where(x < low, low, y)
        return y

    return applied


@formulas(L.Abs)
def absolute(placed: Placed, f: Functional) -> Applied:
    del placed
    size = magnitude(f)

    def applied(inputs: Any, parts: Any) -> Any:
        return size(inputs[0])

    return applied


@formulas(L.Exp)
def exp(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        return f.exp(inputs[0])

    return applied


@formulas(L.Log)
def log(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        return f.log(inputs[0])

    return applied
