"""Activations in NumPy."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward, pure, rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

Array = npt.NDArray[Any]


@rules(L.ReLU)
def relu(placed: Placed) -> Forward:
    del placed

    def forward(call: Call) -> tuple[Array, Backward]:
        (x,), room = call.inputs, call.room
        y = np.maximum(x, 0, out=room.like("y", x))

        def backward(dy: Array) -> Any:
            return (np.multiply(dy, y > 0, out=room.like("dx", y)),), {}

        return y, backward

    return forward


@rules(L.LeakyReLU)
@pure
def leaky_relu(layer: L.LeakyReLU, x: Array) -> Any:
    slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(layer.negative_slope))
    return x * slope, lambda dy: dy * slope


@rules(L.ELU)
@pure
def elu(layer: L.ELU, x: Array) -> Any:
    y = np.where(x > 0, x, layer.alpha * np.expm1(np.minimum(x, 0)))
    return y, lambda dy: dy * np.where(x > 0, 1, y + x.dtype.type(layer.alpha))


@rules(L.GELU)
@pure
def gelu(layer: L.GELU, x: Array) -> Any:
    if layer.approximate == "tanh":
        root = math.sqrt(2 / math.pi)
        t = np.tanh(root * (x + 0.044715 * x**3))
        slope = root * (1 + 3 * 0.044715 * x * x)
        return x * (1 + t) / 2, lambda dy: dy * ((1 + t) + x * (1 - t * t) * slope) / 2
    below = _erf(x * (1 / math.sqrt(2)))
    below += 1
    below /= 2

    def backward(dy: Array) -> Array:
        slope = x * x
        slope /= -2
        np.exp(slope, out=slope)
        slope *= 1 / math.sqrt(2 * math.pi)
        slope *= x
        slope += below
        slope *= dy
        return slope

    return x * below, backward


@rules(L.SiLU)
@pure
def silu(layer: L.SiLU, x: Array) -> Any:
    del layer
    s = _sigmoid(x)
    return x * s, lambda dy: dy * (s + x * s * (1 - s))


@rules(L.Sigmoid)
@pure
def sigmoid(layer: L.Sigmoid, x: Array) -> Any:
    del layer
    y = _sigmoid(x)
    return y, lambda dy: dy * y * (1 - y)


@rules(L.Tanh)
@pure
def tanh(layer: L.Tanh, x: Array) -> Any:
    del layer
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y * y)


@rules(L.Softmax)
@pure
def softmax(layer: L.Softmax, x: Array) -> Any:
    e = np.exp(x - x.max(axis=layer.axis, keepdims=True))
    y = e / e.sum(axis=layer.axis, keepdims=True)
    return y, lambda dy: y * (dy - (dy * y).sum(axis=layer.axis, keepdims=True))


@rules(L.LogSoftmax)
@pure
def log_softmax(layer: L.LogSoftmax, x: Array) -> Any:
    shifted = x - x.max(axis=layer.axis, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=layer.axis, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=layer.axis, keepdims=True)


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), dtype=x.dtype)


# erf(x) = x P(x²) / Q(x²) for |x| up to 4, beyond which it is 1 in float32; highest powers first. They are
# those of Eigen 3.4 (``generic_fast_erf_float``), within 4e-7.
ABOVE = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
BELOW = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
    -1.42647390514189e-02,
)  # fmt: skip
# How many numbers at a time: all that is between stays in a core's second cache.
PIECE = 1 << 14


def _erf(x: Array) -> Array:
    """Return the error function; NumPy has none, and SciPy is too large to ask for it alone."""
    if x.dtype == np.float64:
        return _exact_erf(x)
    y = np.empty_like(x)
    ways: Any = [["readonly"], ["writeonly"]]
    flags: Any = ["external_loop", "buffered", "zerosize_ok"]
    with np.nditer((x, y), flags, ways, buffersize=PIECE) as pieces:
        for given, out in pieces:
            z = np.clip(given, -4, 4)
            square = z * z
            z *= _polynomial(ABOVE, square)
            np.divide(z, _polynomial(BELOW, square), out=out)
    return y


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Return a polynomial's values, by Horner's rule."""
    y: Array = x * x.dtype.type(coefficients[0])
    for coefficient in coefficients[1:-1]:
        y += x.dtype.type(coefficient)
        y *= x
    y += x.dtype.type(coefficients[-1])
    return y


@cache
def _erfc_exponent() -> Any:
    """Return the Chebyshev polynomial of ``log(erfc(z) / t) + z²`` in ``t = 2 / (2 + z)``.

    The form is that of Numerical Recipes, 6.2.2; the coefficients are fitted here to ``math.erfc``
    for z up to 6.5, beyond which erf is 1 in float64.
    """
    from numpy.polynomial import Chebyshev

    def exponent(t: Array) -> Array:
        z = 2 / t - 2
        return np.array([math.log(math.erfc(a) / b) + a * a for a, b in zip(z, t, strict=True)])

    return Chebyshev.interpolate(exponent, 24, domain=[2 / 8.5, 1.0])


def _exact_erf(x: Array) -> Array:
    z = np.minimum(np.abs(x), 6.5)
    t = 2 / (2 + z)
    erfc = t * np.exp(_erfc_exponent()(t) - z * z)
    return np.asarray(np.copysign(1 - erfc, x), dtype=x.dtype)
