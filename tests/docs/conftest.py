from __future__ import annotations

from pathlib import Path

import pytest

from unifw.isolate import environments


@pytest.fixture(autouse=True)
def home() -> Path:
    """Where environments lie: pages say what readers see, so here the real ones are wanted."""
    return environments.root()
