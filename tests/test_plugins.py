"""A backend from another package: found by its entry point, run by the shipped suite, its gaps told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import unifw

TOY = '''
"""A backend that is NumPy, but knows no dropout, spatial or not."""

from unifw.backends.numpy import NumpyBackend
from unifw.layers import Dropout


class ToyBackend(NumpyBackend):
    name, title = "toy", "Toy"

    def missing(self, graph, options):
        return [
            f"{label}: the framework has none: Toy 1.0"
            for label, layer in graph.labelled.items()
            if isinstance(layer, Dropout)
        ]
'''


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which a package with a backend is installed."""
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")
    about = tmp_path / "toy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n", "utf-8")
    (about / "entry_points.txt").write_text("[unifw.backends]\ntoy = toy:ToyBackend\n", "utf-8")
    source = str(Path(unifw.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), source])}


def test_the_suite_runs_on_a_foreign_backend_and_expects_its_gaps(run: Any) -> None:
    suite = ("-m", "pytest", "-p", "unifw.testing.plugin", "--pyargs", "unifw.testing.suite", "-rx")
    status, told = run(
        *suite, "--backend", "toy", "-k", "test_layer_forward and (dropout or pad)"
    )  # fmt: skip
    assert status == 0, told
    assert "4 xfailed" in told
    assert "dropout (Dropout): the framework has none: Toy 1.0" in told
    assert "test_layer_forward[toy-pad]" not in told  # -rx lists expected failures alone


def test_the_suite_tells_the_backend_its_settings(run: Any, tmp_path: Path) -> None:
    toy = tmp_path / "toy.py"
    told = (
        toy.read_text(encoding="utf-8") + "\n    settings = {'pace': lambda word, value: value}\n"
    )
    told += "\n    def session(self, graph, options):\n"
    told += "        assert options.settings == {'pace': ('slow', 2)}, options.settings\n"
    told += "        return super().session(graph, options)\n"
    toy.write_text(told, encoding="utf-8")
    suite = ("-m", "pytest", "-p", "unifw.testing.plugin", "--pyargs", "unifw.testing.suite")
    chosen = (*suite, "--backend", "toy", "-k", "test_layer_forward and pad")
    status, said = run(*chosen, "--setting", "pace=('slow', 2)")
    assert status == 0, said
    status, said = run(*chosen, "--setting", "pace=slow")
    assert status == 1
    assert "{'pace': 'slow'}" in said
    status, said = run(*chosen, "--setting", "tempo=1")
    assert status != 0
    assert "No option of a model on backend 'toy' named 'tempo'" in said


def test_a_gap_that_is_none_fails_the_suite(run: Any, tmp_path: Path) -> None:
    toy = tmp_path / "toy.py"
    lies = toy.read_text(encoding="utf-8") + "\n    def gaps(self, graph, options):\n"
    lies += "        import inspect\n"
    lies += "        asks = [frame.function for frame in inspect.stack()]\n"
    lies += "        found = self.missing(graph, options)\n"
    lies += "        return found if 'pytest_collection_modifyitems' in asks else []\n"
    toy.write_text(lies, encoding="utf-8")
    status, told = run(
        "-m", "pytest", "-p", "unifw.testing.plugin", "--pyargs",
        "unifw.testing.suite", "--backend", "toy", "-k", "test_layer_forward and dropout",
    )  # fmt: skip
    assert status == 1
    assert "4 failed" in told
    assert "XPASS(strict)" in told


def test_a_foreign_backend_is_listed_and_refuses_its_gaps(run: Any) -> None:
    status, told = run("-m", "unifw", "backends")
    assert status == 0
    assert "toy" in told
    code = """
import unifw as uf
from unifw import layers as L
net = uf.Sequential([L.Dense(2), L.Dropout(0.5)], input_shape=3)
uf.Model(net, "toy")
"""
    status, told = run("-c", code)
    assert status == 1
    assert "backend 'toy' cannot run this net" in told
    assert "Backend 'numpy' can run every net." in told
