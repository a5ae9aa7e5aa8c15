"""Upsampling."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, SERIES, LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    unary("up-sample1d", L.UpSample1D(2), SERIES),
    unary("up-sample1d-linear", L.UpSample1D(3, "linear"), SERIES),
    unary("up-sample1d-corners", L.UpSample1D(2, "linear", align_corners=True), SERIES),
    unary("up-sample2d", L.UpSample2D((3, 2)), IMAGE),
    unary("up-sample2d-one-axis", L.UpSample2D((1, 2)), IMAGE),
    unary("up-sample2d-bilinear", L.UpSample2D(2, "bilinear"), IMAGE),
    unary("up-sample2d-bilinear-scales", L.UpSample2D((3, 4), "bilinear"), (4, 5, 1)),
    unary("up-sample2d-corners", L.UpSample2D((2, 3), "bilinear", align_corners=True), IMAGE),
)
