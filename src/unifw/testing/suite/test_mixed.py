"""Mixed precision: near the full one, and unharmed by what overflows; or refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.data import Data
from unifw.errors import Unsupported
from unifw.optimizers import Adam
from unifw.testing.compare import digits, model, told

# How far the curve of 20 steps may be from that of the full precision, relatively.
NEAR, STEPS, BATCH = 2e-2, 20, 32
NET = uf.Sequential(
    [
        L.Conv2D(4, 3, padding=1), L.BatchNorm(), L.ELU(), L.AvgPool2D(2), L.Flatten(), L.Dense(16),
        L.Tanh(), L.Dense(10),
    ],
    input_shape=(1, 8, 8),
)  # fmt: skip
SCALE = "loss_scale"
# Such outputs make losses whose gradients are beyond the largest half, 65504, at the first scale.
HUGE = 1e4


@pytest.fixture
def mixed(backend: str, request: pytest.FixtureRequest) -> None:
    why = registry.backend(backend).unmixed("cpu")
    if why is not None:
        request.applymarker(pytest.mark.xfail(reason=why, raises=Unsupported, strict=True))


def opened(backend: str, precision: str = "mixed", **options: Any) -> uf.Model:
    options = {"loss": "cross_entropy", "optimizer": Adam(0.01), **options}
    return model(NET, backend, precision=precision, **options)


def trained(made: uf.Model, steps: int = STEPS) -> uf.Model:
    data = digits().take(slice(0, steps * BATCH))
    made.fit(data.xs[0], data.ys[0], batch_size=BATCH, verbose=0)
    return made


def test_it_is_there_or_refused_with_the_reason(backend: str) -> None:
    why = registry.backend(backend).unmixed("cpu")
    if why is None:
        opened(backend).close()
        return
    with pytest.raises(Unsupported) as caught:
        opened(backend)
    assert why in str(caught.value)
    assert "backends 'megengine' and 'mindspore' have it" in str(caught.value)
    assert "can run every net" not in str(caught.value)


@pytest.mark.usefixtures("mixed")
def test_the_curve_is_near_that_of_full_precision(backend: str) -> None:
    data = digits().take(slice(0, STEPS * BATCH))
    curves = []
    for precision in ("full", "mixed"):
        made = opened(backend, precision)
        plan = uf.backend.Plan(0, 1, BATCH)
        (epoch,) = made.session.fit(data, plan)
        curves.append(epoch.losses)
        made.close()
    assert not np.array_equal(curves[0], curves[1])
    assert np.max(np.abs(curves[1] - curves[0]) / curves[0]) <= NEAR


@pytest.mark.usefixtures("mixed")
def test_an_overflow_changes_nothing_but_the_scale(backend: str) -> None:
    made = opened(backend, loss="mse", optimizer=Adam(0.01, ema=0.9))
    session, draw = made.session, np.random.RandomState(0)
    x = draw.standard_normal((BATCH, 1, 8, 8)).astype(np.float32)
    y = draw.standard_normal((BATCH, 10)).astype(np.float32)
    session.take_step(Data((x,), (y,)))
    weights, state = session.weights(), session.state()
    loss, _ = session.take_step(Data((x,), (y * HUGE,)))
    assert np.isfinite(session.host(loss))
    after = session.state()
    assert after.pop(SCALE).tolist() == [state.pop(SCALE)[0] / 2, 0]
    for name, value in session.weights().items():
        assert np.array_equal(value, weights[name]), name
    for name, value in after.items():
        assert np.array_equal(value, state[name]) or name.endswith("/average"), name
    # So the average is what it would be, had the step been without a gradient.
    for name, value in made.ema_weights.items():
        assert np.allclose(value, weights[name], rtol=1e-5, atol=1e-7), name
    made.close()


@pytest.mark.usefixtures("mixed")
def test_the_scale_keeps_within_its_bounds(backend: str) -> None:
    # So small a share of the loss that even the largest scale does not overflow.
    made = opened(backend, loss="mse", loss_weights=[1e-6])
    session, x, y = made.session, np.ones((4, 1, 8, 8), np.float32), np.ones((4, 10), np.float32)
    for before, factor, after in (
        ((2.0**14, 1998), 1, [2.0**14, 1999]),
        ((2.0**14, 1999), 1, [2.0**15, 0]),
        ((2.0**24, 1999), 1, [2.0**24, 0]),
        ((2.0**24, 1999), 1e30, [2.0**23, 0]),
        ((1.0, 5), 1e30, [1.0, 0]),
    ):
        session.load_state(session.state() | {SCALE: np.array(before)})
        session.take_step(Data((x,), (y * np.float32(factor),)))
        assert session.state()[SCALE].tolist() == after
    made.close()


@pytest.mark.usefixtures("mixed")
def test_the_scale_travels(backend: str, tmp_path: Path) -> None:
    whole, half = trained(opened(backend), 8), trained(opened(backend), 4)
    half.save(tmp_path / "half.unifw")
    again = uf.load(tmp_path / "half.unifw", **told(backend))
    moved = again.to(backend, **told(backend))
    assert moved.session.state()[SCALE].tolist() == [2.0**15, 4]
    data = digits().take(slice(4 * BATCH, 5 * BATCH))
    losses = [
        float(each.session.host(each.session.take_step(data)[0])) for each in (half, again, moved)
    ]
    assert losses[0] == losses[1] == losses[2]
    assert whole.session.state()[SCALE].tolist() == [2.0**15, 8]
    for each in (whole, half, again, moved):
        each.close()


@pytest.mark.usefixtures("mixed")
def test_it_predicts_in_full_precision(backend: str) -> None:
    made = trained(opened(backend), 2)
    x = digits().xs[0][:20]
    found = made.predict(x)
    same = model(NET, backend, weights=made.weights)
    assert np.array_equal(found, same.predict(x))
    made.close()
    same.close()


@pytest.mark.usefixtures("mixed")
def test_a_net_that_does_not_learn_is_saved_as_well(backend: str, tmp_path: Path) -> None:
    net = uf.Sequential([L.Flatten()], input_shape=(2, 2))
    made = model(net, backend, loss="mse", precision="mixed")
    made.fit(np.ones((4, 2, 2), np.float32), np.zeros((4, 4), np.float32), verbose=0)
    made.save(tmp_path / "net.unifw")
    again = uf.load(tmp_path / "net.unifw", **told(backend))
    for each in (made, again):
        assert each.session.state()[SCALE].tolist() == [2.0**15, 0]
        each.close()
