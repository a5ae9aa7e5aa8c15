from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests of one framework alone out where another is tested."""
    _, _, framework = collection_path.stem.partition("test_")
    named = framework.partition("_")[0]
    others = {"paddle", "mindspore", "megengine"} - {str(config.getoption("--example-backend"))}
    return True if named in others else None
