"""Dropout and noise by Paddle's own generator, for models that need not agree with other backends."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F

from unifw.backends.eager import Call, Forward
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["drawing"]

drawn = Rules("backend 'paddle' with its own generator")


@drawn(L.Dropout)
def dropout(placed: Placed) -> Forward:
    rate = placed.layer.rate
    return lambda call: F.dropout(call.x, rate, training=call.training)


@drawn(L.SpatialDropout)
def spatial_dropout(placed: Placed) -> Forward:
    rate = placed.layer.rate
    return lambda call: F.dropout(call.x, rate, axis=[0, 1], training=call.training)


@drawn(L.GaussianNoise)
def noise(placed: Placed) -> Forward:
    std = placed.layer.std

    def forward(call: Call) -> Any:
        x = call.x
        return x + paddle.randn(x.shape, dtype=x.dtype) * std if call.training else x

    return forward


def drawing(rules: Rules) -> Rules:
    """Return the table with these rules in the place of its own."""
    table = Rules(drawn.where)
    table.adopt(drawn, lambda rule: rule)
    table.adopt(rules, lambda rule: rule)
    return table
