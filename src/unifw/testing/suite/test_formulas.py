"""Layers by formulas written out here, where frameworks differ."""

from __future__ import annotations

import numpy as np
import pytest

from unifw import layers as L
from unifw import losses, ops, optimizers
from unifw.backends.schedule import POINTWISE
from unifw.data import Data
from unifw.initializers import Constant
from unifw.randomness import random_masks
from unifw.spec.graph import Graph, Input, Sequential
from unifw.testing.cases import (
    KINKED,
    ROWS,
)
from unifw.testing.compare import (
    CROSS_ENTROPY,
    FORWARD,
    GRADIENT,
    MSE,
    REFERENCE,
    apart,
    digits,
    gradients,
    judged,
    opened,
    rough_weights,
    trained_on,
)
from unifw.weights import initial


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


def test_gradients_of_scale_and_shift_are_right_every_time(backend: str) -> None:
    # megengine 1.13: two sums over the batch and the positions now and then hold what lay in memory before.
    x = np.random.RandomState(0).standard_normal((5, 6, 4, 3)).astype(np.float32)
    net = Sequential([L.InstanceNorm()], input_shape=x.shape[1:])
    batch, weights = Data((x,), (np.zeros_like(x),)), rough_weights(net)
    with opened(backend, net, MSE, weights=weights) as session:
        _, wanted = gradients(session, batch)
        for _ in range(150):
            session.load(weights)
            judged(gradients(session, batch)[1], wanted, GRADIENT)
