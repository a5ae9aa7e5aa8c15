from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import demo
from unifw import layers as L
from unifw.backend import Session
from unifw.data import Data
from unifw.isolate import environments
from unifw.randomness import random_masks
from unifw.testing.cases import ROWS, LayerCase
from unifw.testing.compare import MSE, gradients, opened


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--example-backend", default="numpy", help="backend the examples run on")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: Any) -> Path:
    """Where environments lie: nowhere yet, whatever the user of this machine has made."""
    folder = tmp_path / "environments"
    monkeypatch.setattr(environments, "root", lambda: folder)
    return folder


@pytest.fixture
def compilations() -> Callable[[Session], int]:
    """What tells how often MindSpore compiled a session's cells, which they count; others have none."""

    def compilations(session: Session) -> int:
        return sum(len(getattr(value, "compile_cache", ())) for value in vars(session).values())

    return compilations


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """What runs Python in the test module's ``environment``: its status, and all it said."""

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True, encoding="utf-8", check=False, env=environment, cwd=tmp_path,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def graded() -> Callable[[LayerCase], tuple[float, dict[str, Any]]]:
    """What takes a layer's case through a step of NumPy in double precision: the loss and all gradients."""

    def graded(case: LayerCase) -> tuple[float, dict[str, Any]]:
        graph = case.probed
        target = np.random.RandomState(1).standard_normal((ROWS, *graph.out_shapes[0]))
        batch = Data(case.probed_inputs(), (target,)).cast("float64")
        with opened("numpy", graph, MSE, dtype="float64") as session:
            return gradients(session, batch, random_masks(graph, 0, 1, ROWS))

    return graded


@pytest.fixture(scope="session")
def digits() -> Any:
    return demo.digits()


@pytest.fixture
def net() -> uf.Graph:
    layers = [L.Conv2D(4, 3), L.BatchNorm(), L.ReLU(), L.Flatten(), L.Dense(10)]
    return uf.Sequential(layers, input_shape=(1, 8, 8))


@pytest.fixture
def model(net: uf.Graph) -> uf.Model:
    return uf.Model(net, loss="cross_entropy", metrics=["accuracy"])


@pytest.fixture
def few(digits: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = digits
    return x[:100], y[:100]
