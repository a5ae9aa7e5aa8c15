"""Checks of single arguments; each returns the value in its normal form or says what is wrong."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection
from typing import Any

from unifw.errors import SpecError, UnknownName

__all__ = ["axis", "choice", "count", "counts", "flag", "ints", "number", "shape"]


def count(name: str, value: Any, *, least: int = 1) -> int:
    """Return ``value`` as an ``int`` of at least ``least``."""
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool) or whole < least:
        message = f"{name} must be a whole number of at least {least}, got {value!r}"
        raise SpecError(message)
    return whole


def axis(name: str, value: Any) -> int:
    """Return ``value`` as the number of an axis that is not the batch, 0; negative counts from the end."""
    try:
        whole = operator.index(value)
    except TypeError:
        whole = 0
    if not whole or isinstance(value, bool):
        message = f"{name} must be a whole number other than 0, the batch, got {value!r}"
        raise SpecError(message)
    return whole


def counts(name: str, value: Any, *, least: int = 1) -> tuple[int, ...]:
    """Return a sequence of whole numbers, at least one, as a tuple."""
    if not isinstance(value, (tuple, list)) or not value:
        message = f"{name} must be a sequence of whole numbers, at least one, got {value!r}"
        raise SpecError(message)
    return tuple(count(f"every one of {name}", n, least=least) for n in value)


def number(
    name: str, value: Any, *, least: float = -math.inf, below: float = math.inf, open_: bool = False
) -> float:
    """Return ``value`` as a finite ``float`` in ``[least, below)``, or ``(least, below)`` if ``open_``."""
    try:
        real = float(value)
    except (TypeError, ValueError, OverflowError):
        real = math.nan
    inside = (real > least if open_ else real >= least) and real < below
    if isinstance(value, (bool, str)) or not math.isfinite(real) or not inside:
        left = "(" if open_ else "["
        message = f"{name} must be a number in {left}{least:g}, {below:g}), got {value!r}"
        raise SpecError(message)
    return real


def flag(name: str, value: Any) -> bool:
    """Return ``value`` if it is ``True`` or ``False``."""
    if value is True or value is False:
        return value
    message = f"{name} must be True or False, got {value!r}"
    raise SpecError(message)


def choice(name: str, value: Any, known: Collection[str]) -> str:
    """Return ``value`` if it is one of ``known``."""
    if isinstance(value, str) and value in known:
        return value
    raise UnknownName(name, value, known)


def ints(name: str, value: Any, length: int, *, least: int = 1) -> tuple[int, ...]:
    """Return ``length`` whole numbers; a single one is repeated."""
    if isinstance(value, (tuple, list)):
        if len(value) != length:
            message = f"{name} must have {length} numbers, one per axis, got {value!r}"
            raise SpecError(message)
        return tuple(count(name, v, least=least) for v in value)
    return (count(name, value, least=least),) * length


def shape(name: str, value: Any) -> tuple[int, ...]:
    """Return a shape without its batch axis; a single number is a vector of that length."""
    if isinstance(value, (tuple, list)):
        return tuple(count(f"every axis of {name}", v) for v in value)
    return (count(name, value),)
