"""On a Flink cluster of a JobManager and two TaskManagers, each a JVM of its own."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.errors import BackendError

NET = uf.Sequential([L.Dense(16), L.Tanh(), L.Dense(10)], input_shape=64)


def digits_on(**settings: Any) -> uf.Model:
    return uf.Model(
        NET, "alink", loss="cross_entropy", optimizer="lbfgs", metrics=["accuracy"], dtype="float64",
        parallelism=2, **settings,
    )  # fmt: skip


def test_a_cluster_computes_what_this_machine_does(flink: Any, flat: Any) -> None:
    x, y = (array[:500] for array in flat)
    address = f"localhost:{flink.rest}"
    here, there = digits_on(iterations=8), digits_on(iterations=8, cluster=address)
    for model in (here, there):
        model.fit(x, y, batch_size=len(x), verbose=0)
    assert flink.overview()["jobs-finished"] > 0
    assert there.history["loss"] == pytest.approx(here.history["loss"], rel=1e-9)
    for name, weight in here.weights.items():
        assert np.abs(there.weights[name] - weight).max() <= 1e-6 * np.abs(weight).max()
    assert there.history["accuracy"] == here.history["accuracy"]
    assert np.abs(there.predict(x[:200]) - here.predict(x[:200])).max() <= 1e-6


def test_too_few_slots_are_told_at_once(flink: Any) -> None:
    with pytest.raises(BackendError, match="has 2 slots, fewer than parallelism=3"):
        uf.Model(NET, "alink", cluster=f"localhost:{flink.rest}", parallelism=3)


def test_a_lost_machine_is_an_error_and_never_a_wrong_model(
    flink: Any, flat: Any, wait_for: Any
) -> None:
    x, y = (array[:300] for array in flat)
    model = digits_on(iterations=100_000, epsilon=1e-300, cluster=f"localhost:{flink.rest}")
    before = model.weights
    # So that the job that is killed is the long one, not that which asks for the order of classes.
    model.session._place.orders[10] = tuple(range(10))
    raised: list[BaseException] = []

    def fit() -> None:
        try:
            model.fit(x, y, batch_size=len(x), verbose=0)
        except BackendError as err:
            raised.append(err)

    done = flink.overview()["jobs-finished"]
    thread = threading.Thread(target=fit)
    thread.start()
    wait_for(lambda: flink.working > 20)  # it has its slots, and iterates
    flink.kill_one()
    thread.join(timeout=180)
    assert not thread.is_alive()
    assert flink.overview()["jobs-finished"] == done
    (err,) = raised
    assert f"Alink's job failed on the cluster at localhost:{flink.rest}" in str(err)
    assert model.epoch == 0
    for name, weight in before.items():
        assert np.array_equal(model.weights[name], weight)
    flink.add()
    again = digits_on(iterations=5, cluster=f"localhost:{flink.rest}")
    assert again.fit(x, y, batch_size=len(x), verbose=0)["loss"][0] < 2.3
