"""Regularizers and constraints: what is refused, what travels, and their formulas in NumPy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.constraints import MaxNorm, NonNeg, UnitNorm
from unifw.errors import FileError, SpecError, UnknownName
from unifw.formulas.tape import TAPE, Value
from unifw.formulas.weights import held_by
from unifw.measures.penalties import penalty, value_and_slope
from unifw.regularizers import L1, L1L2, L2
from unifw.weights import initial

WEIGHT = np.array([[0.5, -2.0, 0.0], [1.0, -0.25, 0.0]])


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (L1(), 0.01 * 3.75),
        (L1(0.2), 0.2 * 3.75),
        (L2(), 0.01 * (0.25 + 4 + 1 + 0.0625)),
        (L2(0.3), 0.3 * 5.3125),
        (L1L2(), 0),
        (L1L2(0.2, 0.3), 0.2 * 3.75 + 0.3 * 5.3125),
    ],
)
def test_penalties_and_their_slopes(rule: Any, wanted: float) -> None:
    value, slope = value_and_slope(rule, WEIGHT)
    assert value == pytest.approx(wanted)
    h = 1e-6
    assert (slope[WEIGHT == 0] == 0).all()
    for place in zip(*np.nonzero(WEIGHT), strict=True):
        moved = np.zeros_like(WEIGHT)
        moved[place] = h
        above, below = (value_and_slope(rule, WEIGHT + by)[0] for by in (moved, -moved))
        assert slope[place] == pytest.approx((above - below) / (2 * h), abs=1e-8)


def held(rule: Any, shape: tuple[int, ...], incoming: tuple[int, ...], weight: Any) -> Any:
    ready = rule.on(shape, incoming)
    return held_by.find(ready)(ready, len(shape), TAPE)(Value(weight)).data


def test_constraints_by_columns_rows_and_kernels() -> None:
    columns = np.linalg.norm(WEIGHT, axis=0)
    found = held(MaxNorm(1.5), (2, 3), (0,), WEIGHT)
    assert found[:, [0, 2]] == pytest.approx(WEIGHT[:, [0, 2]])
    assert found[:, 1] == pytest.approx(WEIGHT[:, 1] * 1.5 / columns[1])
    rows = np.linalg.norm(WEIGHT, axis=1, keepdims=True)
    assert held(UnitNorm(-1), (2, 3), (0,), WEIGHT) == pytest.approx(WEIGHT / rows)
    assert held(UnitNorm(), (2, 3), (0,), WEIGHT)[:, 2] == pytest.approx([0, 0])
    assert held(NonNeg(), (2, 3), (0,), WEIGHT) == pytest.approx(np.where(WEIGHT > 0, WEIGHT, 0))
    kernel = np.arange(24.0).reshape(2, 3, 4)
    found = held(UnitNorm(), (2, 3, 4), (1, 2), kernel)
    assert np.square(found).sum(axis=(1, 2)) == pytest.approx([1, 1])


def test_norms_go_over_what_comes_in_to_a_unit() -> None:
    end = {"weight_constraint": "unit_norm"}
    dense = uf.Sequential([L.Dense(3, bias_constraint=MaxNorm(), **end)], input_shape=4)
    assert dense.constraints == {"dense.weight": UnitNorm(0), "dense.bias": MaxNorm(axis=0)}
    conv = uf.Sequential([L.Conv2D(4, 3, groups=2, **end)], input_shape=(2, 5, 5))
    assert conv.constraints == {"conv2d.weight": UnitNorm((1, 2, 3))}
    table = uf.Sequential([L.Embedding(7, 3, **end)], input_shape=4)
    assert table.constraints == {"embedding.weight": UnitNorm(1)}
    other = uf.Sequential([L.Conv1D(4, 3, weight_constraint=MaxNorm(1, (-1,)))], input_shape=(2, 5))
    assert other.constraints == {"conv1d.weight": MaxNorm(1, 2)}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: L2(-1), r"l2 must be a number in \[0, inf\)"),
        (lambda: L1("a"), "l1 must be"),
        (lambda: L1L2(0.1, np.nan), "l2 must be"),
        (lambda: MaxNorm(0), r"max_value must be a number in \(0"),
        (lambda: MaxNorm(axis=()), "axis must be a whole number or several"),
        (lambda: UnitNorm(1.0), "axis must be a whole number or several"),
        (lambda: UnitNorm((0, True)), "axis must be a whole number or several"),
        (lambda: L.Dense(3, weight_regularizer=L2), r"write L2\(\)"),
        (lambda: L.Dense(3, weight_regularizer=0.1), "a regularizer is a name or an instance"),
        (lambda: L.Dense(3, weight_constraint=L2()), "a constraint is a name or an instance"),
        (lambda: L.Dense(3, bias=False, bias_regularizer="l2"), "needs a bias"),
        (lambda: L.Conv1D(3, 2, bias=False, bias_constraint="non_neg"), "needs a bias"),
    ],
)
def test_wrong_arguments_are_refused_at_once(make: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make()


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'l2'"):
        L.Dense(3, weight_regularizer="l3")
    with pytest.raises(UnknownName, match="Did you mean 'non_neg'"):
        L.Embedding(3, 2, weight_constraint="nonneg")
    with pytest.raises(TypeError, match="bias_regularizer"):
        L.Embedding(3, 2, bias_regularizer="l2")  # type: ignore[call-arg]


@pytest.mark.parametrize("axis", [2, -3, (0, -2), (0, 5)])
def test_axes_that_a_weight_does_not_have_are_refused(axis: Any) -> None:
    layer = L.Dense(3, weight_constraint=MaxNorm(1, axis))
    with pytest.raises(SpecError, match=r"Dense\(3.*weight_constraint.*shape \(4, 3\)"):
        uf.Sequential([layer], input_shape=4)


def test_they_travel_with_the_net() -> None:
    layers = [
        L.Embedding(7, 3, weight_constraint=UnitNorm((0, 1)), weight_regularizer="l1"),
        L.Flatten(),
        L.Dense(2, bias_regularizer=L1L2(0.1, 0.2), bias_constraint=NonNeg(), name="end"),
    ]
    net = uf.Sequential(layers, input_shape=4)
    again = uf.Graph.from_json(net.to_json())
    assert again == net
    assert again.regularizers == {"embedding.weight": L1(), "end.bias": L1L2(0.1, 0.2)}
    assert hash(again) == hash(net)
    data = json.loads(net.to_json())
    data["nodes"][2]["layer"]["bias_regularizer"]["kind"] = "L3"
    with pytest.raises(FileError, match="unknown kind 'L3'"):
        uf.Graph.from_json(json.dumps(data))


def test_frozen_weights_are_neither_pulled_nor_held() -> None:
    layer = L.Dense(3, weight_regularizer="l2", weight_constraint="unit_norm")
    net = uf.Sequential([layer], input_shape=4)
    weights = initial(net, 0)
    assert penalty(net, weights) == pytest.approx(0.01 * np.square(weights["dense.weight"]).sum())
    still = net.frozen("dense")
    assert (still.regularizers, still.constraints) == ({}, {})
    assert penalty(still, weights) == 0
    assert still.thawed("dense") == net


def test_a_model_with_them_saves_loads_and_exports(few: Any, tmp_path: Any) -> None:
    layers = [
        L.Conv2D(3, 3, weight_regularizer="l2", weight_constraint=MaxNorm(1)), L.Flatten(),
        L.Dense(10, weight_regularizer=L1(1e-3), bias_constraint="non_neg", trainable=False),
    ]  # fmt: skip
    model = uf.Model(uf.Sequential(layers, input_shape=(1, 8, 8)), loss="cross_entropy")
    model.fit(*few, verbose=0)
    model.save(tmp_path / "m.unifw")
    again = uf.load(tmp_path / "m.unifw")
    assert again.net == model.net
    assert again.evaluate(*few) == model.evaluate(*few)
    assert again.fit(*few, verbose=0) == model.fit(*few, verbose=0)
    assert model.export(tmp_path / "m.onnx").verified
