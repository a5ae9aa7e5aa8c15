"""Functions on symbols: ``uf.ops.mean(x, axes=2)`` is ``L.Mean(2)(x)``.

They are short for layers, and what they give is another symbol. ``+ - * / @ **``, ``abs`` and
``x[:, 2:5]`` work on symbols as they are.

Examples
--------
>>> import unifw as uf
>>> from unifw import layers as L
>>> x = uf.Input((3, 8, 8))
>>> centred = x - uf.ops.mean(x, (2, 3), keepdims=True)
>>> length = uf.ops.sqrt(uf.ops.sum(centred**2, 1) + 1e-6)
>>> uf.Graph(x, uf.ops.maximum(length, 0.1)).out_shapes
((8, 8),)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from unifw.errors import SpecError
from unifw.spec import layers as L
from unifw.spec.symbol import Symbol

__all__ = [
    "abs",
    "clip",
    "concatenate",
    "dot",
    "exp",
    "flatten",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "power",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "sum",
    "tanh",
    "transpose",
]

Axes = int | Sequence[int] | None


# ------------------------------------------------------------------------ reductions


def mean(x: Symbol, axes: Axes = None, *, keepdims: bool = False) -> Symbol:
    """Return the mean along axes, counted with the batch as 0; along all of them when left out."""
    return L.Mean(axes, keepdims)(x)


def sum(x: Symbol, axes: Axes = None, *, keepdims: bool = False) -> Symbol:  # noqa: A001 - as NumPy
    """Return the sum along axes, counted with the batch as 0; along all of them when left out."""
    return L.Sum(axes, keepdims)(x)


def max(x: Symbol, axes: Axes = None, *, keepdims: bool = False) -> Symbol:  # noqa: A001 - as NumPy
    """Return the largest value along axes, counted with the batch as 0."""
    return L.Max(axes, keepdims)(x)


def min(x: Symbol, axes: Axes = None, *, keepdims: bool = False) -> Symbol:  # noqa: A001 - as NumPy
    """Return the smallest value along axes, counted with the batch as 0."""
    return L.Min(axes, keepdims)(x)


# ------------------------------------------------------------------------ value by value


def abs(x: Symbol) -> Symbol:  # noqa: A001 - as NumPy
    """Return ``abs(x)``."""
    return L.Abs()(x)


def exp(x: Symbol) -> Symbol:
    """Return ``e ** x``."""
    return L.Exp()(x)


def log(x: Symbol) -> Symbol:
    """Return the natural logarithm."""
    return L.Log()(x)


def sqrt(x: Symbol) -> Symbol:
    """Return the square root, as ``x ** 0.5``."""
    return L.Power(0.5)(x)


def square(x: Symbol) -> Symbol:
    """Return ``x * x``, as ``x ** 2``."""
    return L.Power(2.0)(x)


def power(x: Symbol, exponent: float) -> Symbol:
    """Return ``x ** exponent``."""
    return L.Power(exponent)(x)


def maximum(x: Symbol | float, y: Symbol | float) -> Symbol:
    """Return the larger of two symbols, or of a symbol and a number (as ``Clip``), value by value."""
    return _extreme(L.Maximum(), lambda bound: L.Clip(min_value=bound), x, y)


def minimum(x: Symbol | float, y: Symbol | float) -> Symbol:
    """Return the smaller of two symbols, or of a symbol and a number (as ``Clip``), value by value."""
    return _extreme(L.Minimum(), lambda bound: L.Clip(max_value=bound), x, y)


def _extreme(layer: L.Layer, clip_at: Callable[[Any], L.Layer], x: Any, y: Any) -> Symbol:
    symbol, other = (y, x) if isinstance(x, Real) else (x, y)
    return clip_at(other)(symbol) if isinstance(other, Real) else layer(x, y)


def clip(x: Symbol, min_value: float | None = None, max_value: float | None = None) -> Symbol:
    """Return the values held between two bounds, one of which may be left out."""
    return L.Clip(min_value, max_value)(x)


def relu(x: Symbol) -> Symbol:
    """Return ``max(x, 0)``, with gradient 0 at 0."""
    return L.ReLU()(x)


def sigmoid(x: Symbol) -> Symbol:
    """Return ``1 / (1 + exp(-x))``."""
    return L.Sigmoid()(x)


def tanh(x: Symbol) -> Symbol:
    """Return the hyperbolic tangent."""
    return L.Tanh()(x)


def softplus(x: Symbol) -> Symbol:
    """Return ``log(1 + exp(x))``."""
    return L.Softplus()(x)


# ------------------------------------------------------------------------ along an axis


def softmax(x: Symbol, axis: int = -1) -> Symbol:
    """Return ``exp(x) / sum(exp(x))`` along an axis."""
    return L.Softmax(axis)(x)


def log_softmax(x: Symbol, axis: int = -1) -> Symbol:
    """Return the logarithm of softmax along an axis."""
    return L.LogSoftmax(axis)(x)


# ------------------------------------------------------------------------ products


def matmul(x: Symbol, y: Symbol) -> Symbol:
    """Return ``x @ y``, the product of the matrices in the last two axes."""
    return L.MatMul()(x, y)


def dot(x: Symbol, y: Symbol, axes: Any, *, normalize: bool = False) -> Symbol:
    """Return the sums of products along an axis of each, or the cosines."""
    return L.Dot(axes, normalize)(x, y)


# ------------------------------------------------------------------------ moving


def concatenate(xs: Sequence[Symbol], axis: int = 1) -> Symbol:
    """Return symbols behind each other along an axis, counted with the batch as 0."""
    return L.Concatenate(axis)(*xs)


def reshape(x: Symbol, shape: int | Sequence[int]) -> Symbol:
    """Return the same values in another shape, given without the batch; one axis may be -1."""
    return L.Reshape(shape)(x)


def flatten(x: Symbol) -> Symbol:
    """Return the same values with one axis besides the batch."""
    return L.Flatten()(x)


def transpose(x: Symbol, order: Sequence[int]) -> Symbol:
    """Return the axes in another order, as NumPy writes it: ``(0, 2, 1)``; the batch stays first."""
    if not isinstance(order, (tuple, list)) or not order or order[0] != 0:
        message = f"the order begins with 0, the batch, got {order!r}"
        raise SpecError(message)
    return L.Permute(tuple(order[1:]))(x)
