"""The formulas of regularizers and constraints as cells, each over the weight that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore
from mindspore import nn, ops

from unifw.spec.constraints import Constraint
from unifw.spec.regularizers import Regularizer

__all__ = ["constraints", "penalties"]


@mindspore.jit_class
class MindSporeWeightOps:
    """What the formulas need."""

    def abs(self, x: Any) -> Any:
        return ops.abs(x)

    def sqrt(self, x: Any) -> Any:
        return ops.sqrt(x)

    def total(self, x: Any) -> Any:
        return ops.sum(x)

    def along(self, x: Any, axes: tuple[int, ...]) -> Any:
        return ops.sum(x, axes, True)

    def at_least(self, x: Any, limit: float) -> Any:
        return ops.maximum(x, limit)

    def at_most(self, x: Any, limit: float) -> Any:
        return ops.minimum(x, limit)


class Penalty(nn.Cell):
    """What one weight adds to the loss."""

    def __init__(self, rule: Regularizer, weight: Any) -> None:
        super().__init__(auto_prefix=False)
        mindspore.jit_class(type(rule))
        self.rule, self.weight, self.ops = rule, weight, MindSporeWeightOps()

    def construct(self) -> Any:
        return self.rule.penalty(self.ops, self.weight)


class Hold(nn.Cell):
    """Turns one weight into what its constraint makes of it."""

    def __init__(self, rule: Constraint, weight: Any) -> None:
        super().__init__(auto_prefix=False)
        mindspore.jit_class(type(rule))
        self.rule, self.weight, self.ops = rule, weight, MindSporeWeightOps()

    def construct(self) -> Any:
        return ops.assign(self.weight, self.rule.apply(self.ops, self.weight))


def penalties(rules: Mapping[str, Regularizer], parameters: Mapping[str, Any]) -> nn.CellList:
    """Return a cell for each regularized weight, which gives its penalty."""
    cells = [Penalty(rule, parameters[name]) for name, rule in rules.items()]
    return nn.CellList(cells, auto_prefix=False)


def constraints(rules: Mapping[str, Constraint], parameters: Mapping[str, Any]) -> nn.CellList:
    """Return a cell for each constrained weight, which puts it right in its place."""
    cells = [Hold(rule, parameters[name]) for name, rule in rules.items()]
    return nn.CellList(cells, auto_prefix=False)
