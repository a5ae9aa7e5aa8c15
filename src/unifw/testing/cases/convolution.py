"""Convolutions of volumes, transposed, and separable."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, SERIES, VOLUME, LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    unary("conv3d", L.Conv3D(3, 2), VOLUME),
    unary("conv3d-same-stride", L.Conv3D(3, 3, (2, 1, 2), "same"), VOLUME),
    unary(
        "conv3d-options", L.Conv3D(4, (2, 3, 1), 2, ((1, 0), (0, 2), (1, 1)), (1, 2, 1), 2), VOLUME
    ),
    unary("conv3d-pointwise", L.Conv3D(3, 1, bias=False), VOLUME),
    unary("conv-transpose1d", L.ConvTranspose1D(3, 3), SERIES),
    unary("conv-transpose1d-stride", L.ConvTranspose1D(3, 3, 2, 1, output_padding=1), SERIES),
    unary("conv-transpose1d-same", L.ConvTranspose1D(3, 4, 3, "same", groups=1), SERIES),
    unary("conv-transpose1d-groups", L.ConvTranspose1D(6, 2, 2, groups=2, bias=False), SERIES),
    unary("conv-transpose1d-stride-beyond-kernel", L.ConvTranspose1D(3, 2, 4, "same"), SERIES),
    unary("conv-transpose2d", L.ConvTranspose2D(3, 2, 2), IMAGE),
    unary("conv-transpose2d-same", L.ConvTranspose2D(3, 3, 2, "same"), IMAGE),
    unary("conv-transpose2d-same-even", L.ConvTranspose2D(3, (2, 4), (1, 3), "same"), IMAGE),
    unary("conv-transpose2d-pairs", L.ConvTranspose2D(3, 3, (2, 1), ((1, 0), (0, 2))), IMAGE),
    unary("conv-transpose2d-dilated", L.ConvTranspose2D(3, 3, (2, 3), 1, dilation=2), IMAGE),
    unary(
        "conv-transpose2d-options",
        L.ConvTranspose2D(6, (3, 2), (3, 2), (1, 0), (1, 3), 2, output_padding=(2, 2)),
        IMAGE,
    ),
    unary("conv-transpose2d-depthwise", L.ConvTranspose2D(4, 3, 2, groups=4, bias=False), IMAGE),
    unary("conv-transpose2d-pointwise", L.ConvTranspose2D(3, 1, 1), IMAGE),
    unary(
        "conv-transpose2d-padded-beyond-reach", L.ConvTranspose2D(3, 2, 1, ((2, 1), (0, 3))), IMAGE
    ),
    unary("conv-transpose3d", L.ConvTranspose3D(3, 2, 2), VOLUME),
    unary(
        "conv-transpose3d-options",
        L.ConvTranspose3D(2, (2, 3, 1), (1, 2, 2), 0, groups=2, output_padding=(0, 1, 1)),
        VOLUME,
    ),
    unary("separable-conv1d", L.SeparableConv1D(3, 3), SERIES),
    unary(
        "separable-conv1d-options",
        L.SeparableConv1D(3, 3, 2, "same", bias=False, depth_multiplier=2),
        SERIES,
    ),
    unary("separable-conv2d", L.SeparableConv2D(3, 3, padding="same"), IMAGE),
    unary(
        "separable-conv2d-options",
        L.SeparableConv2D(6, (2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2), 2, depth_multiplier=3),
        IMAGE,
    ),
)
