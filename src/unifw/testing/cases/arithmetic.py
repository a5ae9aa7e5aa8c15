"""Arithmetic with numbers, reductions and slices."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, SERIES, LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    unary("affine", L.Affine(), (6, 4)),
    unary("affine-numbers", L.Affine(-2.5, 0.75), (6, 4)),
    unary("affine-reversed", L.Affine(-1, 3), (6, 4)),
    unary("affine-negative", L.Affine(-1), (6, 4)),
    unary("affine-shift", L.Affine(shift=-2), (6, 4)),
    unary("power-one", L.Power(1), (6, 4)),
    unary("power-square", L.Power(2), (6, 4), "zeros"),
    unary("power-seven", L.Power(7), (6, 4), "zeros"),
    unary("power-inverse", L.Power(-1), (6, 4), "positive"),
    unary("power-inverse-cube", L.Power(-3), (6, 4), "positive"),
    unary("power-root", L.Power(0.5), (6, 4), "positive"),
    unary("power-inverse-root", L.Power(-0.5), (6, 4), "positive"),
    unary("power-third", L.Power(1 / 3), (6, 4), "positive"),
    unary("power-fraction", L.Power(2.4), (6, 4), "positive"),
    unary("clip", L.Clip(-1, 1), (6, 4), "ties"),
    unary("clip-below", L.Clip(0), (6, 4), "ties"),
    unary("clip-above", L.Clip(max_value=0.5), (6, 4), "ties"),
    unary("abs", L.Abs(), (6, 4), "zeros"),
    unary("exp", L.Exp(), (6, 4)),
    unary("log", L.Log(), (6, 4), "positive"),
    unary("mean", L.Mean(), IMAGE),
    unary("mean-kept", L.Mean((2, 3), keepdims=True), IMAGE),
    unary("mean-channels", L.Mean(1), IMAGE),
    unary("sum", L.Sum(), (6,)),
    unary("sum-last", L.Sum(-1), SERIES),
    unary("sum-kept", L.Sum((-1, 1), keepdims=True), IMAGE),
    unary("max", L.Max(), IMAGE, "ties"),
    unary("max-last", L.Max(-1), SERIES, "ties"),
    unary("max-middle", L.Max((1, 3)), IMAGE, "ties"),
    unary("max-kept", L.Max(2, keepdims=True), IMAGE, "ties"),
    unary("min", L.Min(), (6,), "ties"),
    unary("min-positions", L.Min((2, 3)), IMAGE, "ties"),
    unary("min-kept", L.Min(keepdims=True), SERIES, "ties"),
    unary("slice", L.Slice(((1, 3, None),)), IMAGE),
    unary("slice-position", L.Slice(-1), IMAGE),
    unary("slice-steps", L.Slice(((None, None, 2), 3, (-5, -1, 3))), IMAGE),
    unary("slice-to-one", L.Slice((1, 2, 3)), IMAGE),
)
