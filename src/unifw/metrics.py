"""What is measured besides the loss: ``from unifw.metrics import Accuracy``."""

from __future__ import annotations

from unifw.spec.metrics import *  # noqa: F403 - the public face of unifw.spec.metrics, name for name
from unifw.spec.metrics import __all__ as __all__
