"""Mixed precision: its scale, and what it does not go with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import registry
from unifw.backends.mixed import LossScale
from unifw.errors import SpecError, Unsupported
from unifw.optimizers import LBFGS, SGD

NET = uf.Sequential([uf.layers.Dense(4), uf.layers.BatchNorm(), uf.layers.Dense(2)], input_shape=3)


def test_the_scale_halves_at_once_and_doubles_after_long() -> None:
    scale = LossScale()
    assert scale.value == 2**15
    scale.follow(overflow=True)
    assert (scale.value, scale.good) == (2**14, 0)
    for _ in range(1999):
        scale.follow(overflow=False)
    assert scale.value == 2**14
    scale.follow(overflow=False)
    assert (scale.value, scale.good) == (2**15, 0)
    for _ in range(40):
        scale.follow(overflow=True)
    assert scale.value == 1
    other = LossScale()
    other.load(scale.state())
    assert (other.value, other.good) == (1, 0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "half"}, "precision"),
        ({"precision": "mixed", "dtype": "float64"}, "keeps its weights in float32"),
        ({"precision": "mixed", "optimizer": SGD(accumulate=2)}, "without accumulate"),
        ({"precision": "mixed", "optimizer": LBFGS()}, "single batches"),
    ],
)
def test_what_does_not_go_together_is_refused(options: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        uf.Model(NET, **options)


def test_numpy_says_why_it_has_none() -> None:
    with pytest.raises(Unsupported, match="no bfloat16"):
        uf.Model(NET, precision="mixed")


def test_paddle_has_it_on_other_devices() -> None:
    paddle = registry.backend("paddle")
    assert paddle.unmixed("gpu:0") is None
    assert "on a CPU" in str(paddle.unmixed("cpu"))


def test_dtype_and_precision_may_change_on_the_way(tmp_path: Path) -> None:
    exact = uf.Model(NET, loss="mse", optimizer="adam", dtype="float64")
    x, y = np.ones((8, 3)), np.zeros((8, 2))
    exact.fit(x, y, verbose=0)
    exact.save(tmp_path / "exact.unifw")
    for moved in (
        exact.to("numpy", dtype="float32"),
        uf.load(tmp_path / "exact.unifw", dtype="float32"),
    ):
        assert {w.dtype for w in moved.weights.values()} == {np.dtype("float32")}
        again = exact.to("numpy")
        for each in (moved, again):
            each.fit(x, y, verbose=0)
        assert moved.history["loss"] == pytest.approx(again.history["loss"], rel=1e-5)
    with pytest.raises(Unsupported, match="no bfloat16"):
        exact.to("numpy", dtype="float32", precision="mixed")
