"""A half-trained model moves between any two frameworks by its file; every step in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import demo

BACKENDS = ("numpy", "paddle", "mindspore", "megengine")
ROWS = 300
OPTIMIZER = uf.optimizers.Adam(1e-3)

BEGIN = """
import sys, numpy as np, unifw as uf
from unifw import demo
backend, folder, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
x, y = (array[:rows] for array in demo.digits())
model = uf.Model(demo.NETS["lenet"], backend, loss="cross_entropy", optimizer=uf.optimizers.Adam(1e-3))
model.fit(x, y, epochs=1)
model.save(f"{folder}/{backend}.unifw")
np.save(f"{folder}/{backend}.npy", model.predict(x))
"""

GO_ON = """
import sys, json, numpy as np, unifw as uf
from unifw import demo
source, backend, folder, rows = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
x, y = (array[:rows] for array in demo.digits())
model = uf.load(f"{folder}/{source}.unifw", backend=backend)
apart = np.abs(model.predict(x) - np.load(f"{folder}/{source}.npy")).max()
print("RESULT", json.dumps({"apart": float(apart), "loss": model.fit(x, y, epochs=1)["loss"]}))
"""


def python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def begun(tmp_path_factory: Any) -> Path:
    folder: Path = tmp_path_factory.mktemp("begun")
    for backend in BACKENDS:
        python(BEGIN, backend, str(folder), str(ROWS))
    return folder


@pytest.fixture(scope="module")
def unbroken() -> list[float]:
    x, y = (array[:ROWS] for array in demo.digits())
    model = uf.Model(demo.NETS["lenet"], loss="cross_entropy", optimizer=OPTIMIZER, dtype="float64")
    return model.fit(x, y, epochs=2)["loss"]


@pytest.mark.parametrize(("source", "target"), list(permutations(BACKENDS, 2)))
def test_the_curve_goes_on(begun: Path, unbroken: list[float], source: str, target: str) -> None:
    out = python(GO_ON, source, target, str(begun), str(ROWS))
    result = json.loads(out.partition("RESULT ")[2])
    assert result["apart"] <= 1e-5
    assert np.allclose(result["loss"], unbroken, rtol=1e-4)


def test_mindspore_after_paddle_gets_a_process_of_its_own() -> None:
    code = """
import os, sys
import numpy as np, unifw as uf
from unifw import demo
names = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")
before = [os.environ.get(name) for name in names]
paddle = uf.Model(demo.NETS["mlp"], "paddle", isolate=False)
mindspore = uf.Model(demo.NETS["mlp"], "mindspore")
x = demo.digits()[0][:50]
assert np.allclose(paddle.predict(x), mindspore.predict(x), atol=1e-5)
assert mindspore.session.is_remote and "mindspore" not in sys.modules
assert [uf.process.environment().get(name) for name in names] == before
try:
    uf.Model(demo.NETS["mlp"], "mindspore", isolate=False)
except uf.errors.Clash as err:
    print(err)
"""
    assert "MindSpore cannot be imported after paddle in one process" in python(code)
