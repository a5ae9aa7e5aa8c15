"""Weights and state come back as they went in, and a curve goes on elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from unifw import optimizers
from unifw.backend import Plan
from unifw.testing.cases import (
    KINKED,
    OPTIMIZERS,
    SMOOTH,
)
from unifw.testing.compare import (
    CROSS_ENTROPY,
    CURVE,
    REFERENCE,
    digits,
    judged,
    opened,
    rough_weights,
)
from unifw.weights import initial

MOVED = [
    "sgd-momentum", "adam-amsgrad", "rmsprop-centered-momentum", "nadam", "lamb", "adamw-cosine", "everything",
]  # fmt: skip
each_net = pytest.mark.parametrize("net", SMOOTH)


def test_weights_come_back_as_they_went_in(backend: str) -> None:
    weights = rough_weights(KINKED)
    with opened(backend, KINKED, weights=weights) as session:
        found = session.weights()
        assert list(found) == list(weights)
        for name, value in weights.items():
            assert found[name].dtype == np.float32
            assert np.array_equal(found[name], value), name
        for value in found.values():
            value[...] = 0  # what is given is a copy
        judged(session.weights(), weights, 0.0)


@each_net
@pytest.mark.parametrize("way", ["to", "from"])
@pytest.mark.parametrize("optimizer", MOVED)
def test_moving_in_mid_training_leaves_the_curve_unbroken(
    backend: str, net: str, way: str, optimizer: str
) -> None:
    data = digits().take(slice(0, 230))
    plans = (Plan(0, 1, 50), Plan(1, 2, 50))
    found: list[float] = []
    weights, state, steps = initial(SMOOTH[net], 0), None, 0
    for name, plan in zip(("numpy", backend) if way == "to" else (backend, "numpy"), plans,
                          strict=True):  # fmt: skip
        with opened(
            name, SMOOTH[net], (CROSS_ENTROPY,), OPTIMIZERS[optimizer], weights=weights
        ) as session:
            if state is not None:
                session.load_state(state)
            session.steps = steps
            for epoch in session.fit(data, plan):
                found += list(epoch.losses)
            weights, state, steps = session.weights(), session.state(), session.steps
    with opened(
        REFERENCE[0], SMOOTH[net], (CROSS_ENTROPY,), OPTIMIZERS[optimizer],
        weights=initial(SMOOTH[net], 0), dtype=REFERENCE[1],
    ) as reference:  # fmt: skip
        epochs = list(reference.fit(data.cast(REFERENCE[1]), Plan(0, 2, 50)))
    wanted = np.concatenate([epoch.losses for epoch in epochs])
    assert found == pytest.approx(wanted, rel=CURVE)


def test_state_comes_back_as_it_went_in(backend: str) -> None:
    net = KINKED
    draw = np.random.RandomState(0)
    with opened(backend, net, (CROSS_ENTROPY,), optimizers.Adam(amsgrad=True)) as session:
        empty = session.state()
        assert all(not value.any() for value in empty.values())
        given = {k: draw.random_sample(v.shape).astype(np.float32) for k, v in empty.items()}
        session.load_state(given)
        judged(session.state(), given, 0.0)
        session.load_state(empty)
        judged(session.state(), empty, 0.0)
