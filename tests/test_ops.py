"""Arithmetic on symbols: which layers it makes, what it refuses, and that symbols stay themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import ops
from unifw.errors import ShapeError, SpecError
from unifw.spec.symbol import Symbol
from unifw.testing.compare import opened

X, Y = uf.Input((3, 4), name="x"), uf.Input((3, 4), name="y")


@pytest.mark.parametrize(
    ("made", "layers"),
    [
        (X + Y, [L.Add()]),
        (X + 2, [L.Affine(shift=2)]),
        (2 + X, [L.Affine(shift=2)]),
        (X - Y, [L.Subtract()]),
        (X - 2, [L.Affine(shift=-2)]),
        (2 - X, [L.Affine(-1, 2)]),
        (X * Y, [L.Multiply()]),
        (np.float32(0.5) * X, [L.Affine(0.5)]),
        (X * np.int64(3), [L.Affine(3)]),
        (X / Y, [L.Divide()]),
        (X / 4, [L.Affine(0.25)]),
        (3 / X, [L.Power(-1), L.Affine(3)]),
        (-X, [L.Affine(-1)]),
        (abs(X), [L.Abs()]),
        (X**2, [L.Power(2)]),
        (X @ ops.transpose(Y, (0, 2, 1)), [L.Permute((2, 1)), L.MatMul()]),
        (X[:, 1:], [L.Slice(((1, None, None),))]),
        (X[..., 0], [L.Slice(((None, None, None), 0))]),
        (X[:, -1, ::2], [L.Slice((-1, (None, None, 2)))]),
        (ops.mean(X), [L.Mean()]),
        (ops.sum(X, 1, keepdims=True), [L.Sum(1, keepdims=True)]),
        (ops.max(X, (1, 2)), [L.Max((1, 2))]),
        (ops.min(X, -1), [L.Min(-1)]),
        (ops.abs(X), [L.Abs()]),
        (ops.exp(X), [L.Exp()]),
        (ops.log(X), [L.Log()]),
        (ops.sqrt(X), [L.Power(0.5)]),
        (ops.square(X), [L.Power(2)]),
        (ops.power(X, 3), [L.Power(3)]),
        (ops.maximum(X, Y), [L.Maximum()]),
        (ops.maximum(X, 0), [L.Clip(min_value=0)]),
        (ops.minimum(X, Y), [L.Minimum()]),
        (ops.minimum(1.5, X), [L.Clip(max_value=1.5)]),
        (ops.clip(X, -1, 1), [L.Clip(-1, 1)]),
        (ops.relu(X), [L.ReLU()]),
        (ops.sigmoid(X), [L.Sigmoid()]),
        (ops.tanh(X), [L.Tanh()]),
        (ops.softplus(X), [L.Softplus()]),
        (ops.softmax(X, 1), [L.Softmax(1)]),
        (ops.log_softmax(X), [L.LogSoftmax()]),
        (ops.matmul(ops.reshape(X, (4, 3)), Y), [L.Reshape((4, 3)), L.MatMul()]),
        (ops.dot(X, Y, 2, normalize=True), [L.Dot(2, normalize=True)]),
        (ops.concatenate([X, Y], -1), [L.Concatenate(-1)]),
        (ops.flatten(X), [L.Flatten()]),
    ],
    ids=lambda given: repr(given) if isinstance(given, list) else "",
)
def test_what_is_written_is_a_layer(made: Symbol, layers: Any) -> None:
    reached = [s for s in (X, Y) if reaches(made, s)]
    net = uf.Graph(reached, made)
    assert [node.layer for node in net.nodes] == layers
    assert uf.Graph.from_json(net.to_json()) == net


def reaches(end: Symbol, start: Symbol) -> bool:
    return end is start or any(reaches(parent, start) for parent in end.parents)


def test_symbols_stay_themselves() -> None:
    assert X == X  # noqa: PLR0124 - that is the question
    assert X != Y
    assert len({X, Y, X}) == 2
    assert X[:] is X
    assert X[...] is X
    assert X[:, :, :] is X
    with pytest.raises(TypeError):
        iter(X)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        1 in X  # type: ignore[operator]  # noqa: B015


@pytest.mark.parametrize(
    "make",
    [
        lambda: X + "1",
        lambda: np.ones(4) * X,
        lambda: X - None,
        lambda: [1] - X,
        lambda: True * X,
        lambda: X / "2",
        lambda: "2" / X,
        lambda: X @ np.ones((4, 4)),
        lambda: X**Y,
    ],
)
def test_what_is_no_number_is_refused(make: Any) -> None:
    with pytest.raises(TypeError, match="operand"):
        make()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: X / 0, SpecError, "divided by 0"),
        (lambda: X**0, SpecError, "exponent 0"),
        (lambda: X * float("nan"), SpecError, "scale must be a number"),
        (lambda: X[0], SpecError, r"write x\[:, 0\]"),
        (lambda: X[1:], SpecError, "the batch must stay whole"),
        (lambda: X[:, None], SpecError, "cannot put in axes"),
        (lambda: X[..., 0, ...], SpecError, "one ... at most"),
        (lambda: X[:, "a"], SpecError, "places are whole numbers"),
        (lambda: X[:, True], SpecError, "places are whole numbers"),
        (lambda: X[:, 1.5:], SpecError, "places are whole numbers"),
        (lambda: X[:, ::-1], SpecError, "steps must be at least 1, got -1"),
        (lambda: L.Slice(((1, 2),)), SpecError, r"a part of an axis is \(start, stop, step\)"),
        (lambda: X[:, 3], ShapeError, "position 3 is not there in axis 1, 3 long"),
        (lambda: X[:, 2:2], ShapeError, "nothing is left of axis 1"),
        (lambda: X[:, 0, 0, 0], ShapeError, "3 places for 2 axes"),
        (lambda: ops.mean(X, 3), ShapeError, "axis 3 is not there"),
        (lambda: ops.mean(X, 0), SpecError, "other than 0, the batch"),
        (lambda: ops.sum(X, (1, -2)), ShapeError, "name one of 2 axes besides the batch twice"),
        (lambda: ops.max(ops.mean(X)), ShapeError, "no axis besides the batch"),
        (lambda: ops.clip(X), SpecError, "min_value, max_value or both"),
        (lambda: ops.clip(X, 1, 0), SpecError, "min_value must be below max_value"),
        (lambda: ops.maximum(1, 2), SpecError, "called on the result of uf.Input"),
        (lambda: ops.transpose(X, (1, 2)), SpecError, "begins with 0, the batch"),
        (lambda: uf.Input(3, "int") + 1, SpecError, "takes float input"),
    ],
)
def test_what_cannot_be_is_refused_at_once(make: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize(
    "index",
    [
        np.s_[:, 1],
        np.s_[:, -2:],
        np.s_[..., -1],
        np.s_[:, ..., 1:4:2],
        np.s_[:, :-1, 2, ::3],
        np.s_[:, -100:100, 1:],
    ],
)
def test_slices_are_those_of_numpy(index: Any) -> None:
    array = np.arange(2 * 4 * 5 * 7, dtype=np.float64).reshape(2, 4, 5, 7)
    for kind in ("float", "int"):
        x = uf.Input((4, 5, 7), kind)
        given = array if kind == "float" else array.astype(np.int64)
        y = x[index]
        assert y.dtype == kind
        if y is x:
            continue
        with opened("numpy", uf.Graph(x, y), dtype="float64") as session:
            (found,) = session.forward((given,))
        assert found.dtype == given.dtype
        assert np.array_equal(found, given[index])


def test_a_symbol_may_meet_itself_and_learns_through_both() -> None:
    x = uf.Input(3)
    h = L.Dense(2, name="dense")(x)
    model = uf.Model(uf.Graph(x, h * h + h), optimizer=uf.optimizers.SGD(1.0), loss="mse")
    rows, target = np.eye(3, dtype=np.float32), np.zeros((3, 2), dtype=np.float32)
    weight = model.weights["dense.weight"].astype(float)
    model.fit(rows, target, batch_size=3, verbose=0)
    slope = 2 * (weight**2 + weight) * (2 * weight + 1) / 6  # the mean over two values, three rows
    assert model.weights["dense.weight"] == pytest.approx(weight - slope, abs=1e-6)
