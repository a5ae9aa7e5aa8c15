"""The reference of the losses itself: formulas written out sample by sample, and what is refused."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import losses as S
from unifw.errors import DataError, SpecError
from unifw.formulas.losses import loss_formulas
from unifw.measures.losses import per_sample, value_and_gradient
from unifw.targets import target_of
from unifw.testing.cases import LOSSES

# ------------------------------------------------------------------------ formulas, written out


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


def smooth_l1(loss: Any, y: float, t: float) -> float:
    d = abs(y - t)
    return d * d / (2 * loss.beta) if d < loss.beta else d - loss.beta / 2


def log_cosh(loss: Any, y: float, t: float) -> float:
    del loss
    d = abs(y - t)  # cosh overflows beyond 710
    return math.log(math.cosh(d)) if d < 700 else d - math.log(2)


def poisson(loss: Any, y: float, t: float) -> float:
    return math.exp(y) - t * y if loss.log_input else y - t * math.log(y + 1e-7)


def hinge(loss: Any, y: float, t: float) -> float:
    lacking = max(0.0, 1 - (t if t != 0 else -1) * y)
    return lacking**2 if isinstance(loss, S.SquaredHinge) else lacking


def binary_focal(loss: Any, y: float, t: float) -> float:
    p = 1 / (1 + math.exp(-y))
    yes, no = (math.log1p(math.exp(-abs(y))) + max(sign * y, 0) for sign in (-1, 1))
    return (
        loss.alpha * t * (1 - p) ** loss.gamma * yes
        + (1 - loss.alpha) * (1 - t) * p**loss.gamma * no
    )


def categorical_hinge(loss: Any, y: Any, t: Any) -> float:
    del loss
    true = sum(a * b for a, b in zip(y, t, strict=True))
    return max(0.0, 1 + max((1 - b) * a for a, b in zip(y, t, strict=True)) - true)


def kl_div(loss: Any, y: Any, t: Any) -> float:
    log_q = y - y.max() - math.log(np.exp(y - y.max()).sum()) if loss.from_logits else y
    return sum(p * (math.log(p) - q) for p, q in zip(t, log_q, strict=True) if p)


def nll(loss: Any, y: Any, t: Any) -> float:
    del loss
    return -float(y @ t)


def focal(loss: Any, y: Any, t: Any) -> float:
    p, log_p = softmax(y), y - y.max() - math.log(np.exp(y - y.max()).sum())
    return -loss.alpha * float(sum(t * (1 - p) ** loss.gamma * log_p))


def cosine_similarity(loss: Any, y: Any, t: Any) -> float:
    del loss
    size = math.hypot(*y) * math.hypot(*t)
    return 1 - float(y @ t) / size if size else 1.0


def triplet(loss: Any, out: Any) -> float:
    anchor, near, far = (part.reshape(-1) for part in out)
    return max(0.0, math.dist(anchor, near) - math.dist(anchor, far) + loss.margin)


def ctc(loss: Any, out: Any, labels: Any) -> float:
    """Sum over all ways to name a class per step: there are ``classes ** time`` of them."""
    wanted = [label for label in labels if label >= 0]
    log_p = np.array([row - row.max() - np.log(np.exp(row - row.max()).sum()) for row in out])
    found = [
        sum(log_p[t, k] for t, k in enumerate(path))
        for path in itertools.product(range(out.shape[1]), repeat=len(out))
        if [k for k, _ in itertools.groupby(path) if k != loss.blank] == wanted
    ]
    top = max(found)
    return -float(top + math.log(sum(math.exp(value - top) for value in found)))


BY_VALUE: dict[type, Callable[..., float]] = {
    S.SmoothL1: smooth_l1, S.LogCosh: log_cosh, S.Poisson: poisson, S.Hinge: hinge,
    S.SquaredHinge: hinge, S.BinaryFocal: binary_focal,
}  # fmt: skip
BY_VECTOR: dict[type, Callable[..., float]] = {
    S.CategoricalHinge: categorical_hinge, S.KLDiv: kl_div, S.NLL: nll, S.CategoricalFocal: focal,
    S.CosineSimilarity: cosine_similarity,
}  # fmt: skip


def by_hand(loss: Any, out: Any, target: Any) -> float:
    """Return one sample's loss."""
    kind = type(loss)
    if kind is S.Triplet:
        return triplet(loss, out)
    if kind is S.CTC:
        return ctc(loss, out, target)
    if kind in BY_VALUE:
        pairs = zip(out.reshape(-1), target.reshape(-1), strict=True)
        return float(np.mean([BY_VALUE[kind](loss, float(y), float(t)) for y, t in pairs]))
    axis = loss.axis - 1 if loss.axis > 0 else loss.axis
    rows = np.moveaxis(out, axis, -1).reshape(-1, out.shape[axis])
    if target.dtype.kind == "i":
        asked = np.eye(out.shape[axis])[target.reshape(-1)]
    else:
        asked = np.moveaxis(target, axis, -1).reshape(rows.shape)
    return float(np.mean([BY_VECTOR[kind](loss, y, t) for y, t in zip(rows, asked, strict=True)]))


