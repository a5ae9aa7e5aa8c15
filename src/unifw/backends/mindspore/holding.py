"""Regularizers and constraints as cells, each over the weight that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mindspore import nn, ops

from unifw.backends.mindspore.functional import FUNCTIONAL
from unifw.formulas.weights import held_by
from unifw.spec.constraints import Constraint
from unifw.spec.regularizers import Regularizer
from unifw.spec.value import Value

__all__ = ["constraints", "penalties"]


class Penalty(nn.Cell):
    """What one weight adds to the loss."""

    def __init__(self, rule: Value, weight: Any) -> None:
        super().__init__(auto_prefix=False)
        self.weight = weight
        self.formula = held_by.find(rule)(rule, weight.ndim, FUNCTIONAL)

    def construct(self) -> Any:
        return self.formula(self.weight)


class Hold(Penalty):
    """Turns one weight into what its constraint makes of it."""

    def construct(self) -> Any:
        return ops.assign(self.weight, self.formula(self.weight))


def penalties(rules: Mapping[str, Regularizer], parameters: Mapping[str, Any]) -> nn.CellList:
    """Return a cell for each regularized weight, which gives its penalty."""
    cells = [Penalty(rule, parameters[name]) for name, rule in rules.items()]
    return nn.CellList(cells, auto_prefix=False)


def constraints(rules: Mapping[str, Constraint], parameters: Mapping[str, Any]) -> nn.CellList:
    """Return a cell for each constrained weight, which puts it right in its place."""
    cells = [Hold(rule, parameters[name]) for name, rule in rules.items()]
    return nn.CellList(cells, auto_prefix=False)
