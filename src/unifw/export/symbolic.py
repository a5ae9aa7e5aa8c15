"""Values whose operators are written down rather than worked out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["Symbolic"]


class Symbolic(ABC):
    """A value of a formula that becomes part of a file."""

    __slots__ = ()

    @abstractmethod
    def binary(self, word: str, first: Any, second: Any) -> Any:
        """Return what an operator makes of two values, one of them perhaps a number."""

    def __add__(self, other: Any) -> Any:
        return self.binary("add", self, other)

    def __radd__(self, other: float) -> Any:
        return self.binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self.binary("subtract", self, other)

    def __rsub__(self, other: float) -> Any:
        return self.binary("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self.binary("multiply", self, other)

    def __rmul__(self, other: float) -> Any:
        return self.binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.binary("divide", self, other)

    def __rtruediv__(self, other: float) -> Any:
        return self.binary("divide", other, self)

    def __neg__(self) -> Any:
        return self.binary("multiply", self, -1.0)

    def __gt__(self, other: Any) -> Any:
        return self.binary("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return self.binary("greater_equal", self, other)

    def __lt__(self, other: Any) -> Any:
        return self.binary("less", self, other)

    def __le__(self, other: Any) -> Any:
        return self.binary("less_equal", self, other)