# Long ones have too many paths to be written out.
SHARED = [
    case
    for case in LOSSES
    if loss_formulas.why_not(type(case.loss)) is None and case.name != "ctc-long"
]
IDS: Any = {"ids": lambda case: case.name}


@pytest.mark.parametrize("case", SHARED, **IDS)
def test_losses_are_their_formulas(case: Any) -> None:
    out, target = case.inputs()[0].astype(np.float64), case.target()
    if target.dtype.kind == "f":
        target = target.astype(np.float64)
    wanted = [by_hand(case.loss, y, t) for y, t in zip(out, target, strict=True)]
    assert per_sample(case.loss, out, target) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("case", SHARED, **IDS)
def test_single_precision_stays_single(case: Any) -> None:
    out, target = case.inputs()[0], case.target()
    value, gradient = value_and_gradient(case.loss, out, target, None)
    assert value.dtype == gradient.dtype == np.float32
    assert gradient.shape == out.shape
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_every_loss_has_a_case() -> None:
    assert {type(case.loss) for case in LOSSES} == set(S.CATALOGUE.values())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("time", [1, 2, 3, 4, 5])
def test_ctc_is_the_sum_over_all_paths(time: int, classes: int) -> None:
    loss, draw = S.CTC(classes - 1), np.random.RandomState(time)
    rows = [
        [*labels, *[-1] * (3 - count)]
        for count in range(4)
        for labels in itertools.product(range(classes - 1), repeat=count)
        if count + sum(a == b for a, b in itertools.pairwise(labels)) <= time
    ]
    out = draw.standard_normal((len(rows), time, classes)) * 3
    labels = target_of("y", np.array(rows), (time, classes), loss)
    wanted = [ctc(loss, y, t) for y, t in zip(out, labels, strict=True)]
    assert per_sample(loss, out, labels) == pytest.approx(wanted, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "out", "target", "gradient"),
    [
        (S.Hinge(), [[1.0, -1.0]], [[1.0, 0.0]], [[0, 0]]),
        (S.SmoothL1(), [[1.0, 0.0, -3.0]], [[0.0, 0.0, 0.0]], [[1 / 3, 0, -1 / 3]]),
        # Two others share the first maximum; below, the true class leads by exactly 1.
        (S.CategoricalHinge(), [[0.5, 2.0, 2.0]], [0], [[-1, 0.5, 0.5]]),
        (S.CategoricalHinge(), [[3.0, 2.0, 0.0]], [0], [[0, 0, 0]]),
        (S.CosineSimilarity(), [[0.0, 0.0]], [[1.0, 2.0]], [[0, 0]]),
        (S.Triplet(), [[[1.0], [1.0], [1.0]]], [0.0], [[[0], [0], [0]]]),
        (S.Triplet(1.0), [[[0.0], [1.0], [2.0]]], [0.0], [[[0], [0], [0]]]),
    ],
    ids=repr,
)
def test_gradients_at_kinks(loss: Any, out: Any, target: Any, gradient: Any) -> None:
    _, found = value_and_gradient(loss, np.array(out), np.array(target), None)
    assert np.array_equal(found, np.array(gradient, dtype=float))


