"""Activations, value by value; all but ``PReLU`` and ``GLU`` take their values in any layout."""

from __future__ import annotations

from typing import Any

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.merge import axis_index

__all__: list[str] = []

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


@formulas(L.Mish)
def mish(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        return x * f.tanh(f.softplus(x))

    return applied


@formulas(L.PReLU)
def prelu(placed: Placed, f: Functional) -> Applied:
    shared, spatial = placed.layer.shared, placed.in_shape[1:]

    def applied(inputs: Any, parts: Any) -> Any:
        x, slope = inputs[0], parts[0]
        return f.where(x > 0, x, x * (slope if shared else f.per_channel(slope, spatial)))

    return applied


def _between(f: Functional, low: float, high: float) -> Any:
    """Return what holds values between two bounds, with gradient 0 at both."""

    def bounded(x: Any) -> Any:
        # In this order, for nan must stay nan.
        return f.where(x <= low, low, f.where(x >= high, high, x))

    return bounded


@formulas(L.ReLU6, L.Hardtanh)
def bounded(placed: Placed, f: Functional) -> Applied:
    layer = placed.layer
    low, high = (0.0, 6.0) if isinstance(layer, L.ReLU6) else (layer.min_value, layer.max_value)
    between = _between(f, low, high)

    def applied(inputs: Any, parts: Any) -> Any:
        return between(inputs[0])

    return applied


@formulas(L.HardSigmoid)
def hard_sigmoid(placed: Placed, f: Functional) -> Applied:
    slope, offset = placed.layer.slope, placed.layer.offset
    between = _between(f, 0.0, 1.0)

    def applied(inputs: Any, parts: Any) -> Any:
        return between(inputs[0] * slope + offset)

    return applied


@formulas(L.HardSwish)
def hard_swish(placed: Placed, f: Functional) -> Applied:
    del placed
    between = _between(f, 0.0, 6.0)

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        return x * between(x + 3.0) / 6.0

    return applied


def _exponential(f: Functional, scale: float, alpha: float, width: float) -> Applied:
    """Return ``scale * x`` above 0, and ``alpha * (exp(x / width) - 1)`` up to 0, gradient included."""

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        # An overflow where it is not wanted would make its gradient nan, not 0.
        below = f.where(x > 0, 0.0, x)
        return f.where(x > 0, x * scale, (f.exp(below / width) - 1.0) * alpha)

    return applied


@formulas(L.SELU)
def selu(placed: Placed, f: Functional) -> Applied:
    del placed
    return _exponential(f, SELU_SCALE, SELU_SCALE * SELU_ALPHA, 1.0)


@formulas(L.CELU)
def celu(placed: Placed, f: Functional) -> Applied:
    return _exponential(f, 1.0, placed.layer.alpha, placed.layer.alpha)


@formulas(L.Softplus)
def softplus(placed: Placed, f: Functional) -> Applied:
    beta = placed.layer.beta

    def applied(inputs: Any, parts: Any) -> Any:
        return f.softplus(inputs[0] * beta) / beta

    return applied


@formulas(L.LogSigmoid)
def log_sigmoid(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        return -f.softplus(-inputs[0])

    return applied


@formulas(L.Softsign)
def softsign(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        return x / (f.where(x > 0, x, -x) + 1.0)

    return applied


@formulas(L.GLU)
def glu(placed: Placed, f: Functional) -> Applied:
    axis = axis_index(placed.layer.axis, len(placed.in_shape)) + 1
    half = placed.in_shape[axis - 1] // 2

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        gate = f.cut(x, axis, half, 2 * half, 1)
        return f.cut(x, axis, 0, half, 1) * f.sigmoid(gate)

    return applied
