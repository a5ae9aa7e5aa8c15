"""Every optimizer by its formula, written out here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unifw import layers as L
from unifw import losses, optimizers
from unifw.data import Data
from unifw.spec.graph import Sequential
from unifw.testing.compare import opened
from unifw.testing.walking import SLOPES, stepped, walked


def test_plain_descent_decays_in_the_gradient(backend: str) -> None:
    found = walked(backend, optimizers.SGD(0.1, weight_decay=0.5))
    wanted = [0.5, 0.5]
    for slopes in SLOPES:
        wanted = [w - 0.1 * (g + 0.5 * w) for w, g in zip(wanted, slopes, strict=True)]
    assert found == pytest.approx(wanted, abs=2e-6)


def test_nesterov_looks_ahead(backend: str) -> None:
    # mindspore 2.10: nn.Momentum ignores use_nesterov on CPU.
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["v"] = 0.9 * m["v"] + g
        return 0.1 * (g + 0.9 * m["v"])

    found = walked(backend, optimizers.SGD(0.1, 0.9, nesterov=True))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_adam_epsilon_is_outside_the_root_and_unscaled(backend: str) -> None:
    # mindspore 2.10: the "epsilon hat" form, an epsilon 31 times larger at step 1.
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["m"] = 0.9 * m["m"] + 0.1 * g
        m["v"] = 0.999 * m["v"] + 0.001 * g * g
        return 0.1 * m["m"] / (1 - 0.9**t) / ((m["v"] / (1 - 0.999**t)) ** 0.5 + 0.1)

    found = walked(backend, optimizers.Adam(0.1, epsilon=0.1))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_adamw_decays_apart_from_the_gradient(backend: str) -> None:
    # mindspore 2.10: nn.AdamWeightDecay has no bias correction.
    found = walked(backend, optimizers.AdamW(0.1, weight_decay=0.5), [(0.3, -0.04)])
    wanted = [0.5 * (1 - 0.05) - 0.1 * np.sign(g) for g in (0.3, -0.04)]
    assert found == pytest.approx(wanted, abs=2e-6)


def test_rmsprop_starts_from_zero_with_epsilon_outside(backend: str) -> None:
    # paddle 3.3 and mindspore 2.10: epsilon inside the root; mindspore starts from one.
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["v"] = 0.9 * m["v"] + 0.1 * g * g
        return 0.1 * g / (m["v"] ** 0.5 + 0.1)

    found = walked(backend, optimizers.RMSprop(0.1, 0.9, 0.1))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_rmsprop_momentum_is_without_the_rate(backend: str) -> None:
    # paddle 3.3 keeps the rate inside the buffer: the same until the rate changes.
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["v"] = 0.9 * m["v"] + 0.1 * g * g
        m["m"] = 0.5 * m["m"] + g / (m["v"] ** 0.5 + 0.1)
        return 0.1 * m["m"]

    found = walked(backend, optimizers.RMSprop(0.1, 0.9, 0.1, 0.5))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_adagrad_starts_from_zero_with_epsilon_outside(backend: str) -> None:
    # mindspore 2.10 starts from 0.1; megengine 1.13 has epsilon inside the root.
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["v"] += g * g
        return 0.1 * g / (m["v"] ** 0.5 + 0.1)

    found = walked(backend, optimizers.Adagrad(0.1, 0.1))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_clip_norm_scales_all_gradients_together(backend: str) -> None:
    found = walked(backend, optimizers.SGD(1.0, clip_norm=0.1), [(3.0, -4.0)])
    assert found == pytest.approx([0.5 - 0.06, 0.5 + 0.08], abs=2e-6)
    small = walked(backend, optimizers.SGD(1.0, clip_norm=10.0), [(3.0, -4.0)])
    assert small == pytest.approx([-2.5, 4.5], abs=2e-6)


def test_clip_value_cuts_each(backend: str) -> None:
    found = walked(backend, optimizers.SGD(1.0, clip_value=0.1), [(3.0, -0.04)])
    assert found == pytest.approx([0.4, 0.54], abs=2e-6)


def test_adadelta_has_epsilon_inside_both_roots(backend: str) -> None:
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["v"] = 0.9 * m["v"] + 0.1 * g * g
        step = ((m["m"] + 0.01) / (m["v"] + 0.01)) ** 0.5 * g
        m["m"] = 0.9 * m["m"] + 0.1 * step * step
        return 0.5 * step

    found = walked(backend, optimizers.Adadelta(0.5, 0.9, 0.01))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_adamax_adds_epsilon_to_the_size(backend: str) -> None:
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["m"] = 0.9 * m["m"] + 0.1 * g
        m["v"] = max(0.5 * m["v"], abs(g) + 0.1)
        return 0.1 / (1 - 0.9**t) * m["m"] / m["v"]

    found = walked(backend, optimizers.Adamax(0.1, beta2=0.5, epsilon=0.1))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_nadam_warms_its_momentum_up(backend: str) -> None:
    def momentum(t: int) -> Any:
        return 0.9 * (1 - 0.5 * 0.96 ** (t * 0.5))

    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["m"] = 0.9 * m["m"] + 0.1 * g
        m["v"] = 0.99 * m["v"] + 0.01 * g * g
        product = m["p"] = m.get("p", 1.0) * momentum(t)
        ahead = momentum(t + 1) / (1 - product * momentum(t + 1)) * m["m"]
        step = (1 - momentum(t)) / (1 - product) * g + ahead
        return 0.1 * step / ((m["v"] / (1 - 0.99**t)) ** 0.5 + 0.1)

    found = walked(backend, optimizers.NAdam(0.1, 0.9, 0.99, 0.1, momentum_decay=0.5))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


def test_radam_divides_only_when_it_knows_the_variance(backend: str) -> None:
    # With beta2 = 0.9 that is from the seventh of these steps on.
    told = []

    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["m"] = 0.8 * m["m"] + 0.2 * g
        m["v"] = 0.9 * m["v"] + 0.1 * g * g
        most, step = 19.0, m["m"] / (1 - 0.8**t)
        now = most - 2 * t * 0.9**t / (1 - 0.9**t)
        told.append(now > 5)
        if now > 5:
            trust = (now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)
            step *= (trust * (1 - 0.9**t)) ** 0.5 / (m["v"] ** 0.5 + 0.1)
        return 0.1 * step

    slopes = SLOPES * 2
    found = walked(backend, optimizers.RAdam(0.1, 0.8, 0.9, 0.1), slopes)
    assert found == pytest.approx(stepped(rule, slopes), abs=2e-6)
    assert set(told) == {False, True}


def test_lamb_steps_as_far_as_the_weight_is_long(backend: str) -> None:
    weight, mean, square = np.array([0.5, 0.5]), np.zeros(2), np.zeros(2)
    for t, slope in enumerate(np.array(SLOPES), start=1):
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        step = mean / (1 - 0.9**t) / (np.sqrt(square / (1 - 0.99**t)) + 0.1) + 0.5 * weight
        weight = weight - 0.1 * np.linalg.norm(weight) / np.linalg.norm(step) * step
    found = walked(backend, optimizers.Lamb(0.1, 0.9, 0.99, 0.1, 0.5))
    assert found == pytest.approx(weight, abs=2e-6)


def test_lamb_takes_a_weight_of_zeros_off_zero(backend: str) -> None:
    net = Sequential([L.Dense(2)], input_shape=1)
    zeros = {"dense.weight": np.zeros((1, 2)), "dense.bias": np.zeros(2)}
    x, y = np.ones((1, 1), dtype=np.float32), np.array([[2.0, -2.0]], dtype=np.float32)
    given = {name: value.astype(np.float32) for name, value in zeros.items()}
    with opened(backend, net, (losses.MSE(),), optimizers.Lamb(0.1), weights=given) as session:
        session.take_step(Data((x,), (y,)))
        assert session.weights()["dense.bias"] == pytest.approx([0.1, -0.1], abs=2e-6)


def test_lion_moves_by_the_sign_alone(backend: str) -> None:
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        step = 0.1 * np.sign(0.5 * m["m"] + 0.5 * g)
        m["m"] = 0.8 * m["m"] + 0.2 * g
        return step

    found = walked(backend, optimizers.Lion(0.1, 0.5, 0.8))
    assert found == pytest.approx(stepped(rule), abs=2e-6)
    decayed = walked(backend, optimizers.Lion(0.1, weight_decay=0.5), [(0.3, -0.04)])
    assert decayed == pytest.approx([0.475 - 0.1, 0.475 + 0.1], abs=2e-6)
    still = walked(backend, optimizers.Lion(0.1), [(0.3, 0.0)])
    assert still == pytest.approx([0.4, 0.5], abs=2e-6)


def test_ftrl_sets_small_weights_to_zero(backend: str) -> None:
    slopes = (*SLOPES, (0.4, 0.02))
    found = walked(backend, optimizers.Ftrl(0.5, 0.3, 0.3, 0.2, 0.1), slopes)
    wanted = []
    for column in zip(*slopes, strict=True):
        weight, total, linear = 0.5, 0.1, 0.0
        for g in column:
            linear += g - ((total + g * g) ** 0.5 - total**0.5) / 0.5 * weight
            total += g * g
            below = (0.3 + total**0.5) / 0.5 + 2 * 0.2
            weight = -np.sign(linear) * max(abs(linear) - 0.3, 0) / below
        wanted.append(weight)
    assert found == pytest.approx(wanted, abs=2e-6)
    assert found[0] != 0
    assert found[1] == 0
