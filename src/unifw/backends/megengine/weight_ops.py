"""What the formulas of regularizers and constraints need in MegEngine."""

from __future__ import annotations

from typing import Any

import megengine.functional as F

__all__ = ["MegEngineWeightOps"]


class MegEngineWeightOps:
    sqrt = staticmethod(F.sqrt)
    total = staticmethod(F.sum)
    at_least = staticmethod(F.maximum)
    at_most = staticmethod(F.minimum)

    @staticmethod
    def abs(x: Any) -> Any:
        # F.abs (megengine 1.13) has the gradient 1 at 0, where it must be 0.
        return x * F.sign(x.detach())

    @staticmethod
    def along(x: Any, axes: tuple[int, ...]) -> Any:
        return F.sum(x, axis=axes, keepdims=True)
