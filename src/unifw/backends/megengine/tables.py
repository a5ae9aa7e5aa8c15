"""Which rules a net is built by in MegEngine, for its precision."""

from __future__ import annotations

from typing import Any

from unifw.backend import Options
from unifw.backends.megengine.rules import rules as singles
from unifw.backends.mixed import in_half
from unifw.rules import Rules

__all__ = ["rules_for"]


def _half(x: Any) -> Any:
    return x.astype("float16")


def _single(x: Any) -> Any:
    return x.astype("float32")


mixed = in_half(singles, _half, _single, "backend 'megengine' in mixed precision")


def rules_for(options: Options) -> Rules:
    """Return the table for what a session is opened with."""
    return mixed if options.is_mixed else singles
