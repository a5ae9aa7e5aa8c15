"""Activations, value by value."""

from __future__ import annotations

from typing import Any

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__: list[str] = []


@formulas(L.Mish)
def mish(placed: Placed, f: Functional) -> Applied:
    del placed

    def applied(inputs: Any, parts: Any) -> Any:
        x = inputs[0]
        return x * f.tanh(f.softplus(x))

    return applied
