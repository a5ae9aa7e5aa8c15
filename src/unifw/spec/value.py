"""What every description is: a frozen value that prints as it was written and travels as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import Self

from unifw.errors import FileError, SpecError, UnknownName

__all__ = ["Value", "decode", "named"]


@dataclasses.dataclass(frozen=True, repr=False)
class Value:
    """Base of layers, losses, metrics, optimizers and initializers."""

    family: ClassVar[str] = "value"

    def __repr__(self) -> str:
        """Print it as a person would write it: no needless fields, ``3`` rather than ``(3, 3)``."""
        shown = []
        positional = True
        for field in sorted(dataclasses.fields(self), key=lambda field: bool(field.kw_only)):
            required = field.default is dataclasses.MISSING
            if not required and self._stays_with(field, field.default):
                continue
            positional = positional and required
            shown.append(("" if positional else f"{field.name}=") + self._brief(field))
        return f"{type(self).__name__}({', '.join(shown)})"

    def _brief(self, field: dataclasses.Field[Any]) -> str:
        value = shorter = getattr(self, field.name)
        while isinstance(shorter, tuple) and len(set(shorter)) == 1:
            shorter = shorter[0]
            value = shorter if self._stays_with(field, shorter) else value
        return repr(value)

    def _stays_with(self, field: dataclasses.Field[Any], value: Any) -> bool:
        """Tell whether this would be the same value with something else written in a field."""
        try:
            return self.replace(**{field.name: value}) == self
        except SpecError:
            return False

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data: ``{"kind": class name, field: value …}``."""
        fields = dataclasses.fields(self)
        return {"kind": type(self).__name__} | {
            f.name: _plain(getattr(self, f.name)) for f in fields
        }

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, validated anew."""
        return dataclasses.replace(self, **changes)

    def refuse(self, problem: str) -> SpecError:
        """Return the error that says what is wrong with this description."""
        return SpecError(f"{type(self).__name__}: {problem}")

    def normalise(self, **values: Any) -> None:
        """Store normalised field values; only for use in ``__post_init__``."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_data()
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def decode(data: Any, catalogue: Mapping[str, type[Value]]) -> Any:
    """Turn :meth:`Value.to_data` back into a value.

    Parameters
    ----------
    data : object
        Plain JSON data; a ``dict`` with a ``kind`` becomes a value, lists become tuples.
    catalogue : mapping
        The classes that may occur, by name; nothing else is ever built.

    Raises
    ------
    FileError
        If a kind or a field is not known.
    """
    if isinstance(data, list):
        return tuple(decode(v, catalogue) for v in data)
    if not isinstance(data, dict):
        return data
    kind = data.get("kind")
    if kind not in catalogue:
        message = f"unknown kind {kind!r} in a stored description; it needs a newer unifw"
        raise FileError(message)
    fields = {k: decode(v, catalogue) for k, v in data.items() if k != "kind"}
    try:
        return catalogue[str(kind)](**fields)
    except TypeError as err:
        message = f"stored {kind} does not fit this version of unifw: {err}"
        raise FileError(message) from err


def named(given: Any, base: type[Value], catalogue: Mapping[str, type[Value]], what: str) -> Any:
    """Turn a short name or a value into a value.

    ``"adam"`` becomes ``Adam()``, an instance passes through, a class is refused.
    """
    if isinstance(given, base):
        return given
    if isinstance(given, str) and given in catalogue:
        return catalogue[given]()
    if isinstance(given, str):
        raise UnknownName(what, given, catalogue)
    article = "an" if what[0] in "aeiou" else "a"
    wrong = f"{article} {what} is a name or an instance of {base.__name__}, not {given!r}"
    if isinstance(given, type) and issubclass(given, base):
        wrong += f"; write {given.__name__}()"
    raise SpecError(wrong)
