"""How weights begin: ``from unifw.initializers import HeNormal``."""

from __future__ import annotations

from unifw.spec.initializers import *  # noqa: F403 - the public face of unifw.spec.initializers, name for name
from unifw.spec.initializers import __all__ as __all__
