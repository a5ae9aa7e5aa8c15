"""The pytest plugin that says which backend the conformance suite runs on.

``--backend NAME`` chooses one (``numpy`` unless given). A case that the backend states as a gap
becomes a strict expected failure with the reason that its rules give.
"""

from __future__ import annotations

from typing import Any

import pytest

from unifw import registry
from unifw.backend import Options
from unifw.errors import Unsupported

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backend``."""
    parser.addoption("--backend", default="numpy", help="backend for unifw's conformance suite")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that takes ``backend`` the chosen one, named in the test's id."""
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [metafunc.config.getoption("--backend")], scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect a backend's stated gaps to fail, and to fail for that reason."""
    for item in items:
        params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        case: Any = params.get("case")
        if "backend" not in params or not hasattr(case, "graph"):
            continue
        losses = (case.loss,) if hasattr(case, "loss") else ()
        backend = registry.backend(params["backend"])
        backend.load()
        gaps = backend.gaps(case.graph, Options(losses))
        if gaps:
            mark = pytest.mark.xfail(strict=True, raises=Unsupported, reason="; ".join(gaps))
            item.add_marker(mark)
