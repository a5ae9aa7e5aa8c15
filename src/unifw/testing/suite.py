"""The tests of the conformance suite; each takes the backend that ``--backend`` names.

Everything is judged by NumPy in float64, most of it also by formulas written out here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import demo, losses, ops, optimizers
from unifw import layers as L
from unifw.backend import Options, Plan
from unifw.backends.schedule import POINTWISE
from unifw.constraints import MaxNorm, NonNeg, UnitNorm
from unifw.data import Data
from unifw.errors import DeviceUnavailable
from unifw.initializers import Constant
from unifw.randomness import random_masks
from unifw.regularizers import L1, L2
from unifw.spec.graph import Graph, Input, Sequential
from unifw.testing.cases import (
    KINKED,
    LAYERS,
    LOSSES,
    OPTIMIZERS,
    ROWS,
    SMOOTH,
    LayerCase,
    LossCase,
)
from unifw.testing.cases.texts import TEXTS, text
from unifw.testing.compare import (
    ISOLATED,
    REFERENCE,
    apart,
    curve,
    devices_of,
    digits,
    gradients,
    opened,
    reference_curve,
    rough_weights,
)
from unifw.testing.compare import model as model_on
from unifw.testing.held import FROZEN_MIDDLE, HELD, HELD_NET
from unifw.testing.optimizing import *  # noqa: F403 - its tests belong to the suite
from unifw.testing.zoo import ZOO, ZooCase
from unifw.weights import initial

FORWARD, GRADIENT, CURVE = 1e-5, 1e-4, 1e-4
ZOO_CURVE, ZOO_MOVED = 1e-3, 0.1
STEPS = 100
TEXT_STEPS = 50
CROSS_ENTROPY = losses.CrossEntropy()
MSE = (losses.MSE(),)

METRICS = ["accuracy", "top_k_accuracy", "precision", "recall", "f1", "roc_auc"]
BINARY_METRICS = [
    "accuracy",
    "binary_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "mae",
    "mse",
]

MOVED = [
    "sgd-momentum", "adam-amsgrad", "rmsprop-centered-momentum", "nadam", "lamb", "adamw-cosine", "everything",
]  # fmt: skip

each_layer = pytest.mark.parametrize("case", [*LAYERS, *HELD], ids=lambda case: case.name)
each_loss = pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
each_net = pytest.mark.parametrize("net", SMOOTH)


def judged(found: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> None:
    """Compare arrays by name, each relative to its own largest value."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = max(float(np.abs(value).max(initial=0)), 1e-3)
        assert apart(found[name] / scale, value / scale) <= tolerance, name


# ------------------------------------------------------------------------ layers


@each_layer
def test_layer_forward(backend: str, case: LayerCase) -> None:
    with opened(backend, case.graph) as session:
        (found,) = session.forward(case.inputs())
    with opened(REFERENCE[0], case.graph, dtype=REFERENCE[1]) as reference:
        (wanted,) = reference.forward(Data(case.inputs()).cast(REFERENCE[1]).xs)
    assert found.dtype == np.float32
    assert apart(found, wanted) <= FORWARD


@each_layer
def test_layer_gradients(backend: str, case: LayerCase) -> None:
    graph = case.probed
    target = np.random.RandomState(1).standard_normal((ROWS, *graph.out_shapes[0]))
    batch = Data(case.probed_inputs(), (target.astype(np.float32),))
    masks = random_masks(graph, 0, 1, ROWS)
    with opened(backend, graph, MSE) as session:
        loss, found = gradients(session, batch, masks)
    with opened(REFERENCE[0], graph, MSE, dtype=REFERENCE[1]) as reference:
        wanted_loss, wanted = gradients(reference, batch.cast(REFERENCE[1]), masks)
    assert apart(loss, wanted_loss) <= FORWARD
    judged(found, wanted, GRADIENT)


# ------------------------------------------------------------------------ losses


def loss_on(backend: str, dtype: str, case: LossCase, shares: Any) -> tuple[float, dict[str, Any]]:
    batch = Data(case.inputs(), (case.target(),), shares).cast(dtype)
    with opened(backend, case.graph, (case.loss,), dtype=dtype) as session:
        return gradients(session, batch)


@each_loss
@pytest.mark.parametrize("weighted", [False, True], ids=["mean", "weighted"])
def test_loss(backend: str, case: LossCase, weighted: bool) -> None:  # noqa: FBT001 - a parameter
    shares = np.array([0.1, 0.0, 0.4, 0.3, 0.2], dtype=np.float32) if weighted else None
    loss, found = loss_on(backend, "float32", case, shares)
    wanted_loss, wanted = loss_on(*REFERENCE, case, shares)
    assert abs(loss - wanted_loss) <= FORWARD * max(1, abs(wanted_loss))
    judged(found, wanted, GRADIENT)


# ------------------------------------------------------------------------ whole curves


