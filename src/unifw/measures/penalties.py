"""What the weights of a net add to its loss, in NumPy: value and gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.formulas.tape import TAPE, Value, gradients
from unifw.formulas.weights import held_by
from unifw.spec.graph import Graph
from unifw.spec.regularizers import Regularizer

__all__ = ["penalty", "value_and_slope"]

Array = npt.NDArray[Any]


def value_and_slope(rule: Regularizer, weight: Array) -> tuple[Any, Array]:
    """Return what a weight adds to the loss, and the gradient of that, in the weight's dtype."""
    given = Value(weight, learns=True)
    made: Value = held_by.find(rule)(rule, weight.ndim, TAPE)(given)
    (slope,) = gradients(made, np.ones_like(made.data), [given])
    return made.data, np.zeros_like(weight) if slope is None else slope


def penalty(graph: Graph, weights: Mapping[str, Array]) -> float:
    """Return the sum of the penalties of all regularized weights, worked out in float64."""
    return sum(
        float(value_and_slope(rule, weights[name].astype(np.float64))[0])
        for name, rule in graph.regularizers.items()
    )
