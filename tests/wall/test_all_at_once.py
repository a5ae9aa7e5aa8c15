"""Every framework from one process: each in the environment that ``unifw env create`` made for it.

The parent has none of the frameworks; tox makes the environments beforehand.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import cli, demo
from unifw.errors import WorkerDied
from unifw.isolate import environments

FRAMEWORKS = ("paddle", "mindspore", "megengine")
ROUND = ("numpy", *FRAMEWORKS)
ROOT = Path(__file__).parents[2]


def digits(model_backend: str, **options: Any) -> uf.Model:
    return uf.Model(
        demo.NETS["lenet"], model_backend, loss="cross_entropy",
        optimizer=uf.optimizers.Adam(1e-3), metrics=["accuracy"], **options,
    )  # fmt: skip


def test_no_framework_can_be_imported_here() -> None:
    for name in FRAMEWORKS:
        assert uf.registry.backend(name).version is None


def test_a_model_goes_round_all_frameworks_and_its_curve_is_unbroken() -> None:
    x, y = demo.digits()
    wanted = digits("numpy", dtype="float64").fit(x, y, epochs=8, batch_size=64, verbose=0)
    model = digits("numpy")
    for name in ROUND:
        model = model.to(name)
        assert model.session.is_remote is (name != "numpy")
        model.fit(x, y, epochs=2, batch_size=64, verbose=0)
    assert model.epoch == 8
    assert np.allclose(model.history["loss"], wanted["loss"], rtol=1e-4, atol=0)
    assert np.allclose(model.history["accuracy"], wanted["accuracy"], atol=0.002)


def test_all_live_side_by_side() -> None:
    x, y = (array[:200] for array in demo.digits())
    models = [digits(name) for name in ROUND]
    for model in models[1:]:
        assert np.allclose(model.predict(x), models[0].predict(x), atol=1e-5)
    for _ in range(2):
        for model in models:
            model.fit(x, y, verbose=0)
    for model in models[1:]:
        assert np.allclose(model.history["loss"], models[0].history["loss"], rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_killed_framework_is_replaced(name: str) -> None:
    x, y = (array[:200] for array in demo.digits())
    model, wanted = digits(name), digits("numpy")
    model.fit(x, y, verbose=0)
    os.kill(int(model.session.where.split()[2].rstrip(":")), signal.SIGKILL)
    with pytest.raises(WorkerDied, match=name):
        model.fit(x, y, verbose=0)
    model.fit(x, y, verbose=0)
    wanted.fit(x, y, epochs=2, verbose=0)
    assert np.allclose(model.history["loss"], wanted.history["loss"], rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_isolated_model_exports(name: str, tmp_path: Path) -> None:
    report = digits(name).export(tmp_path / "digits.onnx")
    assert report.verified
    assert report.metadata["framework"] == f"{uf.registry.backend(name).title} {version(name)}"


def version(name: str) -> str:
    found = environments.find(name)
    assert found is not None
    return found.framework.rpartition(" ")[2]


def test_doctor_and_env_tell_what_is_true(capsys: Any) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    rows = {row["backend"]: row for row in json.loads(capsys.readouterr().out)}
    assert {name: row["runs"] for name, row in rows.items()} == {
        "numpy": "in-process", "paddle": "isolated", "mindspore": "isolated",
        "megengine": "isolated", "alink": "not available",
    }  # fmt: skip
    assert cli.main(["env", "check"]) == 0
    assert capsys.readouterr().out.count(" trains") == 3
    assert cli.main(["env", "list", "--json"]) == 0
    assert all(row["current"] for row in json.loads(capsys.readouterr().out))


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "02_all_frameworks.py")],
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for title in ("PaddlePaddle 3.3", "MindSpore 2.10", "MegEngine 1.13"):
        assert title in done.stdout
    assert "unbroken" in done.stdout
