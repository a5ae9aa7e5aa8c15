"""Mixed precision: what it does not go with, its scale, and Paddle's way with a stand-in for the half."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import registry
from unifw.backends.mixed import LossScale
from unifw.data import Data
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


def test_paddle_leaves_out_a_step_that_overflows(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if request.config.getoption("--example-backend") != "paddle":
        pytest.skip("run with --example-backend paddle")
    known = registry.backend("paddle")
    known.load()
    from unifw.backends.paddle import tables

    # A CPU has no kernels for halves; the way is the same with casts to another dtype.
    monkeypatch.setattr(type(known), "unmixed", lambda self, device: None)
    monkeypatch.setattr(tables, "HALF", "float64")
    model = uf.Model(NET, "paddle", loss="mse", precision="mixed", optimizer=SGD(0.1), seed=1)
    plain = uf.Model(NET, "paddle", loss="mse", optimizer=SGD(0.1), seed=1)
    draw = np.random.RandomState(0)
    x = draw.standard_normal((8, 3)).astype(np.float32)
    y = draw.standard_normal((8, 2)).astype(np.float32)
    for each in (model, plain):
        each.session.take_step(Data((x,), (y,)))
    before, wanted = model.weights, plain.weights
    for name, value in before.items():
        assert value == pytest.approx(wanted[name], rel=1e-4, abs=1e-6)
        assert value.dtype == np.float32
    model.session.take_step(Data((x,), (y * np.float32(1e37),)))
    assert model.session.state()["loss_scale"].tolist() == [2**14, 0]
    for name, value in model.weights.items():
        assert np.array_equal(value, before[name])
    moved = uf.model._restore(model.checkpoint(), "paddle", "cpu", False, None)
    assert moved.session.state()["loss_scale"].tolist() == [2**14, 0]
