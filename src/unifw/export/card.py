"""The card beside an exported file: what it takes and gives, where it comes from, and its files' digests.

For files whose format has no room for names, shapes and origin. A runner reads it without unifw: it is
``MODEL.json`` in plain JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unifw.errors import FileError

__all__ = ["Card", "Port", "card_path", "digest", "parse_card", "read_card", "write_card"]

VERSION = 1
LARGEST = 1 << 20  # bytes; the card of a net with a thousand inputs has a tenth of it


@dataclass(frozen=True)
class Port:
    """An input or output.

    Attributes
    ----------
    name : str
        What it is called.
    shape : tuple of int
        Without the batch.
    dtype : {"float", "int"}
        What it holds; default ``"float"``.
    limits : tuple of int
        Below which numbers the whole numbers of an input must stay, as runtimes look rows up without
        asking: one for all positions of a sample or one for each, in their order; none (default) where
        any will do.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float"
    limits: tuple[int, ...] = ()


@dataclass(frozen=True)
class Card:
    """What a file says of itself.

    Attributes
    ----------
    inputs, outputs : tuple of Port
        In the order of the net.
    metadata : dict of str to str
        Where it comes from.
    files : dict of str to str
        SHA-256 of each file of the export, by name.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(
            {
                "unifw_card": VERSION,
                "inputs": [vars(port) for port in self.inputs],
                "outputs": [vars(port) for port in self.outputs],
                "metadata": dict(self.metadata),
                "files": dict(self.files),
            },
            ensure_ascii=False,
            indent=1,
        )


def card_path(path: Path) -> Path:
    """Return where the card of an exported file lies."""
    return path.with_name(f"{path.name}.json")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def write_card(path: Path, card: Card) -> Path:
    """Write the card of the exported file ``path`` and return where it is."""
    where = card_path(path)
    where.write_text(card.to_json() + "\n", encoding="utf-8")
    return where


def read_card(path: Path) -> Card:
    """Read the card of an exported file.

    Raises
    ------
    FileError
        If there is none, or it is damaged.
    """
    where = card_path(path)
    try:
        with where.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as err:
        message = f"{path} cannot be opened without its card {where.name}: {err.strerror}"
        raise FileError(message) from err
    if len(content) > LARGEST:
        message = f"{where} is too large for a card of unifw"
        raise FileError(message)
    return parse_card(content, str(where))


def parse_card(content: bytes | str, where: str) -> Card:
    """Read a card's text.

    Raises
    ------
    FileError
        If it is no card, or damaged.
    """
    try:
        told = json.loads(content)
        version = told["unifw_card"]
        card = Card(
            _ports(told["inputs"]),
            _ports(told["outputs"]),
            {str(key): str(value) for key, value in told["metadata"].items()},
            {str(key): str(value) for key, value in told["files"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        message = f"{where} is no card of an exported file, or damaged: {type(err).__name__} {err}"
        raise FileError(message) from err
    if version != VERSION:
        message = f"{where} is of version {version!r}; this unifw reads {VERSION}"
        raise FileError(message)
    return card


def _ports(told: Sequence[Mapping[str, Any]]) -> tuple[Port, ...]:
    found = tuple(
        Port(
            port["name"],
            tuple(int(size) for size in port["shape"]),
            port["dtype"],
            tuple(int(limit) for limit in port.get("limits", ())),  # cards of 0.1 may have none
        )
        for port in told
    )
    for port in found:
        if not isinstance(port.name, str) or port.dtype not in ("float", "int"):
            message = f"{port} is no input or output"
            raise ValueError(message)
        places = {0, 1, math.prod(port.shape)} if port.dtype == "int" else {0}
        if len(port.limits) not in places or any(not 0 < n < 1 << 31 for n in port.limits):
            message = f"{port} cannot have such limits"
            raise ValueError(message)
    return found
