"""What all optimizers share: schedules, groups, several batches to an update, averages, whole data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unifw import demo, losses, optimizers, schedules
from unifw import layers as L
from unifw.backend import Plan
from unifw.data import Data
from unifw.errors import SpecError
from unifw.initializers import Constant
from unifw.model import Model, load
from unifw.spec.graph import Sequential
from unifw.testing.cases import WHOLE_DATA
from unifw.testing.compare import REFERENCE, digits, opened, told
from unifw.testing.compare import model as model_on
from unifw.testing.walking import ONE, SLOPES, stepped, walked
from unifw.weights import initial

# ------------------------------------------------------------------------ schedules

HALVING = schedules.StepDecay(0.1, 2, 0.5)


def test_the_rate_follows_its_schedule(backend: str) -> None:
    found = walked(backend, optimizers.SGD(HALVING))
    assert found == pytest.approx(stepped(lambda t, g, m: rate(t) * g), abs=2e-6)


def rate(t: int) -> float:
    return (0.1, 0.1, 0.05, 0.05)[t - 1]


def test_momentum_is_without_the_changing_rate(backend: str) -> None:
    def rule(t: int, g: float, m: dict[str, float]) -> Any:
        m["v"] = 0.9 * m["v"] + g
        return rate(t) * m["v"]

    found = walked(backend, optimizers.SGD(HALVING, 0.9))
    assert found == pytest.approx(stepped(rule), abs=2e-6)


@pytest.mark.parametrize("kind", [optimizers.Adam, optimizers.AdamW])
def test_decay_follows_the_changing_rate_only_apart_from_the_gradient(
    backend: str, kind: type[optimizers.Adam]
) -> None:
    wanted = []
    for column in zip(*SLOPES, strict=True):
        w, mean, square = 0.5, 0.0, 0.0
        for t, slope in enumerate(column, start=1):
            if kind is optimizers.AdamW:
                w, g = w * (1 - rate(t) * 0.5), slope
            else:
                g = slope + 0.5 * w
            mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
            w -= rate(t) * mean / (1 - 0.9**t) / ((square / (1 - 0.99**t)) ** 0.5 + 0.1)
        wanted.append(w)
    found = walked(backend, kind(HALVING, 0.9, 0.99, 0.1, 0.5))
    assert found == pytest.approx(wanted, abs=2e-6)


def test_a_rate_of_zero_leaves_the_weights_alone(backend: str) -> None:
    begun = schedules.Warmup(0.1, 100)
    for rule in (optimizers.SGD(begun, 0.9), optimizers.AdamW(begun), optimizers.Adagrad(begun)):
        assert walked(backend, rule, SLOPES[:1]) == pytest.approx([0.5, 0.5], abs=1e-7)


def test_the_rate_drops_on_a_plateau_wherever_the_model_is(backend: str, tmp_path: Any) -> None:
    x, y = (array[:200] for array in demo.digits())
    # Nothing is ever that much better: the rate drops after the second and the fourth epoch.
    rule = schedules.ReduceOnPlateau(0.05, 0.5, 0, "loss", threshold=0.9, rest=1)

    def begin(name: str, dtype: str = "float32") -> Model:
        return model_on(
            demo.NETS["mlp"], name, loss="cross_entropy", dtype=dtype,
            optimizer=optimizers.SGD(rule, 0.9),
        )  # fmt: skip

    reference = begin(*REFERENCE)
    reductions, steps = [], []
    for _ in range(5):
        steps += reference.fit(x, y, verbose=0)["loss"][-1:]
        reductions.append(reference.session.reductions)
    assert reductions == [0, 1, 1, 2, 2]
    model = begin(backend)
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "begun.unifw")
    model = load(tmp_path / "begun.unifw", **told(backend))
    model.fit(x, y, epochs=1, verbose=0)
    model = model.to("numpy")
    assert model.session.reductions == 2
    assert model.fit(x, y, verbose=0)["loss"] == pytest.approx(steps, rel=1e-4)


# ------------------------------------------------------------------------ groups

BIASED = Sequential([L.Dense(1, weight_init=Constant(0.5))], input_shape=2, name="biased")
KINDS = [
    optimizers.SGD(0.1, weight_decay=0.2),
    optimizers.SGD(0.1, 0.9, weight_decay=0.2),
    optimizers.Adam(0.1, weight_decay=0.2),
    optimizers.AdamW(0.1, weight_decay=0.2),
    optimizers.Adagrad(0.1, weight_decay=0.2),
    optimizers.RMSprop(0.1, momentum=0.5, weight_decay=0.2),
    optimizers.Lamb(0.1, weight_decay=0.2),
]


def trained(backend: str, optimizer: optimizers.Optimizer, dtype: str = "float32") -> Any:
    """Return a weight and a bias after a step for each pair of given gradients; the bias's is 1."""
    with opened(
        backend, BIASED, (losses.MAE(),), optimizer, weights=initial(BIASED, 0), dtype=dtype
    ) as session:
        for slope in SLOPES:
            x = np.array([slope], dtype=dtype)
            session.take_step(Data((x,), (session.forward((x,))[0] - 1,)))
        weights = session.weights()
    return weights["dense.weight"][:, 0], weights["dense.bias"]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_group_has_its_own_rate_and_decay(backend: str, kind: Any) -> None:
    group = optimizers.Group("*.bias", 0.5, 0.0)
    found = trained(backend, kind.replace(groups=group))
    apart = kind.replace(learning_rate=kind.learning_rate * 0.5, weight_decay=0.0)
    assert found[0] == pytest.approx(trained(*REFERENCE[:1], kind, REFERENCE[1])[0], abs=1e-5)
    assert found[1] == pytest.approx(trained(*REFERENCE[:1], apart, REFERENCE[1])[1], abs=1e-5)


