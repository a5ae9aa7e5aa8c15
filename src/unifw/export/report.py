"""What an export says of itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Difference", "ExportReport", "Exported"]


@dataclass(frozen=True)
class Exported:
    """One file of an export: where it is, its bytes, and their SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Difference:
    """How far an output of the file is from the model's.

    Attributes
    ----------
    absolute : float
        The largest difference.
    relative : float
        The same, by the largest output where that exceeds 1; what the tolerance is about.
    """

    absolute: float
    relative: float


@dataclass(frozen=True)
class ExportReport:
    """An export, and how it was checked.

    Attributes
    ----------
    path : str
        The file that is opened.
    format : str
        What it is written in.
    files : tuple of Exported
        All its files, the one that is opened first.
    details : dict of str to value
        What else there is to tell: of ONNX the opset and the number of nodes.
    verified : bool
        Whether a fresh process opened it and compared its numbers with the model's.
    runtime : str
        What it was run by, with version; empty if it was not verified.
    differences : dict of str to dict of int to Difference
        For each output and batch size.
    seconds : float
        What writing and checking took.
    metadata : dict of str to str
        What the file says of its origin.
    """

    path: str
    format: str
    files: tuple[Exported, ...]
    details: Mapping[str, Any]
    verified: bool
    runtime: str
    differences: Mapping[str, Mapping[int, Difference]]
    seconds: float
    metadata: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file that is opened."""
        return self.files[0].sha256

    @property
    def worst(self) -> float:
        """The largest relative difference; 0 if it was not verified."""
        rows = [found for row in self.differences.values() for found in row.values()]
        return max((found.relative for found in rows), default=0.0)

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        differences = {
            output: {str(rows): dataclasses.asdict(found) for rows, found in row.items()}
            for output, row in self.differences.items()
        }
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return own | {
            "files": [dataclasses.asdict(file) for file in self.files],
            "details": dict(self.details),
            "differences": differences,
            "metadata": dict(self.metadata),
        }

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_data(), ensure_ascii=False)

    def __str__(self) -> str:
        told = "".join(f", {name} {value}" for name, value in self.details.items())
        lines = [f"{self.path}: {self.format}{told}, {self.size:,} bytes, {self.seconds:.1f} s"]
        lines += [f"  {f.path}  {f.size:,} bytes  sha256 {f.sha256[:16]}…" for f in self.files]
        if not self.verified:
            return "\n".join([*lines, "not verified"])
        wide = max(map(len, self.differences), default=0)
        lines += [f"verified by {self.runtime}; largest differences from the model:"]
        lines += [
            f"  {output:<{wide}}  batch of {rows:<4} {found.absolute:8.1e}  relative {found.relative:8.1e}"
            for output, row in self.differences.items()
            for rows, found in row.items()
        ]
        return "\n".join(lines)
