"""The pytest plugin that says which backend the conformance suite runs on, and where.

``--backend NAME`` chooses one (``numpy`` unless given), ``--setting WORD=VALUE`` tells it one of its own
settings, ``--isolate`` puts it in a process of its own, ``--examples N`` says how many layers are generated. A
case that the backend states as a gap becomes a strict expected failure with the reason that its rules
give. Of a backend that trains a whole table at a time only ``test_optimum`` is run.
"""

from __future__ import annotations

import gc
from ast import literal_eval
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from unifw import isolate, registry
from unifw.backend import Options
from unifw.errors import BackendError, Unsupported
from unifw.isolate.place import place
from unifw.spec.graph import Graph
from unifw.testing.compare import ISOLATED, SETTINGS

__all__: list[str] = []

# Tests that the suite takes from there; failing assertions shall show their values.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backend``, ``--setting``, ``--examples`` and ``--isolate``."""
    parser.addoption("--backend", default="numpy", help="backend for unifw's conformance suite")
    parser.addoption(
        "--setting", action="append", default=[], metavar="WORD=VALUE",
        help="what only that backend is told, such as jit=False; VALUE is Python's, or a word",
    )  # fmt: skip
    parser.addoption(
        "--examples", type=int, default=25, help="how many layers to generate; default 25"
    )
    parser.addoption(
        "--isolate", action="store_true", help="run it in a process of its own, or its environment"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Remember how the backend is opened, and name the marker of what cannot be isolated."""
    config.addinivalue_line("markers", "native: needs the framework's own object in this process")
    config.addinivalue_line(
        "markers", "optimum: where training ends; for backends that train whole tables"
    )
    # The same examples in every run, and no folder of them; a compiler may take its time with each.
    settings.register_profile(
        "unifw", max_examples=config.getoption("--examples"), derandomize=True, deadline=None,
        database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    settings.load_profile("unifw")
    name, given = config.getoption("--backend"), map(_setting, config.getoption("--setting"))
    if config.getoption("--isolate"):
        ISOLATED.add(name)
    SETTINGS[name] = registry.backend(name).told(dict(given))


def _setting(written: str) -> tuple[str, Any]:
    word, _, value = written.partition("=")
    try:
        return word, literal_eval(value)
    except (ValueError, SyntaxError):
        return word, value


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that takes ``backend`` the chosen one, named in the test's id."""
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [metafunc.config.getoption("--backend")], scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect a backend's stated gaps to fail, and to fail for that reason."""
    name = config.getoption("--backend")
    _choose(config, items, whole=registry.backend(name).trains_whole)
    judged = []
    for item in items:
        params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        case: Any = params.get("case")
        if "backend" in params and hasattr(case, "graph"):
            losses = (case.loss,) if hasattr(case, "loss") else ()
            dtype = params.get("dtype", "float32")
            trained = {"optimizer": case.optimizer} if hasattr(case, "optimizer") else {}
            judged.append((item, case.graph, Options(losses, dtype=dtype, **trained)))
        if name in ISOLATED and item.get_closest_marker("native"):
            reason = "the framework's own object is in the other process"
            item.add_marker(pytest.mark.xfail(strict=True, raises=BackendError, reason=reason))
    stated = _gaps(name, [(graph, options) for _, graph, options in judged])
    for (item, _, _), gaps in zip(judged, stated, strict=True):
        if gaps:
            mark = pytest.mark.xfail(strict=True, raises=Unsupported, reason="; ".join(gaps))
            item.add_marker(mark)


def pytest_runtest_logfinish() -> None:
    """Set aside what a test has imported."""
    _set_aside()


def _choose(config: pytest.Config, items: list[pytest.Item], *, whole: bool) -> None:
    """Of a backend that trains whole tables judge where training ends, of others every step."""
    kept: list[pytest.Item] = []
    out: list[pytest.Item] = []
    for item in items:
        judges = "backend" in getattr(item, "fixturenames", ())
        is_end = item.get_closest_marker("optimum") is not None
        (out if judges and is_end is not whole else kept).append(item)
    config.hook.pytest_deselected(items=out)
    items[:] = kept


def _gaps(name: str, nets: list[tuple[Graph, Options]]) -> list[list[str]]:
    backend = registry.backend(name)
    python = place(backend, isolate=name in ISOLATED).python
    if python is not None:
        return isolate.gaps(name, python, nets)
    backend.load()
    _set_aside()
    return [backend.gaps(graph, options) for graph, options in nets]


def _set_aside() -> None:
    """Have the garbage collector look no more at what is there, as workers do of what they import.

    MindSpore collects garbage with each compilation, which took a twentieth of the suite's time.
    """
    gc.collect()
    gc.freeze()
