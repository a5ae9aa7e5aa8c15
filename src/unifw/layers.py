"""The layers that nets are made of: ``from unifw.layers import Dense``."""

from __future__ import annotations

from unifw.spec.layers import *  # noqa: F403 - the public face of unifw.spec.layers, name for name
from unifw.spec.layers import __all__ as __all__
