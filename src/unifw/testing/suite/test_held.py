"""What training leaves alone, pulls and holds: frozen layers, regularizers, constraints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unifw import layers as L
from unifw import losses, optimizers
from unifw.constraints import MaxNorm, NonNeg, UnitNorm
from unifw.data import Data
from unifw.regularizers import L1, L2
from unifw.spec.graph import Graph, Input, Sequential
from unifw.testing.cases import (
    OPTIMIZERS,
    SMOOTH,
)
from unifw.testing.compare import (
    CROSS_ENTROPY,
    CURVE,
    digits,
    judged,
    opened,
    parted,
    rough_weights,
    trained_on,
)
from unifw.testing.compare import model as model_on
from unifw.testing.held import FROZEN_MIDDLE, HELD_NET
from unifw.weights import initial


def test_a_frozen_batch_norm_uses_the_running_statistics_and_leaves_them(backend: str) -> None:
    x = np.array([[1.0], [3.0]], dtype=np.float32)
    weights, out = trained_on(backend, [L.BatchNorm(trainable=False)], x)
    assert weights["batch_norm.running_mean"] == pytest.approx([0.0])
    assert weights["batch_norm.running_var"] == pytest.approx([1.0])
    assert out == pytest.approx(x / np.sqrt(1 + 1e-5))


@pytest.mark.parametrize("optimizer", ["sgd-momentum", "adam", "rmsprop", "clip-norm-adam"])
def test_curve_of_a_net_with_frozen_layers(backend: str, optimizer: str) -> None:
    assert parted(backend, FROZEN_MIDDLE, OPTIMIZERS[optimizer]) <= CURVE


def test_frozen_layers_stay_as_they_are_and_keep_no_state(backend: str) -> None:
    net, data = FROZEN_MIDDLE, digits().take(slice(0, 20))
    with opened(backend, net, (CROSS_ENTROPY,), optimizers.Adam()) as session:
        before = session.weights()
        session.take_step(data)
        after, kept = session.weights(), session.state()
    still = {name for name in before if np.array_equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith("still")}
    assert {name.split(".")[0] for name in kept} == {"first", "batch_norm", "last"}


def test_a_net_that_is_frozen_as_a_whole_only_judges(backend: str) -> None:
    net, data = SMOOTH["lenet"].frozen("*"), digits().take(slice(0, 20))
    with opened(backend, net, (CROSS_ENTROPY,), optimizers.Adam(clip_norm=1.0)) as session:
        before = session.weights()
        first, second = (float(session.host(session.take_step(data)[0])) for _ in range(2))
        assert first == second
        assert session.state() == {}
        judged(session.weights(), before, 0.0)


# ------------------------------------------------------------------------ regularizers, constraints


@pytest.mark.parametrize(
    "optimizer",
    ["sgd", "sgd-momentum", "sgd-nesterov", "adam", "adam-amsgrad", "adamw", "rmsprop", "adagrad",
     "clip-norm"],
)  # fmt: skip
def test_curve_of_a_net_that_is_regularized_and_constrained(backend: str, optimizer: str) -> None:
    assert parted(backend, HELD_NET, OPTIMIZERS[optimizer]) <= CURVE


@pytest.mark.parametrize("optimizer", ["sgd-momentum", "adam", "rmsprop"])
def test_constraints_hold_after_every_step(backend: str, optimizer: str) -> None:
    net, data = HELD_NET, digits().take(slice(0, 60))
    given = initial(net, 0)
    with opened(backend, net, (CROSS_ENTROPY,), OPTIMIZERS[optimizer], weights=given) as session:
        for _ in range(2):
            session.take_step(data)
            weights = session.weights()
            norms = np.sqrt(np.square(weights["conv2d.weight"]).sum(axis=(1, 2, 3)))
            assert norms.max() <= 0.7 + 1e-5
            assert weights["dense.weight"].min() >= 0
            assert np.linalg.norm(weights["dense.bias"]) <= 0.01 + 1e-6
            last = np.linalg.norm(weights["dense_1.weight"], axis=0)
            assert last == pytest.approx(np.ones(10), abs=1e-5)


def held_step(backend: str, slope: Any, shares: Any = None, **options: Any) -> tuple[float, Any]:
    """Return loss and weights, which began at 0.5 and -2, after a step of 0.1 down given gradients.

    As in ``walked``, MAE of a target one below the output is 1 and has the gradient x.
    """
    net = Sequential([L.Dense(1, bias=False, **options)], input_shape=2)
    begun = {"dense.weight": np.array([[0.5], [-2.0]], dtype=np.float32)}
    with opened(backend, net, (losses.MAE(),), optimizers.SGD(0.1), weights=begun) as session:
        x = np.array([slope] * (1 if shares is None else len(shares)), dtype=np.float32)
        loss, _ = session.take_step(Data((x,), (session.forward((x,))[0] - 1,), shares))
        return float(session.host(loss)), session.weights()["dense.weight"][:, 0]


def test_penalties_are_in_the_loss_and_in_the_gradient(backend: str) -> None:
    loss, weights = held_step(backend, (0.3, -0.4), weight_regularizer=L1(0.2))
    assert loss == pytest.approx(1 + 0.2 * 2.5)
    assert weights == pytest.approx([0.5 - 0.1 * (0.3 + 0.2), -2 - 0.1 * (-0.4 - 0.2)])
    loss, weights = held_step(backend, (0.3, -0.4), weight_regularizer=L2(0.2))
    assert loss == pytest.approx(1 + 0.2 * 4.25)
    assert weights == pytest.approx([0.5 - 0.1 * (0.3 + 0.2), -2 - 0.1 * (-0.4 - 0.8)])


def test_penalties_do_not_depend_on_sample_weights(backend: str) -> None:
    for shares in ([3.0, 1.0], [0.0, 0.0]):
        given = np.array(shares, dtype=np.float32)
        loss, weights = held_step(backend, (0.3, -0.4), given, weight_regularizer=L2(0.2))
        judged_, pull = float(any(shares)), np.array([0.2, -0.8])
        assert loss == pytest.approx(judged_ + 0.2 * 4.25)
        wanted = np.array([0.5, -2]) - 0.1 * (judged_ * np.array([0.3, -0.4]) + pull)
        assert weights == pytest.approx(wanted)


def test_constraints_by_their_formulas(backend: str) -> None:
    free = np.array([0.5 - 0.03, -2 + 0.04])
    norm = np.sqrt((free**2).sum())
    for held, wanted in (
        (MaxNorm(1.5), free * 1.5 / norm),
        (MaxNorm(2.5), free),
        (MaxNorm(0.1, axis=1), [0.1, -0.1]),
        (MaxNorm(1.5, axis=(0, -1)), free * 1.5 / norm),
        (UnitNorm(), free / norm),
        (NonNeg(), [free[0], 0]),
    ):
        _, weights = held_step(backend, (0.3, -0.4), weight_constraint=held)
        assert weights == pytest.approx(wanted, abs=1e-6), held


def test_shared_weights_are_pulled_once_and_evaluation_counts_the_penalty(backend: str) -> None:
    x = Input((3,))
    shared = L.Dense(3, weight_regularizer=L2(0.5), bias_regularizer="l1")
    net = Graph(x, shared(L.Tanh()(shared(x))))
    rows = np.random.RandomState(0).standard_normal((7, 3)).astype(np.float32)
    model = model_on(net, backend, loss="mse", optimizer=optimizers.SGD(0.0))
    model.load_weights(rough_weights(net))
    told = model.fit(rows, rows, batch_size=3, sample_weight=np.arange(7), verbose=0)["loss"]
    found = model.evaluate(rows, rows, batch_size=3, sample_weight=np.arange(7))["loss"]
    assert told[0] == pytest.approx(found, rel=1e-5)
    weights = rough_weights(net)
    mean = float(np.square(model.predict(rows) - rows).mean(axis=1) @ np.arange(7) / 21)
    wanted = mean + 0.5 * np.square(weights["dense.weight"]).sum()
    wanted += 0.01 * np.abs(weights["dense.bias"]).sum()
    assert found == pytest.approx(wanted, rel=1e-5)