def parted(backend: str, graph: Graph, optimizer: optimizers.Optimizer) -> float:
    """Return how far a curve is from the reference, relative to it, at the worst step."""
    first = initial(graph, 0)
    with opened(backend, graph, (CROSS_ENTROPY,), optimizer, weights=first) as session:
        found = curve(session, digits(), STEPS)
    wanted = reference_curve(graph, optimizer, CROSS_ENTROPY, STEPS)
    return float(np.max(np.abs(found - wanted) / wanted))


@each_optimizer
@each_net
def test_curve(backend: str, net: str, optimizer: str) -> None:
    assert parted(backend, SMOOTH[net], OPTIMIZERS[optimizer]) <= CURVE


def test_curve_with_relu_and_ties_in_max_pool(backend: str) -> None:
    assert parted(backend, KINKED, optimizers.SGD(0.001)) <= CURVE


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.name)
def test_curve_of_the_zoo(backend: str, case: ZooCase) -> None:
    first, rule = initial(case.graph, 0), optimizers.SGD(case.rate)
    curves, ends = [], []
    for name, dtype in ((backend, "float32"), REFERENCE):
        with opened(name, case.graph, (case.loss,), rule, weights=first, dtype=dtype) as session:
            curves.append(curve(session, case.data().cast(dtype), STEPS // 2))
            ends.append(session.weights())
    assert curves[0] == pytest.approx(curves[1], rel=ZOO_CURVE)
    # At such rates a loss says little about gradients; where the weights have gone says it.
    found, wanted = ({k: v - first[k] for k, v in end.items()} for end in ends)
    for name, moved in wanted.items():
        most = max(float(np.abs(moved).max()), 1e-5)
        assert np.abs(found[name] - moved).max() <= ZOO_MOVED * most, name


@pytest.mark.parametrize("net", TEXTS)
def test_curve_of_nets_that_read_texts(backend: str, net: str) -> None:
    graph, data, first, curves = TEXTS[net], text(320), initial(TEXTS[net], 0), []
    for name, dtype in ((backend, "float32"), REFERENCE):
        adam = optimizers.Adam(0.003)
        with opened(name, graph, (CROSS_ENTROPY,), adam, weights=first, dtype=dtype) as session:
            curves.append(curve(session, data.cast(dtype), TEXT_STEPS, 32))
    found, wanted = curves
    assert wanted[-5:].mean() < wanted[:5].mean() - 0.1  # it learns
    assert float(np.max(np.abs(found - wanted) / wanted)) <= CURVE


# ------------------------------------------------------------------------ layers, by formulas


def trained_on(backend: str, layers: list[Any], x: Any, **kwargs: Any) -> Any:
    net = Sequential(layers, input_shape=x.shape[1:], **kwargs)
    y = np.zeros((len(x), *net.out_shapes[0]), dtype=np.float32)
    with opened(backend, net, MSE, optimizers.SGD(0.0), weights=initial(net, 0)) as session:
        session.take_step(Data((x,), (y,)))
        return session.weights(), session.forward((x,))[0]


def test_batch_norm_keeps_the_unbiased_variance(backend: str) -> None:
    # paddle 3.3 keeps the biased one: 0.25 lower for two rows.
    x = np.array([[1.0], [3.0]], dtype=np.float32)
    weights, out = trained_on(backend, [L.BatchNorm()], x)
    assert weights["batch_norm.running_mean"] == pytest.approx([0.2])
    assert weights["batch_norm.running_var"] == pytest.approx([0.9 + 0.1 * 2.0])
    assert out[:, 0] == pytest.approx((x[:, 0] - 0.2) / np.sqrt(1.1 + 1e-5))


def test_batch_norm_of_a_single_value(backend: str) -> None:
    weights, _ = trained_on(backend, [L.BatchNorm()], np.array([[3.0]], dtype=np.float32))
    assert weights["batch_norm.running_mean"] == pytest.approx([0.3])
    assert weights["batch_norm.running_var"] == pytest.approx([0.9])


def test_max_pool_gives_the_gradient_of_ties_to_the_first(backend: str) -> None:
    # megengine 1.13 gives all of it to every tied element; digits are full of ties.
    x, at = Input((1, 2, 2)), Input((1, 2, 2), "int")
    table = L.Embedding(4, 1, weight_init=Constant(0.0))
    net = Graph([x, at], L.MaxPool2D(2)(L.Add()(x, L.Reshape((1, 2, 2))(table(at)))))
    positions = np.arange(4).reshape(1, 1, 2, 2)
    image = np.array([[[[1.0, 2.0], [2.0, 2.0]]]], dtype=np.float32)
    target = np.array([[[[1.0]]]], dtype=np.float32)
    with opened(backend, net, (losses.MAE(),), weights=initial(net, 0)) as session:
        _, found = gradients(session, Data((image, positions), (target,)))
    assert found["embedding.weight"][:, 0] == pytest.approx([0, 1, 0, 0])


def test_avg_pool_does_not_count_padding(backend: str) -> None:
    # mindspore 2.10 counts it unless told otherwise.
    net = Sequential([L.AvgPool1D(2, padding=1)], input_shape=(1, 2))
    with opened(backend, net) as session:
        (out,) = session.forward((np.ones((1, 1, 2), dtype=np.float32),))
    assert out.reshape(-1) == pytest.approx([1, 1])


def test_same_padding_puts_the_odd_one_at_the_end(backend: str) -> None:
    # megengine 1.13 has no "same" padding.
    weight = {"conv1d.weight": np.ones((1, 1, 2), dtype=np.float32)}
    net = Sequential([L.Conv1D(1, 2, padding="same", bias=False)], input_shape=(1, 3))
    with opened(backend, net, weights=weight) as session:
        (out,) = session.forward((np.array([[[1, 2, 4]]], dtype=np.float32),))
    assert out.reshape(-1) == pytest.approx([3, 6, 4])


def test_parts_of_a_concatenation_get_their_gradient(backend: str) -> None:
    # megengine 1.13: the part of a split, times what is stretched over its leading axes, is wrong.
    x = Input((1, 8, 8))
    branches = [L.AvgPool2D(3, 1, 1)(L.Conv2D(2, 3)(x)), L.AvgPool2D(3, 1, 1)(L.Conv2D(3, 3)(x))]
    net = Graph(x, L.Dense(10)(L.Flatten()(L.Tanh()(L.Concatenate()(*branches)))))
    results = []
    for name, dtype in ((backend, "float32"), REFERENCE):
        with opened(name, net, (CROSS_ENTROPY,), dtype=dtype) as session:
            results.append(gradients(session, digits().take(slice(0, 20)).cast(dtype))[1])
    judged(results[0], results[1], GRADIENT)


def test_dropout_within_branches_is_off_in_evaluation(backend: str) -> None:
    x = Input((50,))
    inner = L.Dropout(0.5)(L.Multiply()(L.Dropout(0.5)(x), x))
    net = Graph(x, L.Add()(inner, x))
    rows = np.linspace(-1, 1, 200, dtype=np.float32).reshape(4, 50)
    with opened(backend, net, MSE) as session:
        for _ in range(2):  # train → evaluate → train → evaluate
            _, (out,) = session.take_step(Data((rows,), (rows,)))
            dropped = session.host(out)
            (kept,) = session.forward((rows,))
            assert apart(kept, rows * rows + rows) <= FORWARD
            assert apart(dropped, rows * rows + rows) > 0.1


def test_what_works_value_by_value_does_so_between_windows(backend: str) -> None:
    # Where the batch is held last, too.
    x = Input((2, 7, 6))
    outs = []
    for number, kind in enumerate(POINTWISE):
        h = L.Conv2D(3, 2, name=f"conv_{number}")(x)
        arity = kind.arity[0]
        if arity == 2:  # also by values of another shape, which cannot lie so
            h = kind()(h, L.Conv2D(1 if number % 2 else 3, 2, name=f"other_{number}")(x))
        else:
            h = (kind(2.0) if kind in {L.Power, L.Clip} else kind())(h)
        outs.append(L.AvgPool2D(2)(h))
    net = Graph(x, outs)
    rows = np.random.RandomState(0).uniform(0.1, 1, (ROWS, 2, 7, 6)).astype(np.float32)
    # All weights are above 0, so that there is a logarithm and nothing to divide by is near 0.
    weights = {k: np.abs(v) + np.float32(0.1) for k, v in initial(net, 0).items()}
    batch = Data((rows,), tuple(np.zeros((ROWS, *s), np.float32) for s in net.out_shapes))
    found = {}
    for name, dtype in ((backend, "float32"), REFERENCE):
        with opened(name, net, MSE * len(outs), weights=weights, dtype=dtype) as session:
            given = batch.cast(dtype)
            found[dtype] = (session.forward(given.xs), gradients(session, given))
    values, (loss, grads) = found["float32"]
    wanted_values, (wanted_loss, wanted_grads) = found[REFERENCE[1]]
    for kind, value, wanted in zip(POINTWISE, values, wanted_values, strict=True):
        assert apart(value, wanted) <= FORWARD, kind.__name__
    assert abs(loss - wanted_loss) <= FORWARD * wanted_loss
    judged(grads, wanted_grads, GRADIENT)


def test_symbols_compute(backend: str) -> None:
    x, at = Input((4, 6)), Input(5, "int")
    looked = L.Embedding(7, 3, name="table")(at[:, 1::2])
    h = 2 * x[:, 1:3, ::2] - x[:, -2:, :3] / 4 + 1
    h = -((h * h) ** 1.5) / (x[:, :2, 3:] ** 2 + 1) + looked
    gram = ops.transpose(h, (0, 2, 1)) @ h
    net = Graph([x, at], [ops.sum(gram, 2) + ops.maximum(x[..., 0, 3:], 0.5) - 1, gram])
    rows = np.random.RandomState(0).standard_normal((ROWS, 4, 6)).astype(np.float32)
    indices = np.random.RandomState(1).randint(0, 7, (ROWS, 5))
    with opened(backend, net) as session:
        found = session.forward((rows, indices))
        table = session.weights()["table.weight"]
    a, b = 2 * rows[:, 1:3, ::2], rows[:, -2:, :3] / 4
    c = -(((a - b + 1) ** 2) ** 1.5) / (rows[:, :2, 3:] ** 2 + 1) + table[indices[:, 1::2]]
    wanted = c.transpose(0, 2, 1) @ c
    assert apart(found[1], wanted) <= FORWARD
    assert apart(found[0], wanted.sum(2) + np.maximum(rows[:, 0, 3:], 0.5) - 1) <= FORWARD


def test_each_kind_of_noise_finds_its_own_numbers(backend: str) -> None:
    x = Input((4, 6))
    loud = L.GaussianNoise(3.0, name="loud")(L.Dropout(0.5, name="some")(x))
    net = Graph(x, [L.SpatialDropout(0.5, name="whole")(x), loud, L.GaussianNoise(name="low")(x)])
    rows = np.linspace(-1, 1, ROWS * 24, dtype=np.float32).reshape(ROWS, 4, 6)
    masks = random_masks(net, 0, 1, ROWS)
    assert masks["whole"].shape == (ROWS, 4, 1)
    with opened(backend, net, MSE * 3) as session:
        _, outs = session.take_step(Data((rows,), (rows,) * 3))
        whole, noisy, low = map(session.host, outs)
        kept = session.forward((rows,))
    assert apart(whole, rows * masks["whole"]) <= FORWARD
    assert apart(noisy, rows * masks["some"] + masks["loud"]) <= FORWARD
    assert apart(low, rows + masks["low"]) <= FORWARD
    assert all(np.array_equal(out, rows) for out in kept)


def test_train_evaluate_train_leaves_the_curve_alone(backend: str) -> None:
    graph = KINKED
    data = digits().take(slice(0, 150))
    found = []
    for evaluates in (False, True):
        with opened(backend, graph, (CROSS_ENTROPY,), optimizers.Adam()) as session:
            steps = []
            for start in range(0, 150, 50):
                loss, _ = session.take_step(data.take(slice(start, start + 50)))
                steps.append(float(session.host(loss)))
                if evaluates:
                    first = session.forward((data.xs[0][:50],))[0]
                    again = session.forward((data.xs[0][:50],))[0]
                    assert np.array_equal(first, again)
            found.append(steps)
    assert found[0] == pytest.approx(found[1], rel=1e-6)


# ------------------------------------------------------------------------ frozen layers


def test_a_frozen_batch_norm_uses_the_running_statistics_and_leaves_them(backend: str) -> None:
    x = np.array([[1.0], [3.0]], dtype=np.float32)
    weights, out = trained_on(backend, [L.BatchNorm(trainable=False)], x)
    assert weights["batch_norm.running_mean"] == pytest.approx([0.0])
    assert weights["batch_norm.running_var"] == pytest.approx([1.0])
    assert out == pytest.approx(x / np.sqrt(1 + 1e-5))


@pytest.mark.parametrize("optimizer", ["sgd-momentum", "adam", "rmsprop", "clip-norm-adam"])
def test_curve_of_a_net_with_frozen_layers(backend: str, optimizer: str) -> None:
    assert parted(backend, FROZEN_MIDDLE, OPTIMIZERS[optimizer]) <= CURVE


def test_frozen_layers_stay_as_they_are_and_keep_no_state(backend: str) -> None:
    net, data = FROZEN_MIDDLE, digits().take(slice(0, 20))
    with opened(backend, net, (CROSS_ENTROPY,), optimizers.Adam()) as session:
        before = session.weights()
        session.take_step(data)
        after, kept = session.weights(), session.state()
    still = {name for name in before if np.array_equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith("still")}
    assert {name.split(".")[0] for name in kept} == {"first", "batch_norm", "last"}


def test_a_net_that_is_frozen_as_a_whole_only_judges(backend: str) -> None:
    net, data = SMOOTH["lenet"].frozen("*"), digits().take(slice(0, 20))
    with opened(backend, net, (CROSS_ENTROPY,), optimizers.Adam(clip_norm=1.0)) as session:
        before = session.weights()
        first, second = (float(session.host(session.take_step(data)[0])) for _ in range(2))
        assert first == second
        assert session.state() == {}
        judged(session.weights(), before, 0.0)


# ------------------------------------------------------------------------ regularizers, constraints


@pytest.mark.parametrize(
    "optimizer",
    ["sgd", "sgd-momentum", "sgd-nesterov", "adam", "adam-amsgrad", "adamw", "rmsprop", "adagrad",
     "clip-norm"],
)  # fmt: skip
def test_curve_of_a_net_that_is_regularized_and_constrained(backend: str, optimizer: str) -> None:
    assert parted(backend, HELD_NET, OPTIMIZERS[optimizer]) <= CURVE


@pytest.mark.parametrize("optimizer", ["sgd-momentum", "adam", "rmsprop"])
def test_constraints_hold_after_every_step(backend: str, optimizer: str) -> None:
    net, data = HELD_NET, digits().take(slice(0, 60))
    given = initial(net, 0)
    with opened(backend, net, (CROSS_ENTROPY,), OPTIMIZERS[optimizer], weights=given) as session:
        for _ in range(2):
            session.take_step(data)
            weights = session.weights()
            norms = np.sqrt(np.square(weights["conv2d.weight"]).sum(axis=(1, 2, 3)))
            assert norms.max() <= 0.7 + 1e-5
            assert weights["dense.weight"].min() >= 0
            assert np.linalg.norm(weights["dense.bias"]) <= 0.01 + 1e-6
            last = np.linalg.norm(weights["dense_1.weight"], axis=0)
            assert last == pytest.approx(np.ones(10), abs=1e-5)


def held_step(backend: str, slope: Any, shares: Any = None, **options: Any) -> tuple[float, Any]:
    """Return loss and weights, which began at 0.5 and -2, after a step of 0.1 down given gradients.

    As in ``walked``, MAE of a target one below the output is 1 and has the gradient x.
    """
    net = Sequential([L.Dense(1, bias=False, **options)], input_shape=2)
    begun = {"dense.weight": np.array([[0.5], [-2.0]], dtype=np.float32)}
    with opened(backend, net, (losses.MAE(),), optimizers.SGD(0.1), weights=begun) as session:
        x = np.array([slope] * (1 if shares is None else len(shares)), dtype=np.float32)
        loss, _ = session.take_step(Data((x,), (session.forward((x,))[0] - 1,), shares))
        return float(session.host(loss)), session.weights()["dense.weight"][:, 0]


def test_penalties_are_in_the_loss_and_in_the_gradient(backend: str) -> None:
    loss, weights = held_step(backend, (0.3, -0.4), weight_regularizer=L1(0.2))
    assert loss == pytest.approx(1 + 0.2 * 2.5)
    assert weights == pytest.approx([0.5 - 0.1 * (0.3 + 0.2), -2 - 0.1 * (-0.4 - 0.2)])
    loss, weights = held_step(backend, (0.3, -0.4), weight_regularizer=L2(0.2))
    assert loss == pytest.approx(1 + 0.2 * 4.25)
    assert weights == pytest.approx([0.5 - 0.1 * (0.3 + 0.2), -2 - 0.1 * (-0.4 - 0.8)])


def test_penalties_do_not_depend_on_sample_weights(backend: str) -> None:
    for shares in ([3.0, 1.0], [0.0, 0.0]):
        given = np.array(shares, dtype=np.float32)
        loss, weights = held_step(backend, (0.3, -0.4), given, weight_regularizer=L2(0.2))
        judged_, pull = float(any(shares)), np.array([0.2, -0.8])
        assert loss == pytest.approx(judged_ + 0.2 * 4.25)
        wanted = np.array([0.5, -2]) - 0.1 * (judged_ * np.array([0.3, -0.4]) + pull)
        assert weights == pytest.approx(wanted)


def test_constraints_by_their_formulas(backend: str) -> None:
    free = np.array([0.5 - 0.03, -2 + 0.04])
    norm = np.sqrt((free**2).sum())
    for held, wanted in (
        (MaxNorm(1.5), free * 1.5 / norm),
        (MaxNorm(2.5), free),
        (MaxNorm(0.1, axis=1), [0.1, -0.1]),
        (MaxNorm(1.5, axis=(0, -1)), free * 1.5 / norm),
        (UnitNorm(), free / norm),
        (NonNeg(), [free[0], 0]),
    ):
        _, weights = held_step(backend, (0.3, -0.4), weight_constraint=held)
        assert weights == pytest.approx(wanted, abs=1e-6), held


def test_shared_weights_are_pulled_once_and_evaluation_counts_the_penalty(backend: str) -> None:
    x = Input((3,))
    shared = L.Dense(3, weight_regularizer=L2(0.5), bias_regularizer="l1")
    net = Graph(x, shared(L.Tanh()(shared(x))))
    rows = np.random.RandomState(0).standard_normal((7, 3)).astype(np.float32)
    model = model_on(net, backend, loss="mse", optimizer=optimizers.SGD(0.0))
    model.load_weights(rough_weights(net))
    told = model.fit(rows, rows, batch_size=3, sample_weight=np.arange(7), verbose=0)["loss"]
    found = model.evaluate(rows, rows, batch_size=3, sample_weight=np.arange(7))["loss"]
    assert told[0] == pytest.approx(found, rel=1e-5)
    weights = rough_weights(net)
    mean = float(np.square(model.predict(rows) - rows).mean(axis=1) @ np.arange(7) / 21)
    wanted = mean + 0.5 * np.square(weights["dense.weight"]).sum()
    wanted += 0.01 * np.abs(weights["dense.bias"]).sum()
    assert found == pytest.approx(wanted, rel=1e-5)


# ------------------------------------------------------------------------ nets


def branching() -> Graph:
    image, numbers = Input((1, 8, 8), name="image"), Input((3,), "int", name="numbers")
    seen = L.GlobalAvgPool()(L.ReLU()(L.Conv2D(6, 3)(image)))
    shared = L.Dense(6, name="shared")
    looked = L.Flatten()(L.Embedding(5, 2)(numbers))
    joined = L.Concatenate()(shared(seen), shared(L.Tanh()(looked)))
    return Graph(
        [image, numbers], [L.Dense(4, name="kind")(joined), L.Dense(1, name="size")(joined)]
    )


def branching_data(rows: int) -> Data:
    draw = np.random.RandomState(3)
    return Data(
        (digits().xs[0][:rows], draw.randint(0, 5, (rows, 3)).astype(np.int64)),
        (
            draw.randint(0, 4, rows).astype(np.int64),
            draw.standard_normal((rows, 1)).astype(np.float32),
        ),
        draw.random_sample(rows).astype(np.float32),
    )


def test_branches_shared_weights_several_inputs_and_outputs(backend: str) -> None:
    net, data = branching(), branching_data(50)
    both = (losses.CrossEntropy(0.1), losses.Huber(0.5))
    plan = Plan(0, 2, 16, metrics=(((uf.metrics.Accuracy(),), False), ((uf.metrics.MAE(),), False)))
    results = []
    for name, dtype in ((backend, "float32"), REFERENCE):
        with opened(name, net, both, optimizers.Adam(0.01), dtype=dtype) as session:
            epochs = list(session.fit(data.cast(dtype), plan))
            results.append((epochs, session.forward(data.cast(dtype).xs), session.weights()))
    (found, outs, weights), (wanted, wanted_outs, wanted_weights) = results
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.losses == pytest.approx(theirs.losses, rel=CURVE)
        assert mine.metrics[0] == pytest.approx(theirs.metrics[0], abs=1e-6)
        assert mine.metrics[1] == pytest.approx(theirs.metrics[1], rel=CURVE)
    for mine_out, their_out in zip(outs, wanted_outs, strict=True):
        assert apart(mine_out, their_out) <= GRADIENT
    judged(weights, wanted_weights, 1e-3)


@pytest.mark.parametrize("weights", [(0.25, 3.0), (1.0, 0.0)], ids=["both", "the first alone"])
def test_loss_weights_count_in_the_sum(backend: str, weights: tuple[float, ...]) -> None:
    net, both = branching(), (losses.CrossEntropy(0.1), losses.Huber(0.5))
    data = branching_data(20)
    shares = np.linspace(0.5, 1.5, 20, dtype=np.float32) / 20
    batch = Data(data.xs, data.ys, shares)
    found = []
    for name, dtype, counted in (
        (backend, "float32", weights),
        (*REFERENCE, (1.0, 0.0)),
        (*REFERENCE, (0.0, 1.0)),
    ):
        with opened(name, net, both, dtype=dtype, loss_weights=counted) as session:
            found.append(gradients(session, batch.cast(dtype)))
    (loss, grads), (one, ones), (other, others) = found
    assert loss == pytest.approx(weights[0] * one + weights[1] * other, rel=FORWARD)
    wanted = {name: weights[0] * ones[name] + weights[1] * others[name] for name in grads}
    judged(grads, wanted, GRADIENT)


def test_loss_weights_are_reported_and_move_along(backend: str, tmp_path: Any) -> None:
    net, data = branching(), branching_data(30)
    model = model_on(
        net, backend, loss={"kind": "cross_entropy", "size": "mse"},
        loss_weights={"size": 0.5, "kind": 2.0}, optimizer=optimizers.SGD(0.0),
    )  # fmt: skip
    whole = model.evaluate(list(data.xs), list(data.ys))
    alone = [
        model_on(net, "numpy", loss=["cross_entropy", "mse"], loss_weights=given, weights=model.weights)
        .evaluate(list(data.xs), list(data.ys))["loss"]
        for given in ([1, 0], [0, 1])
    ]  # fmt: skip
    assert whole["loss"] == pytest.approx(2.0 * alone[0] + 0.5 * alone[1], rel=1e-5)
    told = model.fit(list(data.xs), list(data.ys), batch_size=7, verbose=0)["loss"]
    assert told[0] == pytest.approx(whole["loss"], rel=1e-5)
    model.save(tmp_path / "m.unifw")
    for again in (model.to("numpy"), uf.load(tmp_path / "m.unifw", "numpy")):
        assert again.evaluate(list(data.xs), list(data.ys)) == pytest.approx(whole, rel=1e-5)


def test_an_input_may_be_an_output(backend: str) -> None:
    x = Input((3,))
    net = Graph(x, [x, L.Dense(2)(x)])
    rows = np.ones((2, 3), dtype=np.float32)
    with opened(backend, net, MSE * 2) as session:
        first, second = session.forward((rows,))
        session.take_step(Data((rows,), (rows, np.zeros((2, 2), dtype=np.float32))))
    assert np.array_equal(first, rows)
    assert second.shape == (2, 2)


@pytest.mark.parametrize("rows", [1, 2, 67])
def test_any_number_of_rows(backend: str, rows: int) -> None:
    with opened(backend, KINKED) as session:
        x = digits().xs[0][:rows]
        (found,) = session.forward((x,))
        parts = np.concatenate([out for (out,) in session.predict((x,), 50)])
    with opened(REFERENCE[0], KINKED, dtype=REFERENCE[1]) as reference:
        (wanted,) = reference.forward((x.astype(np.float64),))
    assert apart(found, wanted) <= FORWARD
    assert apart(parts, wanted) <= FORWARD


def test_a_batch_without_any_weight_changes_nothing(backend: str) -> None:
    net = Sequential([L.Dense(2)], input_shape=3)
    x = np.ones((4, 3), dtype=np.float32)
    with opened(backend, net, MSE) as session:
        before = session.weights()
        loss, _ = session.take_step(Data((x,), (x[:, :2],), np.zeros(4, dtype=np.float32)))
        assert float(session.host(loss)) == 0
        judged(session.weights(), before, 0.0)


def test_two_sessions_live_side_by_side(backend: str) -> None:
    data = digits().take(slice(0, 64))
    with opened(backend, SMOOTH["mlp"], (CROSS_ENTROPY,), optimizers.Adam()) as alone:
        wanted = [float(alone.host(alone.take_step(data)[0])) for _ in range(3)]
    with (
        opened(backend, SMOOTH["mlp"], (CROSS_ENTROPY,), optimizers.Adam()) as one,
        opened(backend, KINKED, (CROSS_ENTROPY,), optimizers.SGD(0.1)) as other,
    ):
        found = []
        for _ in range(3):
            found.append(float(one.host(one.take_step(data)[0])))
            other.take_step(data)
    assert found == pytest.approx(wanted, rel=1e-6)


# ------------------------------------------------------------------------ weights and state


def test_weights_come_back_as_they_went_in(backend: str) -> None:
    weights = rough_weights(KINKED)
    with opened(backend, KINKED, weights=weights) as session:
        found = session.weights()
        assert list(found) == list(weights)
        for name, value in weights.items():
            assert found[name].dtype == np.float32
            assert np.array_equal(found[name], value), name
        for value in found.values():
            value[...] = 0  # what is given is a copy
        judged(session.weights(), weights, 0.0)


@each_net
@pytest.mark.parametrize("way", ["to", "from"])
@pytest.mark.parametrize("optimizer", MOVED)
def test_moving_in_mid_training_leaves_the_curve_unbroken(
    backend: str, net: str, way: str, optimizer: str
) -> None:
    data = digits().take(slice(0, 230))
    plans = (Plan(0, 1, 50), Plan(1, 2, 50))
    found: list[float] = []
    weights, state, steps = initial(SMOOTH[net], 0), None, 0
    for name, plan in zip(("numpy", backend) if way == "to" else (backend, "numpy"), plans,
                          strict=True):  # fmt: skip
        with opened(
            name, SMOOTH[net], (CROSS_ENTROPY,), OPTIMIZERS[optimizer], weights=weights
        ) as session:
            if state is not None:
                session.load_state(state)
            session.steps = steps
            for epoch in session.fit(data, plan):
                found += list(epoch.losses)
            weights, state, steps = session.weights(), session.state(), session.steps
    with opened(
        REFERENCE[0], SMOOTH[net], (CROSS_ENTROPY,), OPTIMIZERS[optimizer],
        weights=initial(SMOOTH[net], 0), dtype=REFERENCE[1],
    ) as reference:  # fmt: skip
        epochs = list(reference.fit(data.cast(REFERENCE[1]), Plan(0, 2, 50)))
    wanted = np.concatenate([epoch.losses for epoch in epochs])
    assert found == pytest.approx(wanted, rel=CURVE)


def test_state_comes_back_as_it_went_in(backend: str) -> None:
    net = KINKED
    draw = np.random.RandomState(0)
    with opened(backend, net, (CROSS_ENTROPY,), optimizers.Adam(amsgrad=True)) as session:
        empty = session.state()
        assert all(not value.any() for value in empty.values())
        given = {k: draw.random_sample(v.shape).astype(np.float32) for k, v in empty.items()}
        session.load_state(given)
        judged(session.state(), given, 0.0)
        session.load_state(empty)
        judged(session.state(), empty, 0.0)


# ------------------------------------------------------------------------ the whole way


def test_model_trains_saves_and_goes_on(backend: str, tmp_path: Any) -> None:
    data = digits().take(slice(0, 300))
    (x,), (y,) = data.xs, data.ys
    layers = [L.Conv2D(4, 3), L.ReLU(), L.Dropout(0.3), L.Flatten(), L.Dense(10)]
    net = Sequential(layers, input_shape=(1, 8, 8))

    def begin(name: str) -> uf.Model:
        return model_on(
            net, name, loss="cross_entropy", optimizer=optimizers.SGD(0.05, 0.9),
            metrics=["accuracy", "f1"], seed=3,
        )  # fmt: skip

    wanted = begin("numpy").fit(x, y, epochs=4, validation_split=0.2, verbose=0)
    model = begin(backend)
    model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    model.save(tmp_path / "half.unifw")
    model = uf.load(tmp_path / "half.unifw", isolate=backend in ISOLATED)
    assert model.backend == backend
    model.fit(x, y, epochs=1, validation_split=0.2, verbose=0)
    model = model.to("numpy")
    found = model.fit(x, y, epochs=1, validation_split=0.2, verbose=0)
    assert list(found) == list(wanted)
    assert list(wanted) == ["loss", "accuracy", "f1", "val_loss", "val_accuracy", "val_f1"]
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-3), name


@pytest.mark.parametrize("kind", ["classes", "yes or no"])
def test_every_metric(backend: str, kind: str) -> None:
    x, y = (array[:200] for array in demo.digits())
    net, loss, chosen = SMOOTH["mlp"], "cross_entropy", METRICS
    if kind == "yes or no":
        net = Sequential([L.Flatten(), L.Dense(1)], input_shape=(1, 8, 8))
        loss, y, chosen = "binary_cross_entropy", y % 2, BINARY_METRICS
    found, wanted = (
        model_on(net, name, loss=loss, metrics=chosen, dtype=dtype)
        for name, dtype in ((backend, "float32"), REFERENCE)
    )
    assert found.fit(x, y, verbose=0) == approx_history(wanted.fit(x, y, verbose=0))
    assert found.evaluate(x, y) == pytest.approx(wanted.evaluate(x, y), rel=CURVE)


def approx_history(history: Any) -> Any:
    return {name: pytest.approx(values, rel=CURVE) for name, values in history.items()}


def test_class_and_sample_weights_count(backend: str) -> None:
    data = digits().take(slice(0, 130))
    (x,), (y,) = data.xs, data.ys
    found = [
        model_on(SMOOTH["mlp"], name, loss="cross_entropy", optimizer="sgd").fit(
            x, y, epochs=2, batch_size=50, sample_weight=1 + y % 3,
            class_weight={0: 0.0, 3: 4.0}, verbose=0,
        )["loss"]
        for name in (backend, "numpy")
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=CURVE)


def test_export_computes_the_same(backend: str, tmp_path: Any) -> None:
    model = model_on(KINKED, backend, loss="cross_entropy")
    data = digits().take(slice(0, 64))
    model.fit(data.xs[0], data.ys[0], verbose=0)
    report = model.export(tmp_path / "lenet.onnx")
    assert report.verified
    assert report.metadata["backend"] == backend


def test_unknown_devices_are_refused_with_those_that_are_there(backend: str) -> None:
    with pytest.raises(DeviceUnavailable, match=r"abacus:7.*there are: .*cpu"):
        model_on(SMOOTH["mlp"], backend, device="abacus:7")
    options = Options(device=devices_of(backend)[0])
    assert options.device == "cpu"


@pytest.mark.native
def test_native_is_the_frameworks_own(backend: str) -> None:
    with opened(backend, SMOOTH["mlp"]) as session:
        module = registry_module(backend)
        held = session.native
        values = list(held.values()) if isinstance(held, dict) else [held]
        assert all(
            any(k.__module__.split(".")[0] == module for k in type(v).__mro__) for v in values
        )


@pytest.mark.native
def test_native_evaluates_with_the_weights_as_they_are_now(backend: str) -> None:
    x, y = (array[:20] for array in demo.digits())
    with opened(backend, KINKED, (CROSS_ENTROPY,), optimizers.SGD(0.1)) as session:
        session.take_step(Data((x,), (y,)))
        (wanted,) = session.forward((x,))
        held = session.native
        if callable(held):
            assert apart(session.host(held(session.tensor(x))), wanted) <= FORWARD
        else:  # NumPy's own object is the weights: what is written there counts
            held["dense_1.bias"] += 1
            assert apart(session.forward((x,))[0], wanted + 1) <= FORWARD


def registry_module(backend: str) -> str:
    return uf.registry.backend(backend).module
