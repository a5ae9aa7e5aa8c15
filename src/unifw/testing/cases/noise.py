"""Layers that make training noisy."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, SERIES, LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    unary("spatial-dropout", L.SpatialDropout(), IMAGE),
    unary("spatial-dropout-rate", L.SpatialDropout(0.2), SERIES),
    unary("gaussian-noise", L.GaussianNoise(), (6, 4)),
    unary("gaussian-noise-std", L.GaussianNoise(2), IMAGE),
)
