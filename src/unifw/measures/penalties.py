"""What the weights of a net add to its loss, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec.graph import Graph

__all__ = ["NumpyWeightOps", "penalty"]

Array = npt.NDArray[Any]


class NumpyWeightOps:
    """What the formulas of regularizers and constraints need."""

    abs = staticmethod(np.abs)
    sqrt = staticmethod(np.sqrt)
    total = staticmethod(np.sum)
    at_least = staticmethod(np.maximum)
    at_most = staticmethod(np.minimum)

    @staticmethod
    def along(x: Array, axes: tuple[int, ...]) -> Any:
        """Return the sums along some axes, which stay with a length of 1."""
        return x.sum(axis=axes, keepdims=True)


def penalty(graph: Graph, weights: Mapping[str, Array]) -> float:
    """Return the sum of the penalties of all regularized weights, worked out in float64."""
    return sum(
        float(rule.penalty(NumpyWeightOps(), weights[name].astype(np.float64)))
        for name, rule in graph.regularizers.items()
    )
