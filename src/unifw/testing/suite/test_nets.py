"""Nets of all shapes: branches, shared weights, several inputs and outputs, any number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import losses, optimizers
from unifw.backend import Plan
from unifw.data import Data
from unifw.spec.graph import Graph, Input, Sequential
from unifw.testing.cases import (
    KINKED,
    SMOOTH,
)
from unifw.testing.compare import (
    CROSS_ENTROPY,
    CURVE,
    FORWARD,
    GRADIENT,
    MSE,
    REFERENCE,
    apart,
    digits,
    gradients,
    judged,
    opened,
)
from unifw.testing.compare import model as model_on


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
    assert list(whole) == ["loss", "kind_loss", "size_loss"]
    assert [whole["kind_loss"], whole["size_loss"]] == pytest.approx(alone, rel=1e-5)
    told = model.fit(
        list(data.xs), list(data.ys), batch_size=7, verbose=0,
        validation_data=(list(data.xs), list(data.ys)), sample_weight=np.ones(len(data)),
    )  # fmt: skip
    assert list(told) == [*whole, *(f"val_{name}" for name in whole)]
    for name, value in whole.items():
        assert told[name] == pytest.approx([value], rel=1e-5)
        assert told[f"val_{name}"] == pytest.approx([value], rel=1e-5)
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
