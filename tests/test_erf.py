"""GELU's error function in NumPy: near that of the standard library, wherever numbers lie in memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unifw.backends.numpy.activations import PIECE, _erf

X = np.linspace(-8, 8, 3 * PIECE + 7)
WANTED = np.array([math.erf(value) for value in X])


@pytest.mark.parametrize(("dtype", "within"), [("float32", 5e-7), ("float64", 1e-14)])
def test_it_is_near_the_exact_one(dtype: str, within: float) -> None:
    found = _erf(X.astype(dtype))
    assert found.dtype == dtype
    assert np.abs(found - WANTED).max() <= within


def test_the_layout_is_kept() -> None:
    x = X[: 3 * PIECE].astype(np.float32).reshape(3, -1)
    for given in (x.T, x[:, ::2], x[:0]):
        assert np.array_equal(_erf(given), _erf(np.ascontiguousarray(given)))
    assert _erf(x.T).strides == x.T.strides


def test_what_is_not_finite() -> None:
    found = _erf(np.array([np.nan, np.inf, -np.inf, 0], np.float32))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [1, -1, 0]