def test_losses_that_are_others_in_other_words() -> None:
    draw = np.random.RandomState(0)
    x, t, labels = draw.randn(6, 4) * 3, draw.randn(6, 4), draw.randint(0, 4, 6)
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    plain = per_sample(S.CrossEntropy(), x, labels)
    assert per_sample(S.NLL(), log_p, labels) == pytest.approx(plain)
    assert per_sample(S.CategoricalFocal(0, 1), x, labels) == pytest.approx(plain)
    assert per_sample(S.KLDiv(from_logits=True), x, np.eye(4)[labels]) == pytest.approx(plain)
    assert per_sample(S.SmoothL1(0.4), x, t) * 0.4 == pytest.approx(per_sample(S.Huber(0.4), x, t))
    bits = (t > 0).astype(float)
    halved = per_sample(S.BinaryCrossEntropy(), x, bits) / 2
    assert per_sample(S.BinaryFocal(0, 0.5), x, bits) == pytest.approx(halved)


# ------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("loss", "shape", "y", "says"),
    [
        (S.Poisson(), (2,), [[1, -1]], r"not be negative for Poisson, got -1.0 … 1.0"),
        (S.Hinge(), (2,), [[0, 2]], "0 and 1, or -1 and 1"),
        (S.SquaredHinge(), (3,), [[0, 1, -1]], "not all three"),
        (S.BinaryFocal(), (1,), [1.5], r"lie in \[0, 1\] for BinaryFocal"),
        (S.KLDiv(), (2,), [[0.5, 0.6]], "does not sum to 1"),
        (S.KLDiv(), (2,), [1], "must have shape"),
        (S.NLL(), (3,), [3], "must lie in 0 … 2"),
        (S.CategoricalHinge(), (3,), [[1, 1, 0]], "does not sum to 1"),
        (S.CategoricalFocal(), (3, 2), [[0, 1, 2]], "class numbers of shape"),
        (S.Triplet(), (3, 2), [1], "give zeros of shape"),
        (S.Triplet(), (3, 2), [[0]], "give zeros of shape"),
        (S.CTC(), (4, 3), [1], "most labels"),
        (S.CTC(), (4, 3), [[1, 3]], "must lie in 0 … 2"),
        (S.CTC(), (4, 3), [[1, 0]], "class 0, which is the blank"),
        (S.CTC(), (4, 3), [[-1, 1]], "at the end of a row only"),
        (S.CTC(), (4, 3), [[1, -2]], "at the end of a row only"),
        (S.CTC(), (4, 3), [[1, 1.5]], "whole numbers"),
        (S.CTC(), (4, 3), [[1, 2, -1], [1, 1, 1]], "needs 5 steps in row 1, but .* have 4"),
    ],
    ids=repr,
)
def test_targets_that_a_loss_does_not_take_are_refused(
    loss: Any, shape: Any, y: Any, says: str
) -> None:
    model = uf.Model(uf.Sequential([L.ReLU()], input_shape=shape), loss=loss)
    with pytest.raises(DataError, match=says):
        model.fit(np.ones((len(y), *shape)), np.array(y), verbose=0)