def test_the_first_group_that_fits_counts(backend: str) -> None:
    groups = (optimizers.Group("dense.weight", 0.0), optimizers.Group("dense.*", 2.0))
    weight, bias = trained(backend, optimizers.SGD(0.1, groups=groups))
    assert weight == pytest.approx([0.5, 0.5], abs=0)
    assert bias == pytest.approx([-0.8], abs=2e-6)


def test_gradients_are_clipped_over_all_groups(backend: str) -> None:
    groups = (optimizers.Group("*.bias", 2.0),)
    _, bias = trained(backend, optimizers.SGD(0.1, groups=groups, clip_norm=0.1))
    norms = [(1 + a * a + b * b) ** 0.5 for a, b in SLOPES]
    assert bias == pytest.approx([-sum(0.2 * 0.1 / norm for norm in norms)], abs=2e-6)


# ------------------------------------------------------------------------ several batches to an update


def test_an_update_takes_the_mean_of_its_batches(backend: str) -> None:
    slopes = (*SLOPES, (0.5, 0.6))
    rule = optimizers.SGD(0.1, 0.9, accumulate=2)
    halves = [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in (SLOPES[:2], SLOPES[2:])]
    assert walked(backend, rule, slopes) == pytest.approx(
        walked("numpy", optimizers.SGD(0.1, 0.9), halves), abs=2e-6
    )


def test_the_number_of_an_update_counts_updates(backend: str) -> None:
    slopes = [slope for slope in SLOPES for _ in range(2)]
    for rule in (
        optimizers.Adam(HALVING, 0.8, epsilon=0.1),
        optimizers.SGD(HALVING),
        optimizers.NAdam(HALVING, clip_norm=0.1),
    ):
        found = walked(backend, rule.replace(accumulate=2), slopes)
        assert found == pytest.approx(walked("numpy", rule), abs=2e-6)


def test_a_batch_that_waits_changes_no_weight(backend: str) -> None:
    rule = optimizers.AdamW(0.1, accumulate=3, ema=0.5, groups=(optimizers.Group("*", 1.0, 0.1),))
    with opened(backend, ONE, (losses.MAE(),), rule, weights=initial(ONE, 0)) as session:
        for slope in SLOPES[:2]:
            x = np.array([slope], dtype=np.float32)
            session.take_step(Data((x,), (session.forward((x,))[0] - 1,)))
        assert session.weights()["dense.weight"][:, 0] == pytest.approx([0.5, 0.5], abs=0)
        state = session.state()
    assert state["dense.weight/accumulated"][:, 0] == pytest.approx([0.4, 0.16], abs=1e-6)
    for kind in ("mean", "square", "average"):
        assert not state[f"dense.weight/{kind}"].any()


def test_every_batch_counts_the_same_whatever_its_rows_and_weights(backend: str) -> None:
    rule = optimizers.SGD(1.0, accumulate=2)
    x = np.array([[0.3, 0.1], [0.2, 0.4], [0.5, 0.6]], dtype=np.float32)
    below = np.full((3, 1), -9, dtype=np.float32)
    shares = np.array([1, 3, 7], dtype=np.float32)
    data = Data((x,), (below,), shares)
    with opened(backend, ONE, (losses.MAE(),), rule, weights=initial(ONE, 0)) as session:
        for rows in (slice(0, 2), slice(2, 3)):
            session.take_step(data.take(rows))
        found = session.weights()["dense.weight"][:, 0]
    wanted = 0.5 - ((x[0] + 3 * x[1]) / 4 + x[2]) / 2
    assert found == pytest.approx(wanted, abs=2e-6)


# ------------------------------------------------------------------------ averaged weights


