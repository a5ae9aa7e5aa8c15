"""The examples run as they stand, on the backend that ``--example-backend`` names."""

from __future__ import annotations

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


def test_the_readmes_show_the_example_as_it_runs() -> None:
    whole = (ROOT / "examples" / "01_digits.py").read_text(encoding="utf-8")
    net = whole[whole.index("net = uf.Sequential") : whole.index("net.summary()")].strip()
    for name in ("README.md", "README.zh-CN.md"):
        assert net in (ROOT / name).read_text(encoding="utf-8"), name
