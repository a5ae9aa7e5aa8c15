"""What a plugin for a file format offers, and the table of all of them.

Formats are found by entry point (``unifw.formats``), built-in and foreign ones alike; each is an instance of
a subclass of ``Format``.
"""

from __future__ import annotations

import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from unifw.errors import ExportError, FileError, NotInstalled, UnknownName
from unifw.export import converters, runners
from unifw.export.card import Card, card_path, digest, read_card, write_card
from unifw.export.content import Content
from unifw.registry import found
from unifw.spec.graph import Graph

__all__ = ["LARGEST", "Format", "chosen", "format_of", "formats"]

LARGEST = 1 << 32  # bytes that a file may have which is opened


class Format(ABC):
    """A format of files.

    Attributes
    ----------
    name : str
        What users write.
    title, run_by : str
        What it is and whose, and what runs its files.
    suffixes : tuple of str
        The endings of its files.
    runner : Path
        The program that runs its files; see ``unifw.export.runners.drive``.
    unrun : str
        Why nothing here can run its files, and what is done instead; empty if something can. An export is
        then never reported as verified.
    extra : str
        The extra of unifw that installs what it needs.
    writes_with, runs_with : tuple of str
        The modules that write, and that run its files.
    opsets : range
        The versions it can be written in; empty if it has none.
    tolerance : float
        Largest difference from the model, relative to the largest output where that exceeds 1.
    quantizations : dict of str to float
        The ways in which it can be made smaller, and the tolerance of each.
    calibrated : tuple of str
        Those of them that need calibration data.
    trains : bool
        Whether it says how to train the net somewhere else: it takes ``Content.training`` and ``Content.job``.
    has_card : bool
        Whether names, shapes and origin lie in a card beside the file, as it has no room for them itself.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    run_by: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    runner: Path
    unrun: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    writes_with: ClassVar[tuple[str, ...]] = ()
    runs_with: ClassVar[tuple[str, ...]] = ()
    opsets: ClassVar[range] = range(0)
    tolerance: ClassVar[float] = 1e-4
    quantizations: ClassVar[Mapping[str, float]] = MappingProxyType({})
    calibrated: ClassVar[tuple[str, ...]] = ()
    trains: ClassVar[bool] = False
    has_card: ClassVar[bool] = True

    def check(self, *, runs: bool) -> None:
        """Raise ``NotInstalled`` if what writes it (and ``runs`` it) is missing; nothing is imported.

        Raises
        ------
        ExportError
            If it is to run, and nothing here can run it.
        """
        if runs and self.unrun:
            message = f"files of format {self.name!r} are not run: {self.unrun}"
            raise ExportError(message)
        for module in (*self.writes_with, *(self.runs_with if runs else ())):
            self.needs(module)

    def needs(self, module: str) -> None:
        """Raise ``NotInstalled`` if a module is missing."""
        if importlib.util.find_spec(module) is None:
            message = f"Format {self.name!r} needs the package {module!r}"
            raise NotInstalled(message, self.extra)

    def beside(self) -> None:  # noqa: B027 - most runtimes get on with all others
        """Raise ``Clash`` if what runs it cannot live with what this process has loaded."""

    def python(self) -> str:
        """Return the interpreter that runs its files in a process of its own."""
        return sys.executable

    @abstractmethod
    def gaps(self, graph: Graph) -> list[str]:
        """Return a sentence for every layer that cannot be written, and for all else that it cannot hold."""

    def refusals(self, content: Content) -> list[str]:
        """Return a sentence for all that it cannot hold of how the net is trained."""
        return []

    @abstractmethod
    def write(self, content: Content, path: Path) -> dict[str, Any]:
        """Write the file, or the files, of an export at ``path``; return what a report may tell of it.

        Raises
        ------
        ExportError
            If that fails; what lies in the folder then is thrown away.
        """

    def main(self, path: Path) -> Path:
        """Return the file that is opened, of an export that the user calls ``path``."""
        return path

    def parts(self, path: Path) -> tuple[Path, ...]:
        """Return the files that make up the export whose main file is ``path``, but for its card."""
        return (path,)

    def card(self, content: Content) -> Card:
        """Return what goes into the card, but for the digests of files: the names are those in the file."""
        return content.card

    def describe(self, content: Content, path: Path) -> tuple[Path, ...]:
        """Write the card beside the files, if the format has one, and return all files."""
        parts = self.parts(path)
        if not self.has_card:
            return parts
        card = self.card(content)
        files = {part.name: digest(part) for part in parts}
        return (*parts, write_card(path, Card(card.inputs, card.outputs, card.metadata, files)))

    def inspect(self, path: Path) -> Card:
        """Look at an export before a runtime does, and return its card.

        Raises
        ------
        FileError
            If a file is missing, too large, damaged or not the one that was written.
        """
        for part in self.parts(path):
            bounded(part)
        card = read_card(path)
        for part in self.parts(path):
            if card.files.get(part.name) != digest(part):
                message = f"{part} is not the file that {card_path(path).name} was written for"
                raise FileError(message)
        return card


def bounded(path: Path) -> None:
    """Raise ``FileError`` unless ``path`` is a file of a size that can be opened."""
    if not path.is_file():
        message = f"there is no file {path}"
        raise FileError(message)
    if path.stat().st_size > LARGEST:
        message = f"{path} has {path.stat().st_size:,} bytes; at most {LARGEST:,} are opened"
        raise FileError(message)


def program(name: str) -> Path:
    """Return one of unifw's own programs that run files."""
    return Path(runners.__file__).with_name(name)


def converter(name: str) -> Path:
    """Return one of unifw's own programs that turn a file into another."""
    return Path(converters.__file__).with_name(name)


def formats() -> dict[str, Format]:
    """Return all formats by name."""
    return {name: point.load() for name, point in sorted(found("unifw.formats").items())}


def format_of(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    UnknownName
        If there is none.
    """
    known = formats()
    if name not in known:
        raise UnknownName("export format", name, known)
    return known[name]


def chosen(path: Path, name: str | None = None) -> Format:
    """Return the format of a name or, without one, of the path's ending.

    Raises
    ------
    UnknownName
        If there is none.
    """
    if name is not None:
        return format_of(name)
    every = formats().values()
    for candidate in every:
        if path.name.endswith(candidate.suffixes):
            return candidate
    suffixes = [suffix for candidate in every for suffix in candidate.suffixes]
    raise UnknownName("export format with the ending", path.suffix, suffixes)
