"""What a rule is in MindSpore: a class of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore
from mindspore import nn, ops

from unifw.spec.graph import Placed

__all__ = ["Parts", "Rule"]

Parts = Mapping[str, Any]


class Rule(nn.Cell):
    """Base of all rules.

    Attributes
    ----------
    is_half : bool
        Whether products are taken in float16, for mixed precision; weights are float32 all the same.
    """

    is_half = False

    def __init__(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        super().__init__(auto_prefix=False)
        self.build(placed, parts, training=training)

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        """Keep what ``construct`` needs."""

    def read(self, weight: Any) -> Any:
        """Return a weight in the dtype of the products."""
        # A cast to what it is already would be compiled all the same.
        return ops.cast(weight, mindspore.float16) if self.is_half else weight
