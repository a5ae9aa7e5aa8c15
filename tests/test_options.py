"""Options that every optimizer has: groups, averaged weights, several batches to an update."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw.errors import SpecError
from unifw.optimizers import SGD, Adam, AdamW, Ftrl, Group, no_decay

NET = uf.Sequential([uf.layers.Dense(4), uf.layers.LayerNorm(), uf.layers.Dense(2)], input_shape=3)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Group(""), "pattern"),
        (lambda: Group(3), "pattern"),
        (lambda: Group("*", -1), "rate"),
        (lambda: Group("*", weight_decay=-1), "weight_decay"),
        (lambda: SGD(groups="*.bias"), "sequence of Group"),
        (lambda: SGD(groups=["*.bias"]), "sequence of Group"),
        (lambda: Ftrl(groups=[Group("*", weight_decay=0.1)]), "no weight decay"),
        (lambda: SGD(ema=1.0), "ema"),
        (lambda: SGD(ema=0), "ema"),
        (lambda: SGD(accumulate=0), "accumulate"),
        (lambda: SGD(accumulate=1.5), "accumulate"),
    ],
)
def test_wrong_options_are_refused(wrong: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        wrong()


def test_a_group_that_changes_nothing_is_refused_when_the_model_is_built() -> None:
    with pytest.raises(SpecError, match=r"no trained weight has such a name.*dense.weight"):
        uf.Model(NET, optimizer=SGD(groups=[Group("conv*.*", 0.1)]))
    shadowed = [Group("*.bias", 0.1), Group("dense_1.bias", 0.2)]
    with pytest.raises(SpecError, match="earlier groups hold all"):
        uf.Model(NET, optimizer=SGD(groups=shadowed))


def test_groups_may_be_one_or_a_list() -> None:
    one = SGD(groups=Group("*.bias", 0.1))  # type: ignore[arg-type]
    assert one == SGD(groups=[Group("*.bias", 0.1)])  # type: ignore[arg-type]
    assert hash(one) == hash(one.replace())
    assert eval(repr(one), dict(vars(uf.optimizers))) == one  # noqa: S307 - our own text


def test_no_decay_spares_biases_and_norms() -> None:
    rule = AdamW(0.1, weight_decay=0.5, groups=no_decay(NET))
    names = list(NET.parts)
    decays = {
        name: rule.variants[place][0].weight_decay  # type: ignore[attr-defined]
        for name, place in zip(names, rule.places(names), strict=True)
    }
    assert {name for name, decay in decays.items() if decay == 0.5} == {
        "dense.weight",
        "dense_1.weight",
    }
    assert {decay for decay in decays.values() if decay != 0.5} == {0.0}
    assert len(decays) == 6


def test_coefficients_are_those_of_every_group_in_a_row() -> None:
    rule = Adam(0.1, weight_decay=0.5, accumulate=3, groups=[Group("*.bias", 0.5)])  # type: ignore[arg-type]
    own, half = Adam(0.1, weight_decay=0.5), Adam(0.05, weight_decay=0.5)
    for batch, update in ((1, 1), (3, 1), (4, 2), (9, 3)):
        wanted = (*own.coefficients(update, 0.1), *half.coefficients(update, 0.05))
        assert rule.numbers(batch, 0) == pytest.approx(wanted)
    assert rule.parted(rule.numbers(4, 0)) == [
        pytest.approx(own.coefficients(2, 0.1)),
        pytest.approx(half.coefficients(2, 0.05)),
    ]


def test_only_what_is_asked_for_is_kept() -> None:
    assert SGD().kept == ()
    assert Adam().kept == ("mean", "square")
    assert Adam(ema=0.9, accumulate=2).kept == ("mean", "square", "average", "accumulated")
    assert SGD().is_plain
    assert not any(o.is_plain for o in (SGD(ema=0.9), SGD(accumulate=2)))
    assert not SGD(uf.schedules.StepDecay(0.1, 2)).is_plain


def test_within_averaged_nothing_goes_on(few: Any, tmp_path: Any) -> None:
    net = uf.Sequential([uf.layers.Flatten(), uf.layers.Dense(10)], input_shape=(1, 8, 8))
    model = uf.Model(net, loss="cross_entropy", optimizer=uf.optimizers.Adam(ema=0.9))
    model.fit(*few, verbose=0)
    with model.averaged():
        for work in (
            lambda: model.fit(*few, verbose=0),
            lambda: model.load_weights(model.weights),
            lambda: model.save(tmp_path / "a.unifw"),
            lambda: model.to("numpy"),
            lambda: model.averaged().__enter__(),
        ):
            with pytest.raises(SpecError, match="averaged"):
                work()
    assert model.epoch == 1
    model.save(tmp_path / "a.unifw")


def test_averaged_weights_need_ema(few: Any, model: Any) -> None:
    with pytest.raises(SpecError, match=r"Adam\(\) keeps no average"):
        _ = model.ema_weights
    with pytest.raises(SpecError, match="keeps no average"), model.averaged():
        pass
    model.fit(*few, verbose=0)  # and the model is as it was


def test_a_constant_weight_is_its_own_average(few: Any) -> None:
    net = uf.Sequential([uf.layers.Flatten(), uf.layers.Dense(10)], input_shape=(1, 8, 8))
    rule = SGD(0.1, ema=0.99, groups=[Group("*.weight", 0.0)])  # type: ignore[arg-type]
    model = uf.Model(net, loss="cross_entropy", optimizer=rule)
    model.fit(*few, verbose=0)
    found = model.ema_weights
    assert found["dense.weight"] == pytest.approx(model.weights["dense.weight"], rel=1e-5)
    assert not np.allclose(found["dense.bias"], model.weights["dense.bias"], rtol=1e-3)


def test_four_batches_to_an_update_are_one_large_batch(few: Any) -> None:
    x, y = few
    net = uf.Sequential([uf.layers.Flatten(), uf.layers.Dense(10)], input_shape=(1, 8, 8))
    weights = []
    for size, count in ((25, 4), (100, 1)):
        rule = Adam(accumulate=count)
        model = uf.Model(net, loss="cross_entropy", optimizer=rule, dtype="float64")
        model.fit(x, y, epochs=3, batch_size=size, verbose=0)
        weights.append(model.weights["dense.weight"])
    assert weights[0] == pytest.approx(weights[1], rel=1e-9)
