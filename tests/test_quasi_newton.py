"""L-BFGS: its direction, its line search, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw.backend import Options
from unifw.data import Data
from unifw.errors import SpecError, UnifwError
from unifw.optimizers import LBFGS, Group
from unifw.quasi_newton import Point, direction, strong_wolfe
from unifw.registry import backend


def test_the_direction_is_newtons_once_all_curvature_is_known() -> None:
    draw = np.random.RandomState(0)
    root = draw.standard_normal((5, 5))
    bend = root @ root.T + np.eye(5)
    # Along conjugate directions the updates give the inverse of the curvature itself.
    _, conjugate = np.linalg.eigh(bend)
    pairs = [(row, bend @ row) for row in conjugate.T]
    gradient = draw.standard_normal(5)
    assert direction(gradient, pairs) == pytest.approx(-np.linalg.solve(bend, gradient))
    assert direction(gradient, []) == pytest.approx(-gradient)


def looked(value: Any, slope: Any) -> tuple[Any, list[float]]:
    asked: list[float] = []

    def look(far: float) -> Point:
        asked.append(far)
        return Point(far, value(far), slope(far), np.zeros(1))

    return look, asked


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
def test_the_search_ends_where_both_conditions_hold(first: float) -> None:
    def value(t: float) -> float:
        return -t / (t * t + 2) + 0.01 * np.sin(20 * t) * 0.1

    def slope(t: float) -> float:
        return (value(t + 1e-7) - value(t - 1e-7)) / 2e-7

    look, asked = looked(value, slope)
    begin = Point(0.0, value(0.0), slope(0.0), np.zeros(1))
    end = strong_wolfe(look, begin, first, 25)
    assert end.value <= begin.value + 1e-4 * end.far * begin.slope
    assert abs(end.slope) <= 0.9 * abs(begin.slope)
    assert len(asked) <= 25


def test_a_loss_that_is_no_number_is_too_far() -> None:
    look, _ = looked(
        lambda t: (t - 1) ** 2 if t < 3 else float("nan"),
        lambda t: 2 * (t - 1) if t < 3 else float("nan"),
    )
    end = strong_wolfe(look, Point(0.0, 1.0, -2.0, np.zeros(1)), 100.0, 25)
    assert end.value < 1


def test_the_search_stops_when_it_may_look_no_further() -> None:
    look, asked = looked(lambda t: 1 + t, lambda t: 1.0)  # the slope at 0 promised otherwise
    begin = Point(0.0, 1.0, -1.0, np.zeros(1))
    assert strong_wolfe(look, begin, 1.0, 4) is begin
    assert len(asked) == 4
    uphill = begin._replace(slope=1.0)
    assert strong_wolfe(look, uphill, 1.0, 4) is uphill


def test_least_squares_are_solved() -> None:
    draw = np.random.RandomState(0)
    x = draw.standard_normal((40, 6))
    y = x @ draw.standard_normal((6, 2)) + draw.standard_normal((40, 2))
    net = uf.Sequential([uf.layers.Dense(2, bias=False)], input_shape=6)
    model = uf.Model(net, loss="mse", optimizer="lbfgs", dtype="float64")
    model.fit(x, y, epochs=25, batch_size=40, verbose=0)
    exact, *_ = np.linalg.lstsq(x, y, rcond=None)
    assert model.weights["dense.weight"] == pytest.approx(exact, abs=1e-5)


def test_running_statistics_take_one_batch_in_however_many_losses_a_step_needs(few: Any) -> None:
    x, y = few
    layers = [uf.layers.Flatten(), uf.layers.BatchNorm(), uf.layers.Dense(10)]
    net = uf.Sequential(layers, input_shape=(1, 8, 8))
    model = uf.Model(net, loss="cross_entropy", optimizer="lbfgs")
    model.fit(x, y, batch_size=100, verbose=0)
    found = model.weights["batch_norm.running_mean"]
    assert found == pytest.approx(0.1 * x.reshape(100, -1).mean(0), abs=1e-5)


def test_a_step_without_any_weight_gives_the_loss() -> None:
    net = uf.Sequential([uf.layers.ReLU()], input_shape=2)
    live = backend("numpy").open(net, Options((uf.losses.MSE(),), LBFGS()), {})
    rows = np.full((3, 2), 2.0, dtype=np.float32)
    loss, (out,) = live.take_step(Data((rows,), (rows - 1,)))
    assert float(loss) == pytest.approx(1)
    assert out == pytest.approx(rows)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"history": 0}, "history"), ({"evaluations": 0}, "evaluations"),
        ({"line_search": "wolf"}, "line_search"), ({"clip_norm": 1.0}, "clip"),
        ({"clip_value": 1.0}, "clip"), ({"accumulate": 2}, "accumulate|whole|batch"),
        ({"groups": [Group("*", 0.5)]}, "without groups"), ({"learning_rate": -1}, "learning_rate"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: Any, says: str) -> None:
    with pytest.raises(UnifwError, match=says):
        LBFGS(**wrong)


def test_constraints_do_not_go_with_a_line_that_is_searched() -> None:
    net = uf.Sequential([uf.layers.Dense(2, weight_constraint="non_neg")], input_shape=3)
    with pytest.raises(SpecError, match=r"constraints on dense\.weight"):
        uf.Model(net, loss="mse", optimizer="lbfgs")
    with pytest.raises(SpecError, match=r"constraints on dense\.weight"):
        backend("numpy").open(net, Options((uf.losses.MSE(),), LBFGS()), {})
