"""Normalisation."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, SERIES, LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    unary("rms-norm", L.RMSNorm(), (3, 6)),
    unary("rms-norm-vector", L.RMSNorm(), (6,), "zeros"),
    unary("rms-norm-axes", L.RMSNorm(3, 1e-2), IMAGE),
    unary("rms-norm-plain", L.RMSNorm(2, affine=False), IMAGE),
    unary("group-norm", L.GroupNorm(2), IMAGE),
    unary("group-norm-vector", L.GroupNorm(2), (6,)),
    unary("group-norm-series", L.GroupNorm(1, 1e-2), SERIES),
    unary("group-norm-volume", L.GroupNorm(3), (6, 2, 4, 3), "zeros"),
    unary("group-norm-plain", L.GroupNorm(2, affine=False), IMAGE),
    unary("instance-norm", L.InstanceNorm(), IMAGE),
    unary("instance-norm-series", L.InstanceNorm(1e-2), SERIES),
    unary("instance-norm-volume", L.InstanceNorm(), (3, 2, 4, 3)),
    unary("instance-norm-plain", L.InstanceNorm(affine=False), IMAGE),
)
