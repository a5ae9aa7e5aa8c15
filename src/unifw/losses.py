"""The losses that training minimises: ``from unifw.losses import CrossEntropy``."""

from __future__ import annotations

from unifw.spec.losses import *  # noqa: F403 - the public face of unifw.spec.losses, name for name
from unifw.spec.losses import __all__ as __all__
