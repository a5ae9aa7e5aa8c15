"""Mixed precision on Paddle, whose CPU has no halves, with a stand-in for them."""

from __future__ import annotations

import numpy as np
import pytest

import unifw as uf
from unifw import registry
from unifw.data import Data
from unifw.optimizers import SGD

NET = uf.Sequential([uf.layers.Dense(4), uf.layers.BatchNorm(), uf.layers.Dense(2)], input_shape=3)


def test_a_step_that_overflows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
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
    moved = model.to("paddle", isolate=False)
    assert moved.session.state()["loss_scale"].tolist() == [2**14, 0]
    assert "loss_scale" not in model.to("paddle", precision="full", isolate=False).session.state()
    anew = plain.to("paddle", precision="mixed", isolate=False)
    assert anew.session.state()["loss_scale"].tolist() == [2**15, 0]
