"""Where training ends: for convex nets, and one that has its least value within reach, all roads lead there.

For backends that train a whole table at a time by methods of their own, this stands in for the curves: of the
suite they run this module alone, on nets that such backends can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from unifw import layers as L
from unifw import losses, optimizers, registry
from unifw.backend import Options, Plan, Session
from unifw.data import Data
from unifw.regularizers import L2
from unifw.spec.graph import Graph, Sequential
from unifw.spec.losses import Loss
from unifw.spec.optimizers import Optimizer
from unifw.testing.compare import FORWARD, REFERENCE, apart, opened, rough_weights
from unifw.testing.compare import model as model_on
from unifw.weights import initial

pytestmark = pytest.mark.optimum

Array = npt.NDArray[Any]
# How far the loss in the end may be from the reference's, relatively; and outputs where float64 is there.
END, EXACT = 1e-3, 1e-9
# Steps of L-BFGS; a backend that trains whole takes many in one epoch.
STEPS, JOBS = 40, 1


@dataclass(frozen=True)
class OptimumCase:
    """A net, its loss, and of which kind its targets are."""

    optimizer: ClassVar[Optimizer] = optimizers.LBFGS()

    name: str
    graph: Graph
    loss: Loss
    targets: str


def _line(name: str, units: int, loss: Loss, targets: str, *more: L.Layer, **options: Any) -> Any:
    net = Sequential([L.Dense(units, **options), *more], input_shape=4, name=name)
    return OptimumCase(name, net, loss, targets)


def _perceptron(name: str, *between: L.Layer) -> OptimumCase:
    layers = [L.Dense(6), between[0], *(part for b in between[1:] for part in (L.Dense(5), b))]
    net = Sequential([*layers, L.Dense(2)], input_shape=2, name=name)
    return OptimumCase(name, net, losses.CrossEntropy(), "either or")


CASES = (
    _line("linear", 1, losses.MSE(), "numbers"),
    _line("linear-no-bias", 1, losses.MSE(), "numbers", bias=False),
    _line(
        "ridge", 1, losses.MSE(), "numbers", weight_regularizer=L2(0.1), bias_regularizer=L2(0.3)
    ),
    _line("ridge-no-bias", 1, losses.MSE(), "numbers", bias=False, weight_regularizer=L2(0.1)),
    _line("logistic", 1, losses.BinaryCrossEntropy(), "bits"),
    _line("softmax", 3, losses.CrossEntropy(), "classes"),
    _line("softmax-nll", 3, losses.NLL(), "classes", L.LogSoftmax()),
    _perceptron("sigmoid", L.Sigmoid()),
    _perceptron("tanh", L.Tanh()),
    _perceptron("deep", L.Tanh(), L.Sigmoid()),
)
# Of several classes Alink 1.6 weighs no rows rightly; that weights count elsewhere test_training judges.
WEIGHED = [case for case in CASES if case.name in ("linear", "ridge", "logistic")]


@cache
def data(targets: str) -> Data:
    """Return rows whose loss has a least value above zero."""
    draw = np.random.RandomState(5)
    if targets == "either or":
        corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        classes = np.concatenate([np.arange(20) < many for many in (4, 16, 16, 4)])
        return Data((np.repeat(corners, 20, axis=0),), (classes.astype(np.int64),))
    x = draw.standard_normal((120, 4)).astype(np.float32)
    y = x @ np.array([1, -2, 0.5, 3]) + 0.7 + 2 * draw.standard_normal(120)
    found = {
        "numbers": y[:, None].astype(np.float32),
        "bits": (y > 0)[:, None].astype(np.float32),
        "classes": np.digitize(y, [-2, 2]).astype(np.int64),
    }
    return Data((x,), (found[targets],))


def end(session: Session, rows: Data, epochs: int) -> float:
    """Return the loss of the last epoch."""
    *_, last = session.fit(rows, Plan(0, epochs, len(rows)))
    return last.loss


@cache
def reference_end(case: OptimumCase) -> float:
    """Return where NumPy ends in float64."""
    backend, dtype = REFERENCE
    with opened(
        backend,
        case.graph,
        (case.loss,),
        case.optimizer,
        weights=initial(case.graph, 0),
        dtype=dtype,
    ) as session:
        return end(session, data(case.targets).cast(dtype), 3 * STEPS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_training_ends_where_the_reference_ends(backend: str, case: OptimumCase) -> None:
    epochs = JOBS if registry.backend(backend).trains_whole else STEPS
    with opened(
        backend, case.graph, (case.loss,), case.optimizer, weights=initial(case.graph, 0)
    ) as session:
        found = end(session, data(case.targets), epochs)
    assert found == pytest.approx(reference_end(case), rel=END)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_weights_from_elsewhere_predict(backend: str, case: OptimumCase) -> None:
    dtype = registry.backend(backend).dtypes[-1]
    outs = []
    for name, kind in ((backend, dtype), REFERENCE):
        with opened(name, case.graph, dtype=kind) as session:
            outs.append(session.forward(data(case.targets).cast(kind).xs)[0])
            assert session.weights().keys() == rough_weights(case.graph).keys()
    assert apart(*outs) <= (EXACT if dtype == "float64" else FORWARD)


@pytest.mark.parametrize("case", WEIGHED, ids=lambda case: case.name)
def test_a_weight_counts_as_so_many_rows(backend: str, case: OptimumCase) -> None:
    epochs = JOBS if registry.backend(backend).trains_whole else STEPS
    rows = data(case.targets)
    counts = np.random.RandomState(6).randint(1, 4, len(rows))
    weighted = Data(rows.xs, rows.ys, counts.astype(np.float32))
    ends = []
    for given in (weighted, rows.take(np.repeat(np.arange(len(rows)), counts))):
        with opened(
            backend, case.graph, (case.loss,), case.optimizer, weights=initial(case.graph, 0)
        ) as session:
            ends.append(end(session, given, epochs))
    assert ends[0] == pytest.approx(ends[1], rel=END)


def test_a_model_goes_on_elsewhere_from_where_it_ended(backend: str, tmp_path: Any) -> None:
    case = CASES[0]
    (x,), (y,) = data(case.targets).xs, data(case.targets).ys
    model = model_on(case.graph, backend, loss=case.loss, optimizer="lbfgs")
    model.fit(x, y, epochs=2, batch_size=len(x), verbose=0)
    model.save(tmp_path / "model.unifw")
    moved = model.to("numpy")
    assert apart(moved.predict(x), model.predict(x)) <= FORWARD
    assert moved.epoch == model.epoch == 2
    assert moved.evaluate(x, y)["loss"] == pytest.approx(model.evaluate(x, y)["loss"], rel=FORWARD)
    moved.fit(x, y, epochs=3, batch_size=len(x), verbose=0)
    assert np.isfinite(moved.history["loss"]).all()


def test_the_options_of_a_plain_model_have_no_gaps(backend: str) -> None:
    known = registry.backend(backend)
    for case in CASES:
        options = Options((case.loss,), case.optimizer)
        assert known.missing(case.graph, options) == []
