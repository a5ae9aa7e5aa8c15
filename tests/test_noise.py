"""Dropout and noise without parity: how a model goes on after it has been saved.

Runs on the backend that ``--example-backend`` names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.randomness import quick_masks, step_seed

NET = uf.Sequential([L.Dense(8), L.Dropout(0.4), L.GaussianNoise(), L.Dense(2)], input_shape=(4,))


def test_a_saved_model_goes_on_with_the_same_masks(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = str(request.config.getoption("--example-backend"))
    draw = np.random.RandomState(0)
    x, y = draw.standard_normal((24, 4)), draw.standard_normal((24, 2))
    model = uf.Model(NET, name, loss="mse", parity=False, seed=3)
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "half.unifw")
    again = uf.load(tmp_path / "half.unifw")
    for each in (model, again):
        each.fit(x, y, batch_size=8, verbose=0)
    # MindSpore's generators begin anew when its step is compiled.
    same = np.allclose(model.history["loss"], again.history["loss"], rtol=1e-5)
    assert same is (name != "mindspore")


def test_quick_masks_depend_on_seed_step_and_place() -> None:
    net = uf.Sequential([L.Dropout(0.4), L.Dropout(0.4)], input_shape=(50,))
    masks = quick_masks(net, 0, 1, 4)
    first, second = masks.values()
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    for other in (quick_masks(net, 1, 1, 4), quick_masks(net, 0, 2, 4)):
        assert not np.array_equal(first, next(iter(other.values())))
    assert np.array_equal(first, next(iter(quick_masks(net, 0, 1, 4).values())))


def test_seeds_of_steps_fit_everywhere() -> None:
    seeds = {step_seed(seed, step) for seed in (0, 2**63) for step in range(50)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)
