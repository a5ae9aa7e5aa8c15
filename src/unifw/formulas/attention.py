"""Attention and positions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []

# In the place of a score that must not count: its exponential is 0, and there is no infinity to subtract.
UNSEEN = -1e9


@formulas(L.MultiHeadAttention)
def multi_head_attention(placed: Placed, f: Functional) -> Applied:
    layer, shapes = placed.layer, placed.in_shapes
    heads, biased, masked, causal = layer.heads, layer.bias, layer.masked, layer.causal
    (queries, _), (keys, _), _ = layer.series(*shapes)
    key_dim, value_dim = layer.sizes(*shapes)
    scale = 1 / math.sqrt(key_dim)
    count = len(shapes) - masked
    mask_shape = (-1, 1, queries if len(shapes[-1]) == 2 else 1, keys)
    # 1 where a key may be seen; with exact ones and zeros both products below are exact.
    before = f.constant(np.tri(queries, keys)[None, None])

    def projected(x: Any, parts: Any, place: int) -> Any:
        y = f.matmul(x, parts[place])
        return y + parts[4 + place] if biased else y

    def applied(inputs: Any, parts: Any) -> Any:
        query, value = inputs[0], inputs[1 if count > 1 else 0]
        key = inputs[2] if count > 2 else value
        q = f.reshape(projected(query, parts, 0), (-1, queries, heads, key_dim))
        k = f.reshape(projected(key, parts, 1), (-1, keys, heads, key_dim))
        v = f.reshape(projected(value, parts, 2), (-1, keys, heads, value_dim))
        scores = f.matmul(f.transpose(q, (0, 2, 1, 3)), f.transpose(k, (0, 2, 3, 1))) * scale
        if masked:
            seen = f.reshape(f.to_float(inputs[count]), mask_shape)
            if causal:
                seen = seen * before
            # Not (1 - seen) * UNSEEN: multiplied out, as MegEngine 1.13 does in a compiled graph, it
            # swallows the scores.
            scores = scores * seen + f.where(seen > 0.0, seen - seen, UNSEEN)
        elif causal:
            scores = scores * before + (1.0 - before) * UNSEEN
        mixed = f.matmul(f.softmax(scores, 3), f.transpose(v, (0, 2, 1, 3)))
        joined = f.reshape(f.transpose(mixed, (0, 2, 1, 3)), (-1, queries, heads * value_dim))
        return projected(joined, parts, 3)

    return applied


@formulas(L.PositionalEmbedding)
def positional_embedding(placed: Placed, f: Functional) -> Applied:
    time, features = placed.in_shape

    def applied(inputs: Any, parts: Any) -> Any:
        rows = f.cut(parts[0], 0, 0, time, 1)
        return inputs[0] + f.reshape(rows, (1, time, features))

    return applied


@formulas(L.SinusoidalPositions)
def sinusoidal_positions(placed: Placed, f: Functional) -> Applied:
    time, features = placed.in_shape
    pair = np.arange(features) // 2
    angles = np.arange(time)[:, None] / placed.layer.base ** (2 * pair / features)
    waves = f.constant(np.where(np.arange(features) % 2, np.cos(angles), np.sin(angles))[None])

    def applied(inputs: Any, parts: Any) -> Any:
        return inputs[0] + waves

    return applied
