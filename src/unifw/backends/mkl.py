"""Intel's MKL on processors of another make, where a framework brings an old one along.

Told nothing, it takes the AVX2 of an AMD processor for absent: products of matrices then take three to five
times as long. How fast they are is all that changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["kernels", "unless_set"]

CPU = Path("/proc/cpuinfo")
MAKERS, NEEDED = {"AuthenticAMD", "HygonGenuine"}, {"avx2", "fma"}


def kernels(cpu: Path = CPU) -> dict[str, str]:
    """Return the environment variable that MKL must find when it is first called; mostly none.

    ``MKL_DEBUG_CPU_TYPE`` is known to MKL up to 2020.0; a later one ignores it.

    Parameters
    ----------
    cpu : path
        Where Linux tells of the processor; elsewhere nothing is known, and nothing set.
    """
    try:
        lines = cpu.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    told = {name.strip(): value.split() for name, _, value in (s.partition(":") for s in lines)}
    fit = MAKERS.issuperset(told.get("vendor_id", [""])) and NEEDED.issubset(told.get("flags", []))
    return {"MKL_DEBUG_CPU_TYPE": "5"} if fit else {}


@contextmanager
def unless_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within the block, but those that the user has set already."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
