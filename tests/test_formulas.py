"""NumPy in float64, which judges all backends, against differences and against values by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.backends.numpy.calls import Call
from unifw.backends.numpy.layout import Room
from unifw.backends.numpy.rules import rules
from unifw.data import Data
from unifw.formulas.tape import TAPE
from unifw.spec.initializers import random_state
from unifw.testing.cases import LAYERS
from unifw.testing.cases.kinds import ROWS, WHOLE, LayerCase
from unifw.testing.compare import gradients, opened, rough_weights

# All but BatchNorm, which computes something else in training.
CASES = tuple(case for case in LAYERS if not isinstance(case.layer, L.BatchNorm))
MSE = (uf.losses.MSE(),)
STEP = 1e-5


def smooth(case: LayerCase) -> tuple[Any, ...]:
    """Return inputs of a case that lie on no kink; whole numbers as they are."""
    draw, xs = random_state("smooth", case.name), []
    for x, kind in zip(case.inputs(), case.kinds, strict=True):
        made = x if kind in WHOLE else draw.standard_normal(x.shape) * 2
        xs.append(np.abs(made) + 0.5 if kind == "positive" else made)
    return tuple(xs)


def fed(case: LayerCase, xs: tuple[Any, ...]) -> Iterator[Any]:
    """Yield what the probed net of a case reads: other inputs, each with the positions of its probe."""
    for x, kind in zip(xs, case.kinds, strict=True):
        yield x
        if kind not in WHOLE:
            yield np.arange(x.size, dtype=np.int64).reshape(x.shape)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradients_are_those_of_central_differences(case: LayerCase) -> None:
    xs, weights = smooth(case), rough_weights(case.graph)
    draw = random_state("directions", case.name)
    target = draw.standard_normal((ROWS, *case.graph.out_shapes[0]))
    ways = [draw.standard_normal(x.shape) if x.dtype.kind == "f" else None for x in xs]
    parts = {name: draw.standard_normal(value.shape) for name, value in weights.items()}

    def loss(share: float) -> float:
        moved = tuple(x if w is None else x + share * w for x, w in zip(xs, ways, strict=True))
        given = {name: value + share * parts[name] for name, value in weights.items()}
        with opened("numpy", case.graph, weights=given, dtype="float64") as session:
            (y,) = session.forward(moved)
        return float(np.mean((y - target) ** 2))

    probed = case.probed
    held = rough_weights(probed) | weights
    batch = Data(tuple(fed(case, xs)), (target,))
    with opened("numpy", probed, MSE, weights=held, dtype="float64") as session:
        _, found = gradients(session, batch)
    wanted = (loss(STEP) - loss(-STEP)) / (2 * STEP)
    probes = [value for name, value in found.items() if name.startswith("probe")]
    moving = [way for way in ways if way is not None]
    along = sum(
        float(np.sum(got.reshape(way.shape) * way)) for got, way in zip(probes, moving, strict=True)
    )
    along += sum(float(np.sum(found[name] * way)) for name, way in parts.items())
    assert along == pytest.approx(wanted, rel=1e-6, abs=1e-8)


def at(layer: L.Layer, *xs: Any) -> tuple[Any, list[Any]]:
    """Return what a layer gives in float64 for rows of one value, and the gradients of its inputs."""
    arrays = [np.array(x, dtype=np.float64).reshape(-1, 1) for x in xs]
    symbols = [uf.Input((1,)) for _ in xs]
    (placed,) = uf.Graph(symbols, layer(*symbols))
    weights = {name: np.full(part.shape, 0.25) for name, part in placed.parts.items()}
    y, back = rules.find(layer)(placed)(Call(weights, tuple(arrays), True, Room(), Room()))
    grads, _ = back(np.ones_like(y))
    return y.ravel(), [grad.ravel() for grad in grads]


SELU = 1.0507009873554805
E = math.e


@pytest.mark.parametrize(
    ("layer", "x", "y", "slope"),
    [
        (L.ReLU6(), [-1, 0, 3, 6, 7], [0, 0, 3, 6, 6], [0, 0, 1, 0, 0]),
        (L.Hardtanh(), [-2, -1, 0, 1, 2], [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
        (L.Hardtanh(0, 0.5), [0, 0.25, 0.5], [0, 0.25, 0.5], [0, 1, 0]),
        (L.PReLU(), [-2, 0, 2], [-0.5, 0, 2], [0.25, 0.25, 1]),
        (L.HardSigmoid(), [-3, 0, 1.5, 3], [0, 0.5, 0.75, 1], [0, 1 / 6, 1 / 6, 0]),
        (L.HardSigmoid(0.2), [-2.5, 1, 2.5], [0, 0.7, 1], [0, 0.2, 0]),
        (L.HardSwish(), [-4, -3, 0, 3, 4], [0, 0, 0, 3, 4], [0, 0, 0.5, 1, 1]),
        (
            L.SELU(),
            [-1, 0, 2],
            [SELU * 1.6732632423543772 * (1 / E - 1), 0, 2 * SELU],
            [SELU * 1.6732632423543772 / E, SELU * 1.6732632423543772, SELU],
        ),
        (L.CELU(), [-1, 0, 2], [1 / E - 1, 0, 2], [1 / E, 1, 1]),
        (L.CELU(0.5), [-0.5, 0, 1000], [(1 / E - 1) / 2, 0, 1000], [1 / E, 1, 1]),
        (L.Softplus(), [-800, 0, 800], [0, math.log(2), 800], [0, 0.5, 1]),
        (L.Softplus(2), [0, 1], [math.log(2) / 2, math.log1p(E**2) / 2], [0.5, 1 / (1 + E**-2)]),
        (L.Softsign(), [-1, 0, 3], [-0.5, 0, 0.75], [0.25, 1, 1 / 16]),
        (L.LogSigmoid(), [-800, 0, 800], [-800, -math.log(2), 0], [1, 0.5, 0]),
        (L.Affine(-3, 2), [0, 2], [2, -4], [-3, -3]),
        (L.Clip(-1, 1), [-2, -1, 0, 1, 2], [-1, -1, 0, 1, 1], [0, 1, 1, 1, 0]),
        (L.Clip(max_value=0), [-9, 0, 9], [-9, 0, 0], [1, 1, 0]),
        (L.Abs(), [-2, 0, 3], [2, 0, 3], [-1, 0, 1]),
        (L.Power(2), [-2, 0, 3], [4, 0, 9], [-4, 0, 6]),
        (L.Power(5), [-2, 0], [-32, 0], [80, 0]),
        (L.Power(-2), [-2, 0.5], [0.25, 4], [0.25, -16]),
        (L.Power(0.5), [4, 9], [2, 3], [0.25, 1 / 6]),
        (L.Power(1.5), [0, 4], [0, 8], [0, 3]),
        (L.Power(0.25), [16, 1], [2, 1], [1 / 32, 0.25]),
        (L.Exp(), [0, 1], [1, E], [1, E]),
        (L.Log(), [1, E], [0, 1], [1, 1 / E]),
        (L.Mish(), [0, 1], [0, math.tanh(math.log1p(E))], [0.6, 1.0490362200997922]),
    ],
    ids=lambda given: str(given) if isinstance(given, L.Layer) else "",
)
def test_values_and_gradients_by_hand_kinks_included(
    layer: Any, x: Any, y: Any, slope: Any
) -> None:
    found, (grad,) = at(layer, x)
    assert found == pytest.approx(np.array(y, dtype=float), rel=1e-12, abs=1e-15)
    assert grad == pytest.approx(np.array(slope, dtype=float), rel=1e-12, abs=1e-15)


def test_glu_gates_one_half_by_the_other() -> None:
    x = random_state("glu").standard_normal((2, 6, 3))
    with opened("numpy", uf.Sequential([L.GLU(1)], input_shape=(6, 3)), dtype="float64") as session:
        (y,) = session.forward((x,))
    assert y == pytest.approx(x[:, :3] / (1 + np.exp(-x[:, 3:])))


def test_joins_by_hand_ties_to_the_first() -> None:
    x, y, z = [1, 2, 3, 2], [2, 2, 1, 2], [0, 2, 3, 4]
    found, grads = at(L.Maximum(), x, y, z)
    assert found.tolist() == [2, 2, 3, 4]
    assert [g.tolist() for g in grads] == [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    found, grads = at(L.Minimum(), x, y, z)
    assert found.tolist() == [0, 2, 1, 2]
    assert [g.tolist() for g in grads] == [[0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]]
    found, grads = at(L.Average(), x, y, z)
    assert found == pytest.approx(np.array([1, 2, 7 / 3, 8 / 3]))
    assert at(L.Subtract(), x, y)[0].tolist() == [-1, 0, 2, 0]
    found, (above, below) = at(L.Divide(), x, y)
    assert found.tolist() == [0.5, 1, 3, 1]
    assert above.tolist() == [0.5, 0.5, 1, 0.5]
    assert below.tolist() == [-0.25, -0.5, -3, -0.5]


def test_dot_is_einsum_and_cosines_lie_within_one() -> None:
    draw = random_state("dot")
    x, y = draw.standard_normal((2, 3, 2, 4)), draw.standard_normal((2, 2, 4, 3))
    y[0] = 0  # a length of nothing divides by 1e-6, and stays nothing
    symbols = [uf.Input(a.shape[1:]) for a in (x, y)]
    for normalize in (False, True):
        net = uf.Graph(symbols, L.Dot((1, -1), normalize=normalize)(*symbols))
        with opened("numpy", net, dtype="float64") as session:
            (found,) = session.forward((x, y))
        wanted = np.einsum("nkab,ncdk->nabcd", x, y)
        if normalize:
            lengths = np.linalg.norm(x, axis=1), np.maximum(np.linalg.norm(y, axis=3), 1e-6)
            wanted /= np.einsum("nab,ncd->nabcd", *lengths)
        assert found == pytest.approx(wanted)


def test_among_equal_values_the_first_takes_the_gradient() -> None:
    x = np.array([[[1.0, 3, 3], [3, 0, 0]]])
    for layer, value, wanted in (
        (L.Max(), 3, [[0, 1, 0], [0, 0, 0]]),
        (L.Max(1), [3, 3, 3], [[0, 1, 1], [1, 0, 0]]),
        (L.Max(-1), [3, 3], [[0, 1, 0], [1, 0, 0]]),
        (L.Min(2), [1, 0], [[1, 0, 0], [0, 1, 0]]),
        (L.Min(), 0, [[0, 0, 0], [0, 1, 0]]),
    ):
        symbol = uf.Input((2, 3))
        (placed,) = uf.Graph(symbol, layer(symbol))
        y, back = rules.find(layer)(placed)(Call({}, (x,), True, Room(), Room()))
        ((grad,), _) = back(np.ones_like(y))
        assert y[0].tolist() == value
        assert grad[0].tolist() == wanted


@pytest.mark.parametrize(
    "layer",
    [L.ReLU6(), L.Hardtanh(), L.HardSigmoid(), L.HardSwish(), L.SELU(), L.Abs(), L.Clip(0), L.PReLU(),
     L.Softsign(), L.Power(1.5), L.Max(1), L.Min()],
    ids=repr,
)  # fmt: skip
def test_nan_is_not_hidden(layer: Any) -> None:
    found, _ = at(layer, [math.nan])
    assert math.isnan(found[0])


@pytest.mark.parametrize("layer", [L.Maximum(), L.Minimum()], ids=repr)
def test_the_larger_of_nan_and_a_number_is_nan(layer: Any) -> None:
    for pair in ((math.nan, 1.0), (1.0, math.nan)):
        found, _ = at(layer, *([x] for x in pair))
        assert math.isnan(found[0])


def test_fractional_powers_below_zero_are_nan() -> None:
    for exponent in (0.5, 0.3, 1.5):
        with np.errstate(invalid="ignore"):
            found, _ = at(L.Power(exponent), [-1.0])
        assert math.isnan(found[0])


def test_a_choice_between_numbers_is_a_float() -> None:
    made = TAPE.where(np.array([True, False]), 1.0, 0.0)
    assert made.weak
    assert made.data.tolist() == [1.0, 0.0]
