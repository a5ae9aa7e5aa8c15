"""Words made of the vocabulary, for several formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unifw.formulas.functional import Functional

__all__ = ["magnitude"]


def magnitude(f: Functional) -> Callable[[Any], Any]:
    """Return what gives the size of a value, with the gradient 0 at 0."""

    def applied(x: Any) -> Any:
        return x * f.where(x > 0, 1.0, f.where(x < 0, -1.0, 0.0))

    return applied
