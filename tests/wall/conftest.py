from __future__ import annotations

from pathlib import Path

import pytest

from unifw.isolate import environments


@pytest.fixture(autouse=True)
def home() -> Path:
    """Where environments lie: here the real ones are wanted, which tox has made."""
    return environments.root()
