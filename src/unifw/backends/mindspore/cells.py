"""What a rule is in MindSpore: a class of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mindspore import nn

from unifw.spec.graph import Placed

__all__ = ["Parts", "Rule"]

Parts = Mapping[str, Any]


class Rule(nn.Cell):
    """Base of all rules."""

    def __init__(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        super().__init__(auto_prefix=False)
        self.build(placed, parts, training=training)

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        """Keep what ``construct`` needs."""
