"""What the formulas of regularizers and constraints need of a framework."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["WeightOps"]


class WeightOps(Protocol):
    """The operations on a weight beyond ``+ - * /``."""

    def abs(self, x: Any) -> Any:
        """Return the size, value by value; its gradient at 0 is 0."""

    def sqrt(self, x: Any) -> Any:
        """Return the square root, value by value."""

    def total(self, x: Any) -> Any:
        """Return the sum of all values, without axes."""

    def along(self, x: Any, axes: tuple[int, ...]) -> Any:
        """Return the sums along some axes, which stay with a length of 1."""

    def at_least(self, x: Any, limit: float) -> Any:
        """Return ``max(x, limit)``, value by value."""

    def at_most(self, x: Any, limit: float) -> Any:
        """Return ``min(x, limit)``, value by value."""
