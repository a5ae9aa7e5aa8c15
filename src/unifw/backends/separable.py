"""A separable convolution as the two that it is, for plugins that have a rule for those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from unifw.backends.eager import Call, Forward
from unifw.spec.graph import Placed

__all__ = ["separable", "stages"]


def stages(placed: Placed) -> tuple[Placed, Placed]:
    """Return the depthwise and the pointwise convolution in their places, each with a ``weight``."""
    first, second = placed.layer.stages(placed.in_shape[0])
    middle, parts = first.out_shape(placed.in_shape), placed.parts
    rest = {"bias": parts["bias"]} if "bias" in parts else {}
    return (
        replace(placed, layer=first, out_shape=middle, parts={"weight": parts["depthwise"]}),
        replace(
            placed, layer=second, in_shapes=(middle,), parts={"weight": parts["pointwise"]} | rest
        ),
    )


def separable(conv: Callable[[Placed], Forward]) -> Callable[[Placed], Forward]:
    """Return the rule of separable convolutions, given that of convolutions."""

    def rule(placed: Placed) -> Forward:
        first, second = map(conv, stages(placed))

        def forward(call: Call) -> Any:
            weights = dict(call.weights)
            depthwise, weights["weight"] = weights.pop("depthwise"), weights.pop("pointwise")
            middle = first(call._replace(weights={"weight": depthwise}))
            return second(call._replace(weights=weights, inputs=(middle,), is_first=False))

        return forward

    return rule
