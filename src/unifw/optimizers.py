"""How weights follow their gradients: ``from unifw.optimizers import Adam``."""

from __future__ import annotations

from unifw.spec.optimizers import *  # noqa: F403 - the public face of unifw.spec.optimizers, name for name
from unifw.spec.optimizers import __all__ as __all__
