"""Learning rates, step by step, against values written out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import schedules as S
from unifw.errors import SpecError, UnifwError
from unifw.spec.value import decode

CASES: dict[str, tuple[S.Schedule, Sequence[float]]] = {
    "steps": (S.StepDecay(1.0, 2, 0.5), [1, 1, 0.5, 0.5, 0.25]),
    "milestones": (S.MultiStepDecay(1.0, (1, 3), 0.5), [1, 0.5, 0.5, 0.25, 0.25]),
    "exponential": (S.ExponentialDecay(8.0, 0.25, 2), [8, 4, 2, 1, 0.5]),
    "cosine": (S.CosineDecay(1.0, 3, 0.2), [1, 0.8, 0.4, 0.2, 0.2]),
    "restarts": (
        S.CosineRestarts(1.0, 2, 2, 0.2, 0.5),
        [1, 0.6, 0.5, 0.35 + 0.15 * math.sqrt(0.5), 0.35, 0.35 - 0.15 * math.sqrt(0.5), 0.25],
    ),
    "restarts-equal": (S.CosineRestarts(1.0, 2), [1, 0.5, 1, 0.5, 1]),
    "polynomial": (S.PolynomialDecay(1.0, 4, 0.2, 2), [1, 0.65, 0.4, 0.25, 0.2, 0.2]),
    "line": (S.PolynomialDecay(1.0, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
    "inverse-sqrt": (S.InverseSqrt(1.0, 3), [1, math.sqrt(0.75), math.sqrt(0.6), math.sqrt(0.5)]),
    # PyTorch 2.13: OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3, div_factor=4, final_div_factor=10)
    "one-cycle": (
        S.OneCycle(1.0, 10, 0.3, 4, 10),
        [
            0.25, 0.625, 1.0, 0.9517223231, 0.8164512784, 0.6209789553,
            0.4040210447, 0.2085487216, 0.0732776769, 0.025, 0.025,
        ],
    ),
    "warmup": (S.Warmup(1.0, 4, 0.2), [0.2, 0.4, 0.6, 0.8, 1, 1]),
    "warmup-then-steps": (S.Warmup(S.StepDecay(1.0, 2, 0.5), 2), [0, 0.5, 1, 1, 0.5, 0.5]),
    # The Transformer's: up to step n, then the root of n by the step.
    "transformer": (S.Warmup(S.InverseSqrt(1.0, 2), 2), [0, 0.5, 1, math.sqrt(2 / 3)]),
    "plateau": (S.ReduceOnPlateau(1.0), [1, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rates(name: str) -> None:
    schedule, wanted = CASES[name]
    found = [schedule.at(step) for step in range(1, len(wanted) + 1)]
    assert found == pytest.approx(wanted, abs=1e-9)
    assert all(type(value) is float for value in found)


@pytest.mark.parametrize("name", CASES)
def test_schedules_print_as_they_are_written_and_travel_as_json(name: str) -> None:
    schedule, _ = CASES[name]
    assert eval(repr(schedule), dict(vars(S))) == schedule  # noqa: S307 - our own text
    assert decode(json.loads(json.dumps(schedule.to_data())), S.CATALOGUE) == schedule


def test_the_catalogue_is_covered_by_cases() -> None:
    assert {type(schedule).__name__ for schedule, _ in CASES.values()} == set(S.CATALOGUE)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: S.StepDecay(-1.0, 2), "learning_rate"),
        (lambda: S.StepDecay(1.0, 0), "every"),
        (lambda: S.MultiStepDecay(1.0, (3, 1)), "must rise"),
        (lambda: S.MultiStepDecay(1.0, ()), "sequence of whole numbers"),
        (lambda: S.MultiStepDecay(1.0, 5), "sequence of whole numbers"),  # type: ignore[arg-type]
        (lambda: S.ExponentialDecay(1.0, -0.5), "factor"),
        (lambda: S.CosineDecay(0.1, 10, 0.2), "above the learning rate"),
        (lambda: S.CosineRestarts(0.1, 10, 0), "growth"),
        (lambda: S.PolynomialDecay(0.1, 10, power=0), "power"),
        (lambda: S.OneCycle(0.1, 1), "at least 2"),
        (lambda: S.OneCycle(0.1, 10, 1.0), "rise"),
        (lambda: S.OneCycle(0.1, 10, divisor=0.5), "divisor"),
        (lambda: S.Warmup("fast", 10), "learning_rate"),  # type: ignore[arg-type]
        (lambda: S.Warmup(S.InverseSqrt, 10), "learning_rate"),  # type: ignore[arg-type]
        (lambda: S.ReduceOnPlateau(0.1, 1.0), "factor"),
        (lambda: S.ReduceOnPlateau(0.1, mode="low"), "mode"),
        (lambda: S.ReduceOnPlateau(0.1, patience=-1), "patience"),
        (lambda: S.ReduceOnPlateau(0.1, least=1), "above the learning rate"),
        (lambda: uf.optimizers.SGD(S.CosineDecay), "learning_rate"),  # type: ignore[arg-type]
        (lambda: uf.optimizers.Ftrl(0), "divides by it"),
    ],
)
def test_wrong_schedules_are_refused(wrong: Any, says: str) -> None:
    with pytest.raises(UnifwError, match=says):
        wrong()


def test_ftrl_refuses_a_rate_that_becomes_zero() -> None:
    rule = uf.optimizers.Ftrl(S.PolynomialDecay(0.1, 2))
    assert rule.numbers(2, 0)[0] == pytest.approx(20)
    with pytest.raises(SpecError, match="rate of step 3 is 0"):
        rule.numbers(3, 0)


def followed(schedule: S.ReduceOnPlateau, values: Sequence[float]) -> list[int]:
    state, found = S.Plateau(), []
    for value in values:
        state = schedule.seen(state, value)
        found.append(state.reductions)
    return found


def test_a_plateau_forgets_an_infinite_beginning() -> None:
    assert followed(S.ReduceOnPlateau(0.1, patience=0), [np.inf, 5.0, 4.0, 3.0]) == [1, 1, 1, 1]


def test_a_rate_beyond_all_numbers_is_refused() -> None:
    rule = uf.optimizers.SGD(S.StepDecay(1e-3, 1, 10.0))
    with pytest.raises(SpecError, match="rate of step 400 is beyond"):
        rule.numbers(400, 0)


def test_a_plateau_is_more_than_patience_epochs_without_gain() -> None:
    # As PyTorch 2.13's ReduceLROnPlateau does with the same numbers.
    values = [1.0, 0.9, 0.95, 0.9, 0.9, 0.89, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert followed(S.ReduceOnPlateau(1.0, patience=1), values) == [
        0,
        0,
        0,
        1,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
    ]
    rested = S.ReduceOnPlateau(1.0, patience=1, rest=2)
    assert followed(rested, values) == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]
    nothing = [0.5, float("nan"), float("nan"), 0.5 - 1e-6, 0.4]
    assert followed(S.ReduceOnPlateau(1.0, patience=1), nothing) == [0, 0, 1, 1, 1]
    best = S.ReduceOnPlateau(1.0, patience=0, mode="max", threshold=0.1)
    assert followed(best, [0.5, 0.54, 0.56, 0.7]) == [0, 1, 1, 1]


def test_a_reduced_rate_stays_above_the_least_one() -> None:
    schedule = S.ReduceOnPlateau(1.0, 0.1, least=0.05)
    assert [schedule.at(1, n) for n in range(4)] == pytest.approx([1, 0.1, 0.05, 0.05])
    warm = S.Warmup(schedule, 2)
    assert warm.plateau is schedule
    assert [warm.at(n, 1) for n in (1, 2, 3)] == pytest.approx([0, 0.05, 0.1])


def test_a_schedule_that_looks_at_nothing_is_refused_before_training(model: Any, few: Any) -> None:
    rule = uf.optimizers.SGD(S.ReduceOnPlateau(0.1, monitor="val_accuracy", mode="max"))
    fresh = uf.Model(model.net, loss="cross_entropy", metrics=["accuracy"], optimizer=rule)
    with pytest.raises(SpecError, match=r"looks at 'val_accuracy'.*\['loss', 'accuracy'\]"):
        fresh.fit(*few, verbose=0)
    assert fresh.epoch == fresh.session.steps == 0
    assert len(fresh.fit(*few, validation_split=0.2, verbose=0)["val_accuracy"]) == 1


def test_the_step_of_a_schedule_is_counted_over_all_calls_of_fit(model: Any, few: Any) -> None:
    def begin() -> uf.Model:
        rule = uf.optimizers.SGD(S.CosineDecay(0.1, 6))
        return uf.Model(model.net, loss="cross_entropy", optimizer=rule)

    wanted = begin().fit(*few, epochs=3, batch_size=50, verbose=0)["loss"]
    parted = begin()
    for _ in range(3):
        parted.fit(*few, batch_size=50, verbose=0)
    assert parted.history["loss"] == wanted
    before = parted.weights
    parted.fit(*few, batch_size=50, verbose=0)  # the schedule has come to its end: a rate of zero
    assert all(
        (parted.weights[name] == value).all()
        for name, value in before.items()
        if "running" not in name
    )


def test_a_rate_that_will_be_zero_is_refused_before_training() -> None:
    net = uf.Sequential([uf.layers.Dense(1)], input_shape=(2,))
    rule = uf.optimizers.Ftrl(S.PolynomialDecay(0.1, 4))
    model = uf.Model(net, loss="mse", optimizer=rule)
    x, y = np.ones((4, 2)), np.ones((4, 1))
    model.fit(x, y, epochs=2, batch_size=2, verbose=0)
    before = model.weights
    with pytest.raises(SpecError, match="the learning rate of step 5 is 0"):
        model.fit(x, y, batch_size=2, verbose=0)
    assert (model.epoch, model.session.steps) == (2, 4)
    assert all(np.array_equal(value, before[name]) for name, value in model.weights.items())
