"""Dropout and noise without parity: right on average, off in evaluation, the same for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import optimizers
from unifw.data import Data
from unifw.errors import SpecError
from unifw.testing.compare import digits, model, told

ROWS, RATE, STD = 64, 0.3, 0.7
X = np.ones((ROWS, 8, 50), dtype=np.float32)
NET = uf.Sequential([L.Dense(16), L.ReLU(), L.Dropout(0.4), L.Dense(10)], input_shape=(64,))
Array = np.ndarray[Any, Any]


def drawn(backend: str, layer: L.Layer) -> tuple[Array, Array, Array]:
    """Return what two steps of training and prediction make of ones."""
    net = uf.Sequential([layer], input_shape=X.shape[1:])
    made = model(net, backend, loss="mse", parity=False)
    session = made.session
    first, second = (session.host(session.take_step(Data((X,), (X,)))[1][0]) for _ in range(2))
    seen = made.predict(X)
    made.close()
    return first, second, seen


@pytest.mark.parametrize("layer", [L.Dropout(RATE), L.SpatialDropout(RATE)], ids=repr)
def test_a_share_is_dropped_and_the_rest_scaled(backend: str, layer: L.Layer) -> None:
    first, second, seen = drawn(backend, layer)
    assert np.allclose(first[first != 0], 1 / (1 - RATE))
    assert not np.array_equal(first, second)
    assert np.array_equal(seen, X)
    if isinstance(layer, L.SpatialDropout):
        assert np.array_equal(first, np.broadcast_to(first[:, :, :1], first.shape))
        first = first[:, :, 0]
    # Four standard deviations of the mean.
    assert abs((first == 0).mean() - RATE) < 4 * np.sqrt(RATE * (1 - RATE) / first.size)


def test_noise_is_normal(backend: str) -> None:
    first, second, seen = drawn(backend, L.GaussianNoise(STD))
    added = first - 1
    assert abs(added.mean()) < 4 * STD / np.sqrt(added.size)
    assert abs(added.std() / STD - 1) < 4 / np.sqrt(2 * added.size)
    assert abs((np.abs(added) > 2 * STD).mean() - 0.0455) < 0.01
    assert not np.array_equal(first, second)
    assert np.array_equal(seen, X)


def losses(made: uf.Model, first: int, steps: int = 4) -> list[float]:
    x, y = digits().xs[0].reshape(-1, 64), digits().ys[0]
    found = []
    for step in range(first, first + steps):
        rows = slice(step * 32, step * 32 + 32)
        loss, _ = made.session.take_step(Data((x[rows],), (y[rows],)))
        found.append(float(made.session.host(loss)))
    return found


def test_the_same_seed_gives_the_same_curve(backend: str) -> None:
    seeds = {"one": 0, "same": 0, "other": 2**40}
    weights = uf.Model(NET).weights
    made = {
        name: model(
            NET, backend, loss="cross_entropy", seed=seed, weights=weights, parity=False
        )
        for name, seed in seeds.items()
    }  # fmt: skip
    # All are alive at once, and take turns.
    found: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(2):
        for name, each in made.items():
            found[name] += losses(each, 4 * turn)
    assert found["one"] == found["same"]
    assert found["one"] != found["other"]
    for each in made.values():
        each.close()


def test_it_goes_on_after_a_move(backend: str, tmp_path: Path) -> None:
    made = model(NET, backend, loss="cross_entropy", parity=False)
    losses(made, 0)
    made.save(tmp_path / "a.unifw")
    again = uf.load(tmp_path / "a.unifw", **told(backend))
    # Which masks come now, a framework's generator need not say; that others than parity's do, the loss does.
    strict = model(NET, backend, loss="cross_entropy", weights=again.weights)
    strict.session.load_state(again.session.state())
    strict.session.steps = again.session.steps
    assert losses(again, 4, 1) != losses(strict, 4, 1)
    assert not again.checkpoint().parity
    for each in (made, again, strict):
        each.close()


def test_a_line_search_wants_parity(backend: str) -> None:
    with pytest.raises(SpecError, match="draws dropout anew"):
        model(NET, backend, loss="cross_entropy", optimizer=optimizers.LBFGS(), parity=False)
