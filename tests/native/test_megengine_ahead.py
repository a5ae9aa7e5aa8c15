"""MegEngine is waited for, and large batches are evaluated in parts: the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.backend import Plan
from unifw.data import Data
from unifw.testing.compare import judge_gradients, opened

NET = uf.Sequential(
    [L.Conv2D(3, 3, bias=False), L.BatchNorm(), L.ReLU(), L.Flatten(), L.Dense(2)],
    input_shape=(2, 6, 5),
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have values of few numbers count as many."""
    registry.backend("megengine").load()
    from unifw.backends.megengine import session

    monkeypatch.setattr(session, "VALUES_AHEAD", 400)


@pytest.mark.parametrize("rows", [1, 5, 13])
def test_evaluation_in_parts(rows: int, small: None) -> None:
    del small
    x = np.random.RandomState(0).standard_normal((rows, 2, 6, 5)).astype(np.float32)
    with opened("megengine", NET) as session:
        calls: list[int] = []
        native = session.native
        given = native.evaluated
        native.evaluated = lambda xs: calls.append(xs[0].shape[0]) or given(xs)
        (found,) = session.forward((x,))
    with opened("numpy", NET) as session:
        (wanted,) = session.forward((x,))
    assert calls == {1: [1], 5: [4, 1], 13: [4, 4, 4, 1]}[rows]
    assert np.allclose(found, wanted, atol=1e-5)


def test_a_step_that_is_waited_for(small: None) -> None:
    del small
    x = np.random.RandomState(0).standard_normal((13, 2, 6, 5)).astype(np.float32)
    judge_gradients("megengine", NET, (x,))


def test_how_often_it_is_waited_for(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del small
    from megengine import Tensor

    net = uf.Sequential([L.Dense(4)], input_shape=(8,))
    x = np.zeros((5, 8), np.float32)
    batch = Data((x,), (np.zeros((5, 4), np.float32),))
    read = Tensor.numpy
    waits: list[int] = []
    told = []
    with opened("megengine", net, losses=(uf.losses.MSE(),)) as session:
        monkeypatch.setattr(Tensor, "numpy", lambda t: waits.append(1) or read(t))
        for _ in range(9):
            session.train_batch(batch, (0.1,), {})
            told.append(len(waits))
    # A step makes 2 x 5 rows x 4 values, and four times 36 weights: 184 numbers, of 800.
    assert told == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_an_epoch_is_over_once_its_last_weights_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.backend("megengine").load()
    from megengine import Tensor

    draw = np.random.RandomState(0)
    x, y = (draw.standard_normal((6, *shape)).astype(np.float32) for shape in ((2, 6, 5), (2,)))
    read = Tensor.numpy
    told: list[Any] = []
    with opened("megengine", NET, (uf.losses.MSE(),), uf.optimizers.SGD(0.01)) as session:
        step = session.train_batch
        monkeypatch.setattr(session, "train_batch", lambda *a: told.append("step") or step(*a))
        with monkeypatch.context() as patched:
            patched.setattr(Tensor, "numpy", lambda t: told.append(read(t)) or told[-1])
            told.extend("epoch" for _ in session.fit(Data((x,), (y,)), Plan(0, 2, 2)))
        last = session.weights()["dense.bias"]
    losses, weights = told[-5:-2], told[-2]
    assert told.count("epoch") == 2
    assert told[-6] == "step"
    assert [loss.size for loss in losses] == [1, 1, 1]
    assert weights == last[:1]


def test_what_a_recurrent_layer_keeps() -> None:
    registry.backend("megengine").load()
    from unifw.backends.megengine.recurrent import kept_within

    layers = [L.GRU(3, bidirectional=True, layers=2), L.Dense(4)]
    gru, dense = uf.Sequential(layers, input_shape=(7, 5))
    assert kept_within(gru) == 7 * (2 * 2 * 3) * (2 * 3 + 3)  # steps, states, gates twice and 3
    assert kept_within(dense) == 0
