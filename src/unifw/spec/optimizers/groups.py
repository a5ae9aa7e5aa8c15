"""Groups: weights that an optimizer treats otherwise than the rest, chosen by their names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from typing import ClassVar

from unifw.spec import check
from unifw.spec.graph import Graph
from unifw.spec.value import Value

__all__ = ["Group", "no_decay"]


@dataclass(frozen=True, repr=False)
class Group(Value):
    """Weights by the pattern of their full names, and what is different for them.

    Parameters
    ----------
    pattern : str
        As in file names: ``"*.bias"``, ``"batch_norm*.*"``, ``"dense_[12].weight"``. A weight belongs
        to the first group whose pattern fits it; upper and lower case differ.
    rate : float
        Multiplies the learning rate; default 1. With 0 the weights stay as they are.
    weight_decay : float, optional
        Instead of that of the optimizer.
    """

    family: ClassVar[str] = "group"

    pattern: str
    rate: float = 1.0
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str) or not self.pattern:
            raise self.refuse(f"pattern must be a text such as '*.bias', got {self.pattern!r}")
        self.normalise(rate=check.number("rate", self.rate, least=0))
        if self.weight_decay is not None:
            decay = check.number("weight_decay", self.weight_decay, least=0, below=math.inf)
            self.normalise(weight_decay=decay)

    def holds(self, name: str) -> bool:
        """Tell whether its pattern fits the full name of a weight."""
        return fnmatchcase(name, self.pattern)


def no_decay(net: Graph) -> tuple[Group, ...]:
    """Return groups that spare biases and norms from weight decay: all weights with a single axis.

    As in ``AdamW(weight_decay=0.05, groups=no_decay(net))``.
    """
    return tuple(
        Group(escape(name), weight_decay=0.0)
        for name, part in net.parts.items()
        if part.trainable and len(part.shape) < 2
    )