def test_the_average_follows_the_weights_after_each_update(backend: str) -> None:
    for rule in (
        optimizers.SGD(0.1),
        optimizers.SGD(0.1, 0.9),
        optimizers.Adam(0.1),
        optimizers.AdamW(0.1),
        optimizers.Lamb(0.1, groups=(optimizers.Group("*", 0.5),)),
    ):
        average = 0.0
        for count in range(1, len(SLOPES) + 1):
            average = 0.8 * average + 0.2 * walked("numpy", rule, SLOPES[:count])
        averaged = rule.replace(ema=0.8)
        with opened(backend, ONE, (losses.MAE(),), averaged, weights=initial(ONE, 0)) as session:
            for slope in SLOPES:
                x = np.array([slope], dtype=np.float32)
                session.take_step(Data((x,), (session.forward((x,))[0] - 1,)))
            found = session.state()["dense.weight/average"][:, 0]
            assert session.weights()["dense.weight"][:, 0] == pytest.approx(
                walked("numpy", rule), abs=2e-6
            )
        assert found == pytest.approx(average, abs=2e-6)


def test_averaged_weights_are_the_same_wherever_the_model_is(backend: str, tmp_path: Any) -> None:
    x, y = (array[:200] for array in demo.digits())

    def begin(name: str, dtype: str = "float32") -> Model:
        return model_on(
            demo.NETS["lenet"], name, loss="cross_entropy", dtype=dtype,
            optimizer=optimizers.SGD(0.02, 0.9, ema=0.9, accumulate=2),
        )  # fmt: skip

    # Not Adam: it would move a bias before a batch norm, whose gradient is nothing but rounding.
    reference, model = begin(*REFERENCE), begin(backend)
    untouched = model.ema_weights
    assert all(np.array_equal(untouched[name], value) for name, value in model.weights.items())
    reference.fit(x, y, epochs=3, verbose=0)
    model.fit(x, y, epochs=1, verbose=0)  # ends between two batches of an update
    model.save(tmp_path / "begun.unifw")
    model = load(tmp_path / "begun.unifw", "numpy").to(backend, **told(backend))
    model.fit(x, y, epochs=2, verbose=0)
    now, wanted, found = model.weights, reference.ema_weights, model.ema_weights
    assert list(found) == list(now)
    for name, value in wanted.items():
        assert found[name].dtype == np.float32
        assert np.abs(found[name] - value).max() <= 1e-4 * max(1, np.abs(value).max()), name
        assert np.array_equal(found[name], now[name]) is ("running" in name)
    with reference.averaged():
        exact = reference.predict(x)
    with model.averaged():
        assert np.abs(model.predict(x) - exact).max() <= 1e-3
        with pytest.raises(SpecError, match="after the block"):
            model.fit(x, y, verbose=0)
    assert all(np.array_equal(value, now[name]) for name, value in model.weights.items())


# ------------------------------------------------------------------------ all rows in each step


@pytest.mark.parametrize("optimizer", WHOLE_DATA)
@pytest.mark.parametrize("net", ["mlp", "lenet"])
def test_steps_over_the_whole_data(backend: str, net: str, optimizer: str) -> None:
    data = digits().take(slice(0, 400))
    # Rounding grows with each step: on NumPy alone to 1e-4 after twelve of the LeNet.
    steps = 12 if net == "mlp" else 6
    found = []
    for name, dtype in ((backend, "float32"), REFERENCE):
        with opened(
            name, demo.NETS[net], (losses.CrossEntropy(),), WHOLE_DATA[optimizer],
            weights=initial(demo.NETS[net], 0), dtype=dtype,
        ) as session:  # fmt: skip
            epochs = session.fit(data.cast(dtype), Plan(0, steps, 400))
            found.append([epoch.loss for epoch in epochs])
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[1][-1] < found[1][0] * 0.7


def test_history_travels_in_mid_training(backend: str, tmp_path: Any) -> None:
    x, y = (array[:200] for array in demo.digits())

    def begin(name: str, dtype: str = "float32") -> Model:
        rule = optimizers.LBFGS(history=4, ema=0.5)
        return model_on(demo.NETS["mlp"], name, loss="cross_entropy", optimizer=rule, dtype=dtype)

    reference, model = begin(*REFERENCE), begin(backend)
    wanted = reference.fit(x, y, epochs=9, batch_size=200, verbose=0)["loss"]
    model.fit(x, y, epochs=3, batch_size=200, verbose=0)
    model.save(tmp_path / "begun.unifw")
    model = load(tmp_path / "begun.unifw", "numpy")
    model.fit(x, y, epochs=3, batch_size=200, verbose=0)
    model = model.to(backend, **told(backend))
    model.fit(x, y, epochs=3, batch_size=200, verbose=0)
    assert model.history["loss"] == pytest.approx(wanted, rel=1e-4)
    for name, value in reference.ema_weights.items():
        assert model.ema_weights[name] == pytest.approx(value, abs=1e-3)


def test_batches_of_less_than_all_rows_are_refused_before_the_first(backend: str) -> None:
    x, y = (array[:50] for array in demo.digits())
    model = model_on(demo.NETS["mlp"], backend, loss="cross_entropy", optimizer="lbfgs")
    before = model.weights
    with pytest.raises(SpecError, match="batch_size of 50, not 32"):
        model.fit(x, y, verbose=0)
    assert all(np.array_equal(value, before[name]) for name, value in model.weights.items())
