"""Bad data is refused before anything is trained, with the array's name and the mend."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.data import batches
from unifw.errors import DataError, SpecError
from unifw.limits import MOVES
from unifw.randomness import random_masks, shuffled
from unifw.spec.layers import CATALOGUE

X = np.zeros((6, 1, 8, 8), dtype=np.float32)
Y = np.arange(6)


def spoiled(value: float) -> Any:
    x = X.copy()
    x[2, 0, 1, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (spoiled(np.nan), Y, "NaN or infinity .* in 1 rows, the first being row 2"),
        (spoiled(0).astype(np.float64) + 1e39, Y, "beyond float32"),
        (spoiled(np.inf), Y, "NaN or infinity"),
        (X[:, 0], Y, r"must have shape \(n, 1, 8, 8\).*reshape\(-1, 1, 8, 8\)"),
        (X[0], Y, r"for one sample use x\[None\]"),
        (np.zeros((6, 8, 8, 1)), Y, "channels go first"),
        (X.astype(str), Y, "must hold numbers, got dtype <U"),
        (X.astype(object), Y, "must hold numbers"),
        ([[1.0], [1.0, 2.0]], Y, "rows differ in length"),
        (X[:0], Y[:0], "is empty"),
        (X, Y[:5], "same number of rows: x has 6, y .dense. has 5"),
        (X, Y + 5, r"must lie in 0 … 9 \(10 classes\), got 5 … 10"),
        (X, Y - 1, "must lie in 0 … 9"),
        (X, Y + 0.5, "whole numbers"),
        (X, np.full((6, 10), 0.3), "does not sum to 1"),
        (X, np.zeros((6, 4)), "must be class numbers of shape"),
        ([X, X], Y, "x"),
        ({"image": X}, Y, r"inputs are \['input'\]"),
        (3.0, Y, "single number"),
    ],
)
def test_bad_arrays_are_refused_and_nothing_is_trained(
    model: uf.Model, x: Any, y: Any, says: str
) -> None:
    before = model.weights
    with pytest.raises(DataError, match=says):
        model.fit(x, y, verbose=0)
    assert model.epoch == 0
    assert model.history == {}
    assert all(np.array_equal(value, before[name]) for name, value in model.weights.items())


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"epochs": -1}, SpecError, "epochs"),
        ({"batch_size": 0}, SpecError, "batch_size"),
        ({"batch_size": 2.5}, SpecError, "batch_size"),
        ({"shuffle": "yes"}, SpecError, "shuffle"),
        ({"validation_split": 1.0}, DataError, "leave rows on both sides"),
        ({"validation_split": 0.2, "validation_data": (X, Y)}, SpecError, "not both"),
        ({"validation_data": X}, DataError, "must be .x, y."),
        ({"validation_data": (X, Y + 9)}, DataError, "must lie in"),
        ({"sample_weight": np.ones(5)}, DataError, "same number of rows"),
        ({"sample_weight": -np.ones(6)}, DataError, "must not be negative"),
        ({"sample_weight": np.zeros(6)}, DataError, "nor all zero"),
        ({"sample_weight": np.ones((6, 2))}, DataError, "one number per sample"),
        ({"class_weight": {0: -1.0}}, DataError, "at least 0"),
        ({"class_weight": {0: "b"}}, DataError, "at least 0, got 0: 'b'"),
        ({"class_weight": {"a": 1.0}}, DataError, "at least 0, got 'a'"),
        ({"class_weight": [1.0, 2.0]}, DataError, "must be a dict"),
        ({"class_weight": {10: 2.0}}, DataError, "names class 10, but there are 0 … 9"),
        ({"class_weight": {10**13: 2.0}}, DataError, "there are 0 … 9"),
        ({"verbose": "yes"}, SpecError, "verbose"),
        ({"verbose": None}, SpecError, "verbose"),
        (
            {"class_weight": dict.fromkeys(range(10), 0.0)},
            DataError,
            "every sample with weight zero",
        ),
    ],
)
def test_bad_options_of_fit_are_refused(
    model: uf.Model, options: Any, error: Any, says: str
) -> None:
    with pytest.raises(error, match=says):
        model.fit(X, Y, **{"verbose": 0, **options})
    assert model.epoch == 0


@pytest.mark.parametrize("there", [slice(0, 4), slice(4, 6)])
def test_a_split_without_any_weight_is_refused(model: uf.Model, there: slice) -> None:
    weights = np.zeros(6)
    weights[there] = 1
    with pytest.raises(DataError, match="leaves no sample of any weight"):
        model.fit(X, Y, sample_weight=weights, validation_split=1 / 3, verbose=0)
    assert model.epoch == 0


def test_embedding_indices_out_of_range_are_refused() -> None:
    net = uf.Sequential([L.Embedding(5, 2), L.Flatten(), L.Dense(1)], input_shape=3)
    model = uf.Model(net, loss="mse")
    with pytest.raises(DataError, match="0 … 4"):
        model.predict(np.array([[0, 1, 5]]))
    with pytest.raises(DataError, match="whole numbers"):
        model.predict(np.array([[0, 1, 0.5]]))
    assert model.predict(np.array([[0.0, 1.0, 4.0]])).shape == (1, 1)


def test_binary_targets_lie_between_0_and_1() -> None:
    model = uf.Model(uf.Sequential([L.Dense(1)], input_shape=2), loss="binary_cross_entropy")
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        model.fit(np.ones((3, 2)), np.array([0, 1, 2]), verbose=0)


def test_losses_that_do_not_go_with_the_net_are_refused() -> None:
    probable = uf.Sequential([L.Dense(3), L.Softmax()], input_shape=2)
    with pytest.raises(SpecError, match="takes logits"):
        uf.Model(probable, loss="cross_entropy")
    with pytest.raises(SpecError, match="single class"):
        uf.Model(uf.Sequential([L.Dense(1)], input_shape=2), loss="cross_entropy")
    with pytest.raises(SpecError, match="has no loss"):
        uf.Model(probable).fit(np.ones((2, 2)), [0, 1])
    with pytest.raises(SpecError, match="write MSE"):
        uf.Model(probable, loss=uf.losses.MSE)


def test_batches_cover_each_row_once_and_follow_the_seed() -> None:
    cuts = list(batches(10, 4, shuffle=True, seed=3, epoch=1))
    assert [len(rows) for rows in cuts] == [4, 4, 2]
    assert sorted(np.concatenate(cuts)) == list(range(10))
    assert np.array_equal(np.concatenate(cuts), shuffled(10, 3, 1))
    assert not np.array_equal(shuffled(10, 3, 1), shuffled(10, 3, 2))
    assert [list(rows) for rows in batches(3, 2, shuffle=False, seed=0, epoch=0)] == [[0, 1], [2]]


def test_random_masks_have_the_right_share_and_scale() -> None:
    net = uf.Sequential([L.Dropout(0.3), L.Dropout(0.3)], input_shape=1000)
    masks = random_masks(net, 0, 1, 50)
    first, second = masks["dropout"], masks["dropout_1"]
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (first == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, random_masks(net, 0, 2, 50)["dropout"])


def test_random_numbers_are_frozen() -> None:
    # Curves and files rest on these streams; NumPy keeps that of Philox.
    layers = [L.Dropout(0.3), L.SpatialDropout(0.5), L.GaussianNoise(2.0)]
    net = uf.Sequential(layers, input_shape=(3, 5))
    masks = random_masks(net, 7, 3, 9)
    digest = hashlib.sha256(masks["dropout"].tobytes()).hexdigest()
    assert digest.startswith("8d0270d23bcc")
    kept = masks["spatial_dropout"]
    assert kept.shape == (9, 3, 1)
    assert kept.reshape(9, 3)[:4].tolist() == [
        [2.0, 2.0, 0.0],
        [2.0, 2.0, 0.0],
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
    ]
    assert masks["gaussian_noise"][0, 0] == pytest.approx(
        [-2.4409869, -2.174062, 0.1044979, 0.1999379, 2.2932448], rel=1e-6
    )


def test_noise_is_normal() -> None:
    net = uf.Sequential([L.GaussianNoise(0.5), L.GaussianNoise(0.5)], input_shape=1001)
    masks = random_masks(net, 0, 1, 101)
    first, second = masks["gaussian_noise"].ravel(), masks["gaussian_noise_1"].ravel()
    for numbers in (first, second, first + second):
        std = numbers.std()
        assert numbers.mean() == pytest.approx(0, abs=0.01)
        assert ((numbers / std) ** 3).mean() == pytest.approx(0, abs=0.03)
        assert ((numbers / std) ** 4).mean() == pytest.approx(3, abs=0.05)
    assert first.std() == pytest.approx(0.5, rel=0.01)
    assert (first + second).std() == pytest.approx(0.5 * np.sqrt(2), rel=0.01)
    assert np.corrcoef(first[1:], first[:-1])[0, 1] == pytest.approx(0, abs=0.01)


def test_binary_class_weights_and_one_hot_targets_count() -> None:
    x = np.random.RandomState(0).standard_normal((20, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    net = uf.Sequential([L.Dense(1)], input_shape=3)
    weighted, plain = (
        uf.Model(net, loss="binary_cross_entropy", optimizer="sgd") for _ in range(2)
    )
    weighted.fit(x, y, class_weight={1: 3.0}, verbose=0)
    plain.fit(x, y, sample_weight=np.where(y == 1, 3.0, 1.0), verbose=0)
    assert np.array_equal(weighted.weights["dense.weight"], plain.weights["dense.weight"])
    ten = uf.Sequential([L.Dense(2)], input_shape=3)
    a, b = (uf.Model(ten, loss="cross_entropy") for _ in range(2))
    a.fit(x, np.eye(2)[y], class_weight={0: 2.0}, verbose=0)
    b.fit(x, y, class_weight={0: 2.0}, verbose=0)
    assert a.history["loss"] == pytest.approx(b.history["loss"], rel=1e-6)


def test_indices_are_limited_position_by_position() -> None:
    table = uf.Input((5,), dtype="int", name="table")
    user, item = L.Embedding(10, 2)(table[:, 0]), L.Embedding(1000, 2)(table[:, 1:3])
    turned = L.Permute((2, 1))(L.Reshape((1, 2))(table[:, 3:]))
    both = L.Concatenate()(L.Flatten()(turned), table[:, 4:])
    tags = L.Embedding(50, 2)(both)
    flat = [L.Flatten()(each) for each in (user, item, tags)]
    model = uf.Model(uf.Graph(table, L.Dense(1)(L.Concatenate()(*flat))))
    row = np.array([[9, 999, 999, 49, 49]])
    assert model.predict(row).shape == (1, 1)
    for place, limit in enumerate((10, 1000, 1000, 50, 50)):
        wrong = row.copy()
        wrong[0, place] = limit
        says = rf"x \(table\)\[:, {place}\] must lie in 0 … {limit - 1} .* got {limit} … {limit}"
        with pytest.raises(DataError, match=says):
            model.predict(wrong)
    with pytest.raises(DataError, match=r"\[:, 0\] must lie in 0 … 9"):
        model.predict(row - 10)


def test_every_layer_that_moves_whole_numbers_is_followed() -> None:
    moving = {kind for kind in CATALOGUE.values() if kind.takes == "any" and kind.gives == "same"}
    assert moving == set(MOVES)
