"""Layers that join several inputs."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import IMAGE, LayerCase

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    LayerCase("subtract", L.Subtract(), (IMAGE, IMAGE)),
    LayerCase("subtract-stretched", L.Subtract(), ((4, 1, 1), IMAGE)),
    LayerCase("divide", L.Divide(), (IMAGE, IMAGE), "positive"),
    LayerCase("divide-stretched", L.Divide(), (IMAGE, (1, 7, 1)), "positive"),
    LayerCase("average", L.Average(), (IMAGE, IMAGE)),
    LayerCase("average-stretched", L.Average(), (IMAGE, (4, 1, 1), (1, 7, 6))),
    LayerCase("maximum", L.Maximum(), ((6, 4), (6, 4)), "ties"),
    LayerCase("maximum-stretched", L.Maximum(), (IMAGE, (4, 1, 1), (1, 7, 6)), "ties"),
    LayerCase("minimum", L.Minimum(), ((6, 4), (6, 4), (6, 4)), "ties"),
    LayerCase("minimum-stretched", L.Minimum(), ((1, 4), (6, 1)), "ties"),
    LayerCase("matmul", L.MatMul(), ((3, 4), (4, 2))),
    LayerCase("matmul-heads", L.MatMul(), ((2, 5, 4), (2, 4, 3))),
    LayerCase("matmul-stretched", L.MatMul(), ((2, 1, 3, 4), (1, 3, 4, 2))),
    LayerCase("matmul-one-for-all", L.MatMul(), ((3, 2, 4), (1, 4, 5))),
    LayerCase("dot", L.Dot(1), ((6,), (6,))),
    LayerCase("dot-cosine", L.Dot(-1, normalize=True), ((6,), (6,))),
    LayerCase("dot-axes", L.Dot((1, 2)), ((4,), (3, 4))),
    LayerCase("dot-images", L.Dot((1, 3), normalize=True), ((3, 2, 4), (2, 4, 3))),
)
