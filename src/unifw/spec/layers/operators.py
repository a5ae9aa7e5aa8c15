"""What ``+ - * / @ **``, ``abs`` and ``[...]`` make of symbols: layers."""

from __future__ import annotations

from numbers import Integral, Real
from types import EllipsisType
from typing import Any

from unifw.errors import ShapeError, SpecError
from unifw.spec.layers.arithmetic import Abs, Affine, Power
from unifw.spec.layers.merge import Add, Divide, Multiply, Subtract
from unifw.spec.layers.product import MatMul
from unifw.spec.layers.slicing import Slice
from unifw.spec.symbol import Symbol, operator

__all__: list[str] = []


def _is_number(given: Any) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


@operator("+")
def add(x: Symbol, y: Any) -> Any:
    if isinstance(y, Symbol):
        return Add()(x, y)
    return Affine(shift=y)(x) if _is_number(y) else NotImplemented


@operator("-")
def subtract(x: Symbol, y: Any) -> Any:
    if isinstance(y, Symbol):
        return Subtract()(x, y)
    return Affine(shift=-y)(x) if _is_number(y) else NotImplemented


@operator("reflected -")
def subtract_from(x: Symbol, y: Any) -> Any:
    return Affine(-1.0, y)(x) if _is_number(y) else NotImplemented


@operator("*")
def multiply(x: Symbol, y: Any) -> Any:
    if isinstance(y, Symbol):
        return Multiply()(x, y)
    return Affine(y)(x) if _is_number(y) else NotImplemented


@operator("/")
def divide(x: Symbol, y: Any) -> Any:
    if isinstance(y, Symbol):
        return Divide()(x, y)
    if not _is_number(y):
        return NotImplemented
    if not y:
        message = f"{x!r} is divided by 0"
        raise SpecError(message)
    return Affine(1.0 / float(y))(x)


@operator("reflected /")
def divide_by(x: Symbol, y: Any) -> Any:
    return Affine(y)(Power(-1.0)(x)) if _is_number(y) else NotImplemented


@operator("@")
def matmul(x: Symbol, y: Any) -> Any:
    return MatMul()(x, y) if isinstance(y, Symbol) else NotImplemented


@operator("**")
def power(x: Symbol, y: Any) -> Any:
    return Power(y)(x) if _is_number(y) else NotImplemented


@operator("unary -")
def negative(x: Symbol) -> Any:
    return Affine(-1.0)(x)


@operator("abs")
def absolute(x: Symbol) -> Any:
    return Abs()(x)


@operator("[]")
def part(x: Symbol, index: Any) -> Any:
    given = index if isinstance(index, tuple) else (index,)
    if not given or not all(
        isinstance(p, (slice, Integral, EllipsisType)) or p is None for p in given
    ):
        message = f"places are whole numbers, slices and ..., got {index!r}"
        raise SpecError(message)
    gaps = [i for i, place in enumerate(given) if place is Ellipsis]
    if len(gaps) > 1:
        message = f"an index has one ... at most, got {index!r}"
        raise SpecError(message)
    if gaps:
        missing = len(x.shape) + 2 - len(given)
        if missing < 0:
            message = f"{len(given) - 1} places for {len(x.shape)} axes and the batch"
            raise ShapeError(message)
        given = (*given[: gaps[0]], *(slice(None),) * missing, *given[gaps[0] + 1 :])
    if any(place is None for place in given):
        message = "an index cannot put in axes; use uf.ops.reshape"
        raise SpecError(message)
    if given[0] != slice(None):
        message = f"the batch must stay whole: write x[:, {given[0]!r}] or x[..., {given[0]!r}]"
        raise SpecError(message)
    places = given[1:]
    return x if all(place == slice(None) for place in places) else Slice(places)(x)
