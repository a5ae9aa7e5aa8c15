"""Attention and positions."""

from __future__ import annotations

from unifw import layers as L
from unifw.initializers import Uniform
from unifw.testing.cases.kinds import LayerCase, unary

__all__ = ["CASES"]

TEXT, OTHER = (4, 6), (5, 3)
ATTENTION = L.MultiHeadAttention
MASKED = ("normal", "mask")

CASES: tuple[LayerCase, ...] = (
    unary("attention", ATTENTION(2), TEXT),
    unary("attention-one-head", ATTENTION(1, bias=False), TEXT),
    unary("attention-options", ATTENTION(3, 5, 2), TEXT),
    unary("attention-causal", ATTENTION(2, causal=True), TEXT),
    unary("attention-large", ATTENTION(2), TEXT, "large"),
    LayerCase("attention-cross", ATTENTION(2), (TEXT, OTHER)),
    LayerCase("attention-key", ATTENTION(2, 3, 4), (TEXT, OTHER, (5, 2))),
    LayerCase("attention-mask", ATTENTION(2, masked=True), (TEXT, (4, 4)), MASKED),
    LayerCase("attention-mask-keys", ATTENTION(2, masked=True, causal=True), (TEXT, (4,)), MASKED),
    LayerCase(
        "attention-cross-mask", ATTENTION(3, masked=True), (TEXT, OTHER, (5,)),
        ("normal", "normal", "mask"),
    ),
    LayerCase(
        "attention-key-mask", ATTENTION(3, masked=True, bias=False), (TEXT, OTHER, OTHER, (4, 5)),
        ("normal", "normal", "normal", "mask"),
    ),
    unary("positional-embedding", L.PositionalEmbedding(4), TEXT),
    unary("positional-embedding-longer", L.PositionalEmbedding(7, Uniform()), TEXT),
    unary("sinusoidal-positions", L.SinusoidalPositions(), TEXT),
    unary("sinusoidal-positions-odd", L.SinusoidalPositions(100), (4, 5)),
)  # fmt: skip
