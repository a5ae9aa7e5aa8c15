"""A net on Alink: its weights live here, and go into the JVM with each job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from unifw.backend import Epoch, Options, Plan, Report, Session
from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.gateway import gateway
from unifw.backends.alink.jobs import Place, Rows, predict, train
from unifw.backends.alink.models import ones_first
from unifw.backends.alink.shapes import METHODS, Kind, shape_of
from unifw.backends.alink.sparse import SparseRows
from unifw.backends.numpy.crew import ALONE
from unifw.backends.numpy.training import Passes
from unifw.data import Data
from unifw.errors import BackendError, DataError, SpecError
from unifw.measures.losses import per_sample
from unifw.measures.metrics import meter
from unifw.measures.penalties import penalty
from unifw.spec import layers as L
from unifw.spec.graph import Graph
from unifw.spec.optimizers import SGD
from unifw.weights import Arrays

__all__ = ["AlinkSession"]

Array = npt.NDArray[Any]

ITERATIONS, EPSILON = 100, 1e-6


class AlinkSession(Session):
    """An epoch is a job of Alink's with so many iterations; predictions are one job for all rows."""

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        told = options.settings
        cluster = Cluster(told.get("cluster", ""), told.get("parallelism", 1))
        cluster.check()
        self._place = Place(cluster, told.get("folder"))
        self._shape = shape_of(graph, options)
        self._weights: Arrays = {}
        kept = options.optimizer.kept if options.losses else ()
        self._state: Arrays = {
            f"{name}/{kind}": np.zeros(part.shape, options.dtype)
            for name, part in graph.parts.items()
            for kind in kept
        }

    @property
    def native(self) -> Any:
        """The JVM's classes, as py4j shows them: Alink has no object that would be the live net."""
        return gateway().jvm

    def host(self, value: Any) -> Array:
        return np.asarray(value)

    def tensor(self, array: Array) -> Array:
        return Data((array,)).cast(self.options.dtype).xs[0]

    # ------------------------------------------------------------ weights and state

    def weights(self) -> Arrays:
        return {name: weight.copy() for name, weight in self._weights.items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        self._weights = {
            name: np.array(weights[name], self.options.dtype) for name in self.graph.parts
        }

    def state(self) -> Arrays:
        return {name: value.copy() for name, value in self._state.items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        # Carried on as long as nothing is trained; Alink itself begins each job without any.
        self._state = {name: np.array(state[name], self.options.dtype) for name in self._state}

    # ------------------------------------------------------------ predicting

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        logits = predict(self._place, self._shape, self._weights, self._vectors(xs))
        return (_tail(self._shape.tail, logits).astype(self.options.dtype),)

    def predict(self, xs: tuple[Array, ...], batch_size: int) -> Iterator[tuple[Array, ...]]:
        (whole,) = self.forward(xs)  # a job costs a second, however few its rows
        for start in range(0, len(whole), batch_size):
            yield (whole[start : start + batch_size],)

    # ------------------------------------------------------------ training

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> NoReturn:
        del batch, coefficients, masks
        message = "Alink trains a whole table at a time: use fit, there are no single steps"
        raise BackendError(message)

    def take_step(self, batch: Data) -> NoReturn:
        self.train_batch(batch, (), {})

    def fit(self, data: Data, plan: Plan, report: Report | None = None) -> Iterator[Epoch]:
        rule = self.options.optimizer
        if rule.full_batch and plan.batch_size < len(data):
            message = (
                f"{rule!r} takes all rows in each step: give fit a batch_size of {len(data)}, not "
                f"{plan.batch_size}"
            )
            raise SpecError(message)
        if not rule.full_batch and not plan.shuffle:
            message = (
                "Alink's SGD draws its rows at random; it cannot keep their order (shuffle=False)"
            )
            raise SpecError(message)
        rows = self._rows(data)
        told = self._told(plan, len(data))
        for number in range(plan.first, plan.last):
            found = train(self._place, self._shape, rows, self._weights, told)
            self._weights = {
                name: found[name].astype(self.options.dtype) for name in self.graph.parts
            }
            self._state = {name: np.zeros_like(value) for name, value in self._state.items()}
            self.steps += 1
            if report is not None:
                report(1, 1)
            yield self._judged(number, data, plan)

    def _told(self, plan: Plan, count: int) -> dict[str, Any]:
        settings, rule = self.options.settings, self.options.optimizer
        told: dict[str, Any] = {
            "maxIter": settings.get("iterations", ITERATIONS),
            "epsilon": settings.get("epsilon", EPSILON),
        }
        if self._shape.kind is not Kind.MLP:
            told["optimMethod"] = settings.get("method", METHODS[type(rule)][0]).upper()
        if isinstance(rule, SGD):
            told["learningRate"] = rule.rate(1)
            told["miniBatchFraction"] = min(1.0, plan.batch_size / count)
        return told

    def _judged(self, number: int, data: Data, plan: Plan) -> Epoch:
        """Return the epoch; its loss and metrics are those after it, worked out by NumPy in float64."""
        exact = data.cast("float64")
        weights = {name: weight.astype(np.float64) for name, weight in self._weights.items()}
        (out,) = Passes(self.graph, weights).evaluate(ALONE, exact.xs)
        shares = np.ones(len(data)) if exact.weights is None else exact.weights
        each = per_sample(self.options.losses[0], out, exact.ys[0])
        loss = float(each @ shares / shares.sum()) + penalty(self.graph, weights)
        meters = [
            [meter(metric, probabilities=flag) for metric in metrics]
            for metrics, flag in plan.metrics
        ]
        for column in meters:
            for single in column:
                single.update(out, exact.ys[0])
        told = tuple(tuple(single.result() for single in column) for column in meters)
        return Epoch(number, np.array([loss]), np.array([shares.sum()]), told)

    # ------------------------------------------------------------ rows

    def _rows(self, data: Data) -> Rows:
        """Return rows as Alink trains on them, if it can.

        Raises
        ------
        DataError
            If it cannot; nothing has been trained then.
        """
        shape, x = self._shape, self._vectors(data.xs)
        weights = None if data.weights is None else data.weights.astype(np.float64)
        if shape.kind is Kind.LINEAR:
            return self._squares(x, data.ys[0].reshape(-1).astype(np.float64), weights)
        if weights is not None and shape.kind is not Kind.LOGISTIC:
            # Its MLP has no such word; with it, its softmax regression ends far beside the least loss.
            message = (
                f"Alink 1.6 weighs no samples in a {shape.kind.value}: drop sample_weight and class_weight, or "
                "repeat the rows that count more"
            )
            raise DataError(message)
        classes = _classes(data.ys[0], shape.kind)
        count = 2 if shape.kind is Kind.LOGISTIC else shape.units
        missing = sorted(set(range(count)) - set(classes.tolist()))
        if missing:
            message = (
                f"there are no rows of class {', '.join(map(str, missing))}, and Alink takes its classes "
                "from the data; give at least one of each"
            )
            raise DataError(message)
        return Rows(x, classes, weights)

    def _vectors(self, xs: tuple[Array, ...]) -> Array | SparseRows:
        if self._shape.sparse:
            return SparseRows(xs[0], xs[1], self._shape.layers[0])
        return xs[0].reshape(len(xs[0]), -1).astype(np.float64)

    def _squares(self, x: Array | SparseRows, y: Array, weights: Array | None) -> Rows:
        """Return rows of a linear regression; L2 comes as rows of its own.

        ``s * l2 * w[j]**2`` is the squared error of a row that is ``sqrt(s * l2)`` in place ``j`` and 0
        elsewhere, its target too, ``s`` being the sum of the weights of all others.
        """
        if isinstance(x, SparseRows) or not self.graph.regularizers:
            return Rows(x, y, weights)
        weights = np.ones(len(x)) if weights is None else weights
        if self._shape.has_bias:
            x = ones_first(x)
        names = self._shape.names[0]
        factors = np.zeros(x.shape[1])
        for part, held in (("weight", slice(self._shape.has_bias, None)), ("bias", slice(0, 1))):
            rule = self.graph.regularizers.get(names.get(part, ""))
            factors[held] = getattr(rule, "l2", 0.0) if rule is not None else factors[held]
        wanted = np.flatnonzero(factors)
        more = np.zeros((len(wanted), x.shape[1]))
        more[np.arange(len(wanted)), wanted] = np.sqrt(weights.sum() * factors[wanted])
        return Rows(
            np.concatenate([x, more]),
            np.concatenate([y, np.zeros(len(wanted))]),
            np.concatenate([weights, np.ones(len(wanted))]),
            ones=self._shape.has_bias,
        )


def _classes(y: Array, kind: Kind) -> Array:
    """Return the class of each row."""
    if kind is Kind.SOFTMAX or kind is Kind.MLP:
        if y.ndim == 1:
            return y.astype(np.int64)
        if not np.isin(y, (0, 1)).all():
            message = (
                "Alink trains on one class a row, not on shares of several: give class numbers"
            )
            raise DataError(message)
        return np.asarray(y.argmax(axis=1), np.int64)
    if not np.isin(y, (0, 1)).all():
        message = "Alink's logistic regression trains on targets of 0 and 1, not on shares between"
        raise DataError(message)
    return y.reshape(-1).astype(np.int64)


def _tail(layer: Any, logits: Array) -> Array:
    """Return the outputs behind the logits, which Alink's models do not give by themselves."""
    if layer is None:
        return logits
    if isinstance(layer, L.Sigmoid):
        found = np.exp(-np.logaddexp(0.0, -logits))
    else:
        found = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        if isinstance(layer, L.Softmax) and not isinstance(layer, L.LogSoftmax):
            found = np.exp(found)
    return found