@pytest.mark.parametrize(
    ("loss", "shape", "says"),
    [
        ("nll", (1,), "single class"),
        (S.KLDiv(axis=2), (3,), "has no axis 2"),
        (S.CosineSimilarity(-3), (3, 2), "has no axis -3"),
        ("triplet", (3,), r"must have shape \(n, 3, ...\)"),
        ("triplet", (2, 4), r"must have shape \(n, 3, ...\)"),
        ("ctc", (4,), r"must have shape \(n, time, classes\)"),
        (S.CTC(4), (9, 4), "class 4 shall be the blank"),
    ],
    ids=repr,
)
def test_outputs_that_a_loss_does_not_take_are_refused(loss: Any, shape: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        uf.Model(uf.Sequential([L.ReLU()], input_shape=shape), loss=loss)


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("focal", "takes logits"),
        ("binary_focal", "takes logits"),
        (S.KLDiv(from_logits=True), "takes logits"),
        ("nll", "end in LogSoftmax"),
        ("kl_div", "takes log-probabilities"),
    ],
    ids=repr,
)
def test_a_net_that_ends_in_probabilities_is_refused(loss: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        uf.Model(uf.Sequential([L.Dense(3), L.Softmax()], input_shape=2), loss=loss)


@pytest.mark.parametrize(
    ("loss", "end", "says"),
    [
        ("nll", L.Dense(3), "add LogSoftmax"),
        ("kl_div", L.BatchNorm(), "add LogSoftmax"),
        (S.Poisson(log_input=False), L.Dense(3), "add Softplus"),
    ],
    ids=repr,
)
def test_a_net_that_gives_any_number_is_refused(loss: Any, end: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        uf.Model(uf.Sequential([end], input_shape=3), loss=loss)


def test_what_is_not_wanted_may_have_no_probability() -> None:
    out = np.array([[0.0, -np.inf, -np.inf]])
    assert per_sample(S.NLL(), out, np.array([0])) == pytest.approx([0])
    wanted = np.array([[1.0, 0.0, 0.0]])
    for loss in (S.NLL(), S.KLDiv()):
        value, slope = value_and_gradient(loss, out, wanted, None)
        assert value == pytest.approx(0)
        assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: S.SmoothL1(0),
        lambda: S.Poisson(1),
        lambda: S.KLDiv(from_logits="yes"),
        lambda: S.NLL(0),
        lambda: S.CosineSimilarity(1.0),
        lambda: S.CategoricalFocal(-1),
        lambda: S.CategoricalFocal(alpha=0),
        lambda: S.BinaryFocal(alpha=1),
        lambda: S.Triplet(0),
        lambda: S.CTC(-1),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(SpecError):
        make()


@pytest.mark.parametrize(
    ("loss", "shape", "metric", "says"),
    [
        ("hinge", (3,), "accuracy", "use 'binary_accuracy'"),
        ("binary_focal", (3,), "f1", "use 'binary_accuracy'"),
        (S.NLL(-1), (3, 4), "accuracy", r"Accuracy\(-1\) can"),
        ("ctc", (5, 4), "accuracy", "no metric"),
        ("triplet", (3, 4), "mae", "no metric"),
    ],
)
def test_metrics_that_do_not_go_with_a_loss_are_refused(
    loss: Any, shape: Any, metric: str, says: str
) -> None:
    with pytest.raises(SpecError, match=says):
        uf.Model(uf.Sequential([L.ReLU()], input_shape=shape), loss=loss, metrics=[metric])


@pytest.mark.parametrize("loss", ["nll", "focal", "categorical_hinge", "hinge", "squared_hinge"])
def test_metrics_and_class_weights_go_with_losses_of_classes(loss: str) -> None:
    x = np.random.RandomState(0).standard_normal((40, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    units = 1 if "hinge" in loss and loss != "categorical_hinge" else 2
    stack = [L.Dense(units), L.LogSoftmax()] if loss == "nll" else [L.Dense(units)]
    model = uf.Model(
        uf.Sequential(stack, input_shape=3), loss=loss, optimizer=uf.optimizers.SGD(0.5),
        metrics=["accuracy"],
    )  # fmt: skip
    history = model.fit(x, y, epochs=20, class_weight={1: 2.0}, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    assert model.evaluate(x, y)["accuracy"] > 0.9
    # A class's weight is that of its samples.
    weights = np.where(y == 1, 2.0, 1.0)
    found = []
    for given in ({"class_weight": {1: 2.0}}, {"sample_weight": weights}, {}):
        fresh = uf.Model(model.net, loss=loss, optimizer=uf.optimizers.SGD(0.5))
        found.append(fresh.fit(x, y, verbose=0, **given)["loss"][0])
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert found[0] != pytest.approx(found[2], rel=1e-3)


def test_signs_of_both_spellings_are_the_same() -> None:
    x, bits = np.random.RandomState(1).standard_normal((9, 3)), np.eye(3)[[0, 1, 2] * 3]
    for loss in (S.Hinge(), S.SquaredHinge()):
        assert np.array_equal(per_sample(loss, x, bits), per_sample(loss, x, bits * 2 - 1))


def test_ctc_learns_an_alignment() -> None:
    x = np.eye(4, dtype=np.float32)[np.array([[1, 1, 2, 2, 3, 3], [3, 3, 1, 1, 1, 1]])]
    y = np.array([[1, 2, 3], [3, 1, -1]])
    net = uf.Sequential([L.Dense(4)], input_shape=(6, 4))
    model = uf.Model(net, loss="ctc", optimizer=uf.optimizers.Adam(0.1))
    model.fit(x, y, epochs=60, verbose=0)
    for row, labels in zip(model.predict(x).argmax(-1), y, strict=True):
        merged = [int(k) for k, _ in itertools.groupby(row) if k]
        assert merged == [label for label in labels if label >= 0]
