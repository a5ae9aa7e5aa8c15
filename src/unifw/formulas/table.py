"""All formulas in one table; each module puts its own in when it is imported."""

from __future__ import annotations

from unifw.formulas import activations, arithmetic, merging, reductions
from unifw.formulas.functional import formulas

__all__ = ["activations", "arithmetic", "formulas", "merging", "reductions"]
