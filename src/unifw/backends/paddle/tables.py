"""Which rules a net is built by in Paddle, for its dtype, precision and randomness."""

from __future__ import annotations

from typing import Any

from unifw.backend import Options
from unifw.backends.mixed import in_half
from unifw.backends.paddle.doubles import rules as doubles
from unifw.backends.paddle.noise import drawing
from unifw.backends.paddle.rules import rules as singles
from unifw.rules import Rules

__all__ = ["rules_for"]

HALF = "float16"


def _half(x: Any) -> Any:
    return x.astype(HALF)


def _single(x: Any) -> Any:
    return x.astype("float32")


mixed = in_half(singles, _half, _single, "backend 'paddle' in mixed precision")


TABLES = {True: (singles, doubles, mixed), False: tuple(map(drawing, (singles, doubles, mixed)))}


def rules_for(options: Options) -> Rules:
    """Return the table for what a session is opened with."""
    single, double, half = TABLES[options.parity]
    if options.is_mixed:
        return half
    return double if options.dtype == "float64" else single
