"""How learning rates change from step to step: ``from unifw.schedules import CosineDecay``."""

from __future__ import annotations

from unifw.spec.schedules import *  # noqa: F403 - the public face of unifw.spec.schedules, name for name
from unifw.spec.schedules import __all__ as __all__
