"""Losses, metrics, optimizers and gradients, against scikit-learn, formulas and finite differences."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

import unifw as uf
from unifw import layers as L
from unifw.data import Data
from unifw.errors import DataError, SpecError
from unifw.measures.losses import per_sample
from unifw.measures.metrics import meter
from unifw.randomness import random_masks
from unifw.testing.cases import LAYERS, LOSSES, ROWS
from unifw.testing.compare import gradients, opened
from unifw.testing.held import HELD

DRAW = np.random.RandomState(0)
LABELS = DRAW.randint(0, 4, 200)
LOGITS = DRAW.standard_normal((200, 4)) + 1.5 * np.eye(4)[LABELS]
GUESS = LOGITS.argmax(axis=1)
BITS = DRAW.randint(0, 2, 200)
SCORE = DRAW.standard_normal(200).round(1) + BITS  # with ties
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def measured(metric: Any, out: Any, target: Any, *, probabilities: bool = False) -> float:
    single = meter(metric, probabilities=probabilities)
    for rows in (slice(0, 70), slice(70, 71), slice(71, 200)):  # gathered batch by batch
        single.update(out[rows], target[rows])
    return single.result()


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        (uf.metrics.Accuracy(), sk.accuracy_score(LABELS, GUESS)),
        (uf.metrics.TopKAccuracy(2), sk.top_k_accuracy_score(LABELS, LOGITS, k=2)),
        (uf.metrics.Precision(), sk.precision_score(LABELS, GUESS, average="macro")),
        (uf.metrics.Recall(), sk.recall_score(LABELS, GUESS, average="macro")),
        (uf.metrics.F1(), sk.f1_score(LABELS, GUESS, average="macro")),
        (uf.metrics.F1(average="micro"), sk.f1_score(LABELS, GUESS, average="micro")),
        (uf.metrics.ROCAUC(), sk.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr")),
    ],
    ids=repr,
)
def test_metrics_of_classes_are_those_of_scikit_learn(metric: Any, wanted: float) -> None:
    assert measured(metric, LOGITS, LABELS) == pytest.approx(wanted)
    assert measured(metric, LOGITS, np.eye(4)[LABELS]) == pytest.approx(wanted)
    assert measured(metric, PROBABILITIES, LABELS, probabilities=True) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        (uf.metrics.Accuracy(), sk.accuracy_score(BITS, SCORE > 0)),
        (uf.metrics.BinaryAccuracy(), sk.accuracy_score(BITS, SCORE > 0)),
        (uf.metrics.BinaryAccuracy(0.7), sk.accuracy_score(BITS, np.log(0.7 / 0.3) < SCORE)),
        (uf.metrics.Precision(), sk.precision_score(BITS, SCORE > 0)),
        (uf.metrics.Recall(), sk.recall_score(BITS, SCORE > 0)),
        (uf.metrics.F1(), sk.f1_score(BITS, SCORE > 0)),
        (uf.metrics.ROCAUC(), sk.roc_auc_score(BITS, SCORE)),
    ],
    ids=repr,
)
def test_metrics_of_two_classes_are_those_of_scikit_learn(metric: Any, wanted: float) -> None:
    assert measured(metric, SCORE[:, None], BITS[:, None]) == pytest.approx(wanted)


def test_metrics_of_numbers_are_those_of_scikit_learn() -> None:
    target = DRAW.standard_normal(200)
    assert measured(uf.metrics.MAE(), SCORE[:, None], target[:, None]) == pytest.approx(
        sk.mean_absolute_error(target, SCORE)
    )
    assert measured(uf.metrics.MSE(), SCORE[:, None], target[:, None]) == pytest.approx(
        sk.mean_squared_error(target, SCORE)
    )


@pytest.mark.parametrize(
    ("loss", "metric", "shape", "says"),
    [
        ("mse", "roc_auc", (3, 4), "other axes than the classes"),
        ("mse", uf.metrics.F1("binary"), (3,), "more than one value"),
        ("mse", uf.metrics.Accuracy(3), (3,), "no axis 3"),
        ("mse", "top_k_accuracy", (1,), "single value"),
        ("binary_cross_entropy", "f1", (3,), "use 'binary_accuracy'"),
        ("binary_cross_entropy", "accuracy", (3,), "use 'binary_accuracy'"),
        (uf.losses.CrossEntropy(axis=-1), "accuracy", (3, 4), r"Accuracy\(-1\) can"),
    ],
)
def test_metrics_that_do_not_go_with_the_outputs_are_refused(
    loss: Any, metric: Any, shape: Any, says: str
) -> None:
    net = uf.Sequential([L.ReLU()], input_shape=shape)
    with pytest.raises(SpecError, match=says):
        uf.Model(net, loss=loss, metrics=[metric])


@pytest.mark.parametrize("metric", ["binary_accuracy", "mae", "mse"])
@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "categorical_hinge"])
def test_values_are_not_compared_with_class_numbers(loss: str, metric: str) -> None:
    net = uf.Sequential([L.Dense(3)], input_shape=2)
    model = uf.Model(net, loss=loss, metrics=[metric])
    x, y = DRAW.standard_normal((6, 2)), np.arange(6) % 3
    for use in (model.fit, model.evaluate):
        with pytest.raises(DataError, match="holds class numbers"):
            use(x, y)
    assert model.epoch == 0
    assert metric in model.evaluate(x, np.eye(3)[y])


def test_metrics_of_sequences() -> None:
    net = uf.Sequential([L.Dense(4)], input_shape=(3, 5))
    loss, metric = uf.losses.CrossEntropy(axis=-1), uf.metrics.Accuracy(-1)
    model = uf.Model(net, loss=loss, metrics=[metric])
    x, y = DRAW.standard_normal((20, 3, 5)), DRAW.randint(0, 4, (20, 3))
    found = model.evaluate(x, y)["accuracy"]
    assert found == pytest.approx((model.predict(x).argmax(-1) == y).mean())


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    loss = per_sample(uf.losses.CrossEntropy(), LOGITS, LABELS)
    assert loss.mean() == pytest.approx(sk.log_loss(LABELS, PROBABILITIES))
    probability = 1 / (1 + np.exp(-SCORE))
    loss = per_sample(uf.losses.BinaryCrossEntropy(), SCORE[:, None], BITS[:, None].astype(float))
    assert loss.mean() == pytest.approx(sk.log_loss(BITS, probability))


def test_losses_by_hand() -> None:
    out, target = np.array([[3.0, 0.5]]), np.array([[1.0, 0.0]])
    assert per_sample(uf.losses.MSE(), out, target) == pytest.approx([(4 + 0.25) / 2])
    assert per_sample(uf.losses.MAE(), out, target) == pytest.approx([1.25])
    assert per_sample(uf.losses.Huber(), out, target) == pytest.approx([(1.5 + 0.125) / 2])
    smoothed = per_sample(uf.losses.CrossEntropy(0.2), np.array([[0.0, 1.0]]), np.array([1]))
    low, high = -np.log(1 + np.e), 1 - np.log(1 + np.e)
    assert smoothed == pytest.approx([-(0.9 * high + 0.1 * low)])


# ------------------------------------------------------------------------ gradients


def slope(session: Any, batch: Data, masks: Any, name: str, place: Any) -> float:
    """Return a gradient by central differences, in float64."""
    step = 1e-5
    whole = session.weights()
    values = []
    for sign in (1, -1):
        moved = {k: v.copy() for k, v in whole.items()}
        moved[name][place] += sign * step
        session.load(moved)
        loss, _ = session.train_batch(batch, (0.0,), masks)
        values.append(float(loss))
    session.load(whole)
    return (values[0] - values[1]) / (2 * step)


def check_gradients(graph: Any, loss: Any, batch: Data) -> None:
    masks = random_masks(graph, 0, 1, ROWS)
    with opened("numpy", graph, (loss,), dtype="float64") as session:
        whole = session.weights()
        _, found = gradients(session, batch, masks)
        session.load(whole)
        trained = {name: part for name, part in graph.parts.items() if part.trainable}
        assert trained
        for name, part in trained.items():
            places = [np.unravel_index(i, part.shape) for i in DRAW.randint(0, found[name].size, 3)]
            for place in places:
                wanted = slope(session, batch, masks, name, place)
                assert found[name][place] == pytest.approx(wanted, rel=1e-5, abs=1e-7), name


def freed(case: Any) -> Any:
    """Return a case without constraints: what they move after the step is more than the gradient."""
    held = {f.name: None for f in dataclasses.fields(case.layer) if f.name.endswith("_constraint")}
    return dataclasses.replace(case, layer=case.layer.replace(**held))


@pytest.mark.parametrize(
    "case",
    [
        freed(c)
        for c in (*LAYERS, *HELD)
        # Of frozen tables nothing learns, and no probe can stand before indices.
        if c.values == "normal" or (c.values == "indices" and c.layer.trainable)
    ],
    ids=lambda case: case.name,
)
def test_gradients_of_layers_are_slopes(case: Any) -> None:
    target = DRAW.standard_normal((ROWS, *case.probed.out_shapes[0]))
    inputs = Data(case.probed_inputs(), (target,)).cast("float64")
    check_gradients(case.probed, uf.losses.MSE(), inputs)


@pytest.mark.parametrize(
    "case",
    [case for case in LOSSES if case.is_smooth],
    ids=lambda case: case.name,
)
def test_gradients_of_losses_are_slopes(case: Any) -> None:
    target = case.target()
    integer = target.dtype.kind == "i"
    batch = Data(case.inputs(), (target if integer else target.astype(float),)).cast("float64")
    check_gradients(case.graph, case.loss, batch)
