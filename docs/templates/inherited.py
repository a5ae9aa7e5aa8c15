"""An extension of Griffe, which reads the source for the reference."""

from __future__ import annotations

from typing import Any

import griffe


class InheritedDocstrings(griffe.Extension):
    """Give a class without a docstring that of its base, as ``help`` does; else the reference leaves it out."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through all that was loaded."""
        self._visit(pkg)

    def _visit(self, place: griffe.Module) -> None:
        for member in place.members.values():
            if member.is_alias:
                continue
            if isinstance(member, griffe.Module):
                self._visit(member)
            elif isinstance(member, griffe.Class) and member.docstring is None:
                member.docstring = next(
                    (base.docstring for base in member.mro() if base.docstring), None
                )
