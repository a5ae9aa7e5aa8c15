"""What runs where, read off the rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unifw import cli, layers, losses
from unifw.export import formats
from unifw.testing.support import Support, support


def test_numpy_can_do_everything() -> None:
    found = support(["numpy"])
    assert set(found.layers) == set(layers.CATALOGUE)
    assert set(found.losses) == set(losses.CATALOGUE)
    assert found.lacking == []
    assert found.markdown("en").endswith("Nothing.\n")


def test_a_gap_is_shown_with_its_reason() -> None:
    found = Support(
        ("numpy", "toy"), ("onnx",), {"Dense": {"numpy": "", "toy": "too hard", "onnx": ""}}, {}
    )
    assert "| `Dense` | ✓ | – | ✓ |" in found.markdown("zh")
    assert "* Dense (toy): too hard" in found.markdown("en")


@pytest.mark.parametrize("arguments", [["--json"], ["--markdown", "zh"], []])
def test_the_command_prints_it(arguments: list[str], capsys: Any) -> None:
    assert cli.main(["support", "--backend", "numpy", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "Conv2D" in printed
    if arguments == ["--json"]:
        found = json.loads(printed)["layers"]["Conv2D"]
        # The frameworks' own formats are there where the framework is.
        assert {"numpy", "onnx", "mnn", "ncnn"} <= set(found) <= {"numpy", *formats()}
        assert not any(found.values())
