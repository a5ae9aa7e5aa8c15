"""What a weight is turned into after each step: ``from unifw.constraints import MaxNorm``."""

from __future__ import annotations

from unifw.spec.constraints import *  # noqa: F403 - the public face of unifw.spec.constraints, name for name
from unifw.spec.constraints import __all__ as __all__
