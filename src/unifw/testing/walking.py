"""Two weights on their way down given slopes: what an optimizer does, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from unifw import layers as L
from unifw import losses, optimizers
from unifw.data import Data
from unifw.initializers import Constant
from unifw.spec.graph import Sequential
from unifw.testing.compare import opened
from unifw.weights import initial

__all__ = ["ONE", "SLOPES", "stepped", "walked"]

ONE = Sequential([L.Dense(1, bias=False, weight_init=Constant(0.5))], input_shape=2, name="one")
SLOPES = (0.3, -0.04), (0.1, 0.2), (-0.2, 0.05), (0.05, -0.1)


def walked(backend: str, optimizer: optimizers.Optimizer, slopes: Any = SLOPES) -> Any:
    """Return two weights that began at 0.5, after a step for each pair of given gradients.

    With inputs x, a single row, and a target one below the output, MAE has the gradient x.
    """
    with opened(backend, ONE, (losses.MAE(),), optimizer, weights=initial(ONE, 0)) as session:
        for slope in slopes:
            x = np.array([slope], dtype=np.float32)
            session.take_step(Data((x,), (session.forward((x,))[0] - 1,)))
        return session.weights()["dense.weight"][:, 0]


def stepped(rule: Any, slopes: Any = SLOPES) -> Any:
    """Return what a rule ``(t, g, memory) -> step`` makes of the same gradients, in plain floats."""
    weights = []
    for column in zip(*slopes, strict=True):
        weight, memory = 0.5, {"v": 0.0, "m": 0.0}
        for t, g in enumerate(column, start=1):
            weight -= rule(t, g, memory)
        weights.append(weight)
    return weights
