"""The examples run as they stand, on the backend that ``--example-backend`` names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def test_digits(pytestconfig: Any, tmp_path: Any) -> None:
    backend = pytestconfig.getoption("--example-backend")
    script = ROOT / "examples" / "01_digits.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 60
    done = subprocess.run(
        [sys.executable, str(script), backend],
        cwd=tmp_path, capture_output=True, check=True, encoding="utf-8",
    )  # fmt: skip
    accuracies = [float(found) for found in re.findall(r"'accuracy': ([\d.]+)", done.stdout)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.9
    assert "verified by ONNX Runtime" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} >= {"digits.unifw", "digits.onnx"}


def clicks(backend: str, folder: Any) -> tuple[str, list[float], list[list[float]]]:
    """Return what the example printed, the two AUCs and the two loss curves."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "04_ctr.py"), backend],
        cwd=folder, capture_output=True, check=True, encoding="utf-8",
    )  # fmt: skip
    areas = [float(found) for found in re.findall(r"'roc_auc': ([\d.]+)", done.stdout)]
    curves = [json.loads(found) for found in re.findall(r"losses (\[.*\])", done.stdout)]
    return done.stdout, areas, curves


def told(what: str, printed: str) -> float:
    found = re.search(rf"{what} ([\d.]+)", printed)
    assert found
    return float(found[1])


def test_clicks(pytestconfig: Any, tmp_path: Any) -> None:
    backend = pytestconfig.getoption("--example-backend")
    printed, areas, curves = clicks(backend, tmp_path / backend)
    assert told("correlation with the truth", printed) > 0.99
    assert told("largest error", printed) < 0.3
    assert len(areas) == 2
    assert min(areas) > told("AUC of the truth", printed) - 0.005
    _, _, wanted = clicks("numpy", tmp_path / "again")
    assert [len(curve) for curve in curves] == [len(curve) for curve in wanted] == [10, 6]
    for curve, other in zip(curves, wanted, strict=True):
        assert max(abs(a - b) for a, b in zip(curve, other, strict=True)) <= 1e-3
