"""Activations."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (unary("mish", L.Mish(), (6, 4), "zeros"),)
