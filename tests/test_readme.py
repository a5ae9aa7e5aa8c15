"""What the readmes show is what runs, in both languages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def blocks(name: str, kind: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


def numbers(text: str) -> list[float]:
    """Return the epochs, losses and accuracies that were printed."""
    return [float(found) for found in re.findall(r"(?:epoch|'\w+':) ([\d.]+)", text)]


def test_the_first_example_prints_what_is_shown(tmp_path: Path) -> None:
    english, chinese = blocks("README.md", "python")[0], blocks("README.zh-CN.md", "python")[0]
    assert len(english.splitlines()) <= 20
    assert re.sub(r" *#.*", "", english) == re.sub(r" *#.*", "", chinese)
    shown = blocks("README.md", "text")[0]
    assert shown == blocks("README.zh-CN.md", "text")[0]
    # Shown as other frameworks print it; the built-in one agrees to four places.
    code = re.sub('"(paddle|mindspore)"', '"numpy"', english)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, check=True, encoding="utf-8",
    )  # fmt: skip
    assert len(numbers(shown)) == 6
    assert numbers(done.stdout) == pytest.approx(numbers(shown), abs=5e-5)
    assert "verified by MNN" in done.stdout
