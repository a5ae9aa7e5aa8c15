"""What the formulas of regularizers and constraints need in Paddle."""

from __future__ import annotations

from typing import Any

import paddle

__all__ = ["PaddleWeightOps"]


class PaddleWeightOps:
    abs = staticmethod(paddle.abs)
    sqrt = staticmethod(paddle.sqrt)
    total = staticmethod(paddle.sum)

    @staticmethod
    def along(x: Any, axes: tuple[int, ...]) -> Any:
        return x.sum(list(axes), keepdim=True)

    @staticmethod
    def at_least(x: Any, limit: float) -> Any:
        return paddle.clip(x, min=limit)

    @staticmethod
    def at_most(x: Any, limit: float) -> Any:
        return paddle.clip(x, max=limit)
