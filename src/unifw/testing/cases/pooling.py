"""Pooling with its options, of volumes, and adaptive."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, SERIES, VOLUME, LayerCase, unary

__all__ = ["CASES"]

PAIRS = ((1, 0), (0, 2), (1, 1))

CASES: tuple[LayerCase, ...] = (
    unary("max-pool1d-ceil", L.MaxPool1D(2, ceil_mode=True), SERIES, "ties"),
    unary("max-pool2d-ceil", L.MaxPool2D(3, 2, 1, ceil_mode=True), (4, 6, 7), "ties"),
    unary("max-pool2d-ceil-beyond", L.MaxPool2D(2, 3, 1, ceil_mode=True), (4, 5, 6), "ties"),
    unary("max-pool3d", L.MaxPool3D(2), VOLUME, "ties"),
    unary("max-pool3d-options", L.MaxPool3D(3, (2, 1, 2), PAIRS, ceil_mode=True), VOLUME, "ties"),
    unary("max-pool3d-same", L.MaxPool3D((2, 3, 1), 2, "same"), VOLUME, "ties"),
    unary("avg-pool1d-ceil", L.AvgPool1D(2, ceil_mode=True), SERIES),
    unary("avg-pool1d-count", L.AvgPool1D(3, 2, 1, count_include_pad=True), SERIES),
    unary("avg-pool2d-ceil", L.AvgPool2D(3, 2, 1, ceil_mode=True), (4, 6, 7)),
    unary("avg-pool2d-count", L.AvgPool2D(3, 2, ((2, 0), (1, 1)), count_include_pad=True), IMAGE),
    unary(
        "avg-pool2d-ceil-count",
        L.AvgPool2D(3, 2, 1, ceil_mode=True, count_include_pad=True),
        (4, 6, 7),
    ),
    unary("avg-pool2d-same-count", L.AvgPool2D(3, 2, "same", count_include_pad=True), IMAGE),
    unary("avg-pool3d", L.AvgPool3D(2), VOLUME),
    unary("avg-pool3d-options", L.AvgPool3D(3, (2, 1, 2), PAIRS, ceil_mode=True), VOLUME),
    unary(
        "avg-pool3d-count",
        L.AvgPool3D(3, 2, PAIRS, ceil_mode=True, count_include_pad=True),
        VOLUME,
    ),
    unary("adaptive-max-pool1d", L.AdaptiveMaxPool1D(4), SERIES, "ties"),
    unary("adaptive-max-pool1d-one", L.AdaptiveMaxPool1D(1), SERIES, "ties"),
    unary("adaptive-max-pool2d", L.AdaptiveMaxPool2D((3, 4)), IMAGE, "ties"),
    unary("adaptive-max-pool2d-more", L.AdaptiveMaxPool2D((9, 2)), IMAGE, "ties"),
    unary("adaptive-max-pool3d", L.AdaptiveMaxPool3D((3, 2, 1)), VOLUME, "ties"),
    unary("adaptive-avg-pool1d", L.AdaptiveAvgPool1D(4), SERIES),
    unary("adaptive-avg-pool2d", L.AdaptiveAvgPool2D((3, 4)), IMAGE),
    unary("adaptive-avg-pool2d-one", L.AdaptiveAvgPool2D(1), IMAGE),
    unary("adaptive-avg-pool2d-more", L.AdaptiveAvgPool2D((9, 2)), IMAGE),
    unary("adaptive-avg-pool3d", L.AdaptiveAvgPool3D((3, 2, 1)), VOLUME),
)
