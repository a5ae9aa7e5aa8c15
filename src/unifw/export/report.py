"""What an export says of itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Difference", "ExportReport", "Exported", "Smaller", "Verified"]


@dataclass(frozen=True)
class Exported:
    """One file of an export: where it is, its bytes, their SHA-256, and the bytes left when it is packed.

    Packed (by zlib) is how an app's package holds it; weights that were pruned to zero take no room there.
    """

    path: str
    size: int
    sha256: str
    packed: int


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
class Verified:
    """A file that was run and compared with a model; see ``ExportReport``."""

    path: str
    runtime: str
    differences: Mapping[str, Mapping[int, Difference]]

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "path": self.path,
            "runtime": self.runtime,
            "differences": _plain(self.differences),
        }

    def __str__(self) -> str:
        return f"{self.path}: {_told(self.runtime, self.differences)}"


@dataclass(frozen=True)
class Smaller:
    """What making the file smaller cost and gained, by the same file without.

    Attributes
    ----------
    quantize : str
        How it was made smaller.
    size, latency : float
        Bytes, and the time of a call, by those of the file in float32; below 1 is a gain.
    accuracy : tuple of float or None
        The share of right classes before (of the model) and after (of the file), if there were data for it.
    """

    quantize: str
    size: float
    latency: float
    accuracy: tuple[float, float] | None


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
    smaller : Smaller or None
        What ``quantize`` cost and gained.
    sparsity : float
        The share of the weights that are zero.
    seconds : float
        What writing and checking took.
    metadata : dict of str to str
        What the file says of its origin.
    unverified : str
        Why it was not verified; empty if it was.
    """

    path: str
    format: str
    files: tuple[Exported, ...]
    details: Mapping[str, Any]
    verified: bool
    runtime: str
    differences: Mapping[str, Mapping[int, Difference]]
    smaller: Smaller | None
    sparsity: float
    seconds: float
    metadata: Mapping[str, str]
    unverified: str = ""

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
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return own | {
            "files": [dataclasses.asdict(file) for file in self.files],
            "details": dict(self.details),
            "differences": _plain(self.differences),
            "smaller": None if self.smaller is None else dataclasses.asdict(self.smaller),
            "metadata": dict(self.metadata),
        }

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_data(), ensure_ascii=False)

    def __str__(self) -> str:
        told = "".join(f", {name} {value}" for name, value in self.details.items())
        lines = [f"{self.path}: {self.format}{told}, {self.size:,} bytes, {self.seconds:.1f} s"]
        lines += [
            f"  {f.path}  {f.size:,} bytes ({f.packed:,} packed)  sha256 {f.sha256[:16]}…"
            for f in self.files
        ]
        if self.sparsity >= 0.01:
            lines.append(f"  {self.sparsity:.0%} of the weights are zero")
        if self.smaller is not None:
            lines.append(f"  {_cost(self.smaller)}")
        if not self.verified:
            return "\n".join([*lines, f"not verified: {self.unverified}"])
        return "\n".join([*lines, _told(self.runtime, self.differences)])


def _cost(smaller: Smaller) -> str:
    ratios = (
        f"{smaller.quantize}: {smaller.size:.2f} of the bytes, {smaller.latency:.2f} of the time"
    )
    if smaller.accuracy is None:
        return f"{ratios}; no data to judge accuracy on"
    before, after = smaller.accuracy
    return f"{ratios}; accuracy {before:.4f} before, {after:.4f} after"


def _told(runtime: str, differences: Mapping[str, Mapping[int, Difference]]) -> str:
    wide = max(map(len, differences))
    lines = [
        f"  {output:<{wide}}  batch of {rows:<4} {found.absolute:8.1e}  relative {found.relative:8.1e}"
        for output, row in differences.items()
        for rows, found in row.items()
    ]
    return "\n".join([f"verified by {runtime}; largest differences from the model:", *lines])


def _plain(differences: Mapping[str, Mapping[int, Difference]]) -> dict[str, Any]:
    return {
        output: {str(rows): dataclasses.asdict(found) for rows, found in row.items()}
        for output, row in differences.items()
    }
