"""Layers of arithmetic value by value, with numbers that are part of the description."""

from __future__ import annotations

from dataclasses import dataclass

from unifw.spec import check
from unifw.spec.layers.base import Layer

__all__ = ["Abs", "Affine", "Clip", "Exp", "Log", "Power"]


@dataclass(frozen=True, repr=False)
class Affine(Layer):
    """``scale * x + shift`` with two fixed numbers: what ``2 * x``, ``x - 1`` … make of a symbol.

    Parameters
    ----------
    scale, shift : float
        The numbers, which no training changes; default 1 and 0.
    """

    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            scale=check.number("scale", self.scale), shift=check.number("shift", self.shift)
        )


@dataclass(frozen=True, repr=False)
class Power(Layer):
    """``x ** exponent`` with a fixed exponent.

    Whole exponents take any ``x``. Others take ``x`` of at least 0 and give nan below; at 0 they have
    no finite gradient if below 1.

    Parameters
    ----------
    exponent : float
        The exponent, not 0; -1 gives ``1 / x``, 0.5 the square root.
    """

    exponent: float

    def __post_init__(self) -> None:
        super().__post_init__()
        exponent = check.number("exponent", self.exponent)
        if not exponent:
            raise self.refuse("exponent 0 would make every value 1")
        self.normalise(exponent=exponent)


@dataclass(frozen=True, repr=False)
class Clip(Layer):
    """``min(max(x, min_value), max_value)``; the gradient at either bound is 1, as PyTorch's ``clamp``.

    ``Hardtanh`` computes the same values with a gradient of 0 at the bounds.

    Parameters
    ----------
    min_value, max_value : float, optional
        The bounds; one of the two may be left out.
    """

    min_value: float | None = None
    max_value: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.min_value, self.max_value
        if low is None and high is None:
            raise self.refuse("needs min_value, max_value or both")
        low = None if low is None else check.number("min_value", low)
        high = None if high is None else check.number("max_value", high)
        if low is not None and high is not None and not low < high:
            raise self.refuse(f"min_value must be below max_value, got {low:g} and {high:g}")
        self.normalise(min_value=low, max_value=high)


class Abs(Layer):
    """``abs(x)``; the gradient at 0 is 0."""


class Exp(Layer):
    """``e ** x``."""


class Log(Layer):
    """The natural logarithm; ``-inf`` at 0 and nan below."""
