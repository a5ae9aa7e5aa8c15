"""Rules: which builder serves which layer or loss. The keys *are* the list of what is supported."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from unifw.spec.value import Value

__all__ = ["Reason", "Rules"]

Builder = TypeVar("Builder", bound=Callable[..., Any])


class Reason(enum.Enum):
    """Why there is no rule."""

    NOT_WRITTEN = "not written yet"
    FRAMEWORK = "the framework has none"
    SENSELESS = "makes no sense here"


class Rules:
    """A table from the class of a description to the function that builds it in one framework.

    Parameters
    ----------
    where : str
        Whose rules they are, as errors name it: ``"backend 'paddle'"``.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._builders: dict[type[Value], Callable[..., Any]] = {}
        self._gaps: dict[type[Value], str] = {}

    def __call__(self, *kinds: type[Value]) -> Callable[[Builder], Builder]:
        """Register the decorated function as the builder of ``kinds``."""

        def remember(builder: Builder) -> Builder:
            self._builders.update(dict.fromkeys(kinds, builder))
            return builder

        return remember

    def adopt(self, others: Rules, wrap: Callable[[Any], Callable[..., Any]]) -> None:
        """Take the builders of another table, wrapped, for all that has neither rule nor gap here."""
        for kind, builder in others._builders.items():
            if kind not in self._builders and kind not in self._gaps:
                self._builders[kind] = wrap(builder)

    def lacks(self, kind: type[Value], reason: Reason, why: str) -> None:
        """State that ``kind`` has no rule here, and why (with version and link where it is the framework's)."""
        self._gaps[kind] = f"{reason.value}: {why}"

    def find(self, value: Value) -> Callable[..., Any]:
        """Return the builder for a value whose support has been checked."""
        return self._builders[type(value)]

    def of(self, kind: type[Value]) -> Callable[..., Any]:
        """Return the builder of a kind that has one."""
        return self._builders[kind]

    def why_not(self, kind: type[Value]) -> str | None:
        """Return why ``kind`` cannot be built, or ``None`` if it can."""
        if kind in self._builders:
            return None
        return self._gaps.get(kind, Reason.NOT_WRITTEN.value)

    def gaps(self, values: Mapping[str, Value]) -> list[str]:
        """Return a sentence for every value, given by label, that cannot be built."""
        reasons = ((label, self.why_not(type(value))) for label, value in values.items())
        return [f"{label}: {why}" for label, why in reasons if why is not None]
