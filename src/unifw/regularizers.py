"""What a weight adds to the loss: ``from unifw.regularizers import L2``."""

from __future__ import annotations

from unifw.spec.regularizers import *  # noqa: F403 - the public face of unifw.spec.regularizers, name for name
from unifw.spec.regularizers import __all__ as __all__
