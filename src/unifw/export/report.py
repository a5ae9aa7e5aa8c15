"""What an export says of itself."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

__all__ = ["ExportReport"]


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """An exported file, and how it was checked.

    Attributes
    ----------
    path : str
        Where it is.
    format, opset : str, int
        What it is written in.
    nodes, size, sha256 : int, int, str
        Its nodes, its bytes, and their SHA-256.
    verified : bool
        Whether a fresh process opened it and compared its numbers with the model's.
    runtime : str
        What it was run by, with version; empty if it was not verified.
    differences : dict of int to float
        For each batch size the largest difference, relative where outputs exceed 1.
    metadata : dict of str to str
        What the file says of its origin.
    """

    path: str
    format: str
    opset: int
    nodes: int
    size: int
    sha256: str
    verified: bool
    runtime: str
    differences: dict[int, float]
    metadata: dict[str, str]

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        data = dataclasses.asdict(self)
        return data | {"differences": {str(n): d for n, d in self.differences.items()}}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_data(), ensure_ascii=False)

    def __str__(self) -> str:
        head = f"{self.path}: {self.format}, opset {self.opset}, {self.nodes} nodes, {self.size:,} bytes"
        if not self.verified:
            return f"{head}\nnot verified"
        found = ", ".join(f"{d:.1e} (batch of {n})" for n, d in self.differences.items())
        return f"{head}\nverified by {self.runtime}: largest difference {found}"
