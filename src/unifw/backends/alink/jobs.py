"""The two jobs: to train a net on rows, and to predict with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.gateway import gateway
from unifw.backends.alink.models import predicting, starting, trained
from unifw.backends.alink.operators import linked, run, saved, source
from unifw.backends.alink.shapes import Kind, Shape
from unifw.backends.alink.sparse import SparseRows
from unifw.backends.alink.tables import ModelTable, read_numbers, read_shares, vector, write_rows
from unifw.errors import BackendError
from unifw.weights import Arrays

__all__ = ["Place", "Rows", "predict", "train"]

Array = npt.NDArray[Any]

TRAINERS = {
    Kind.LINEAR: "regression.LinearRegTrainBatchOp",
    Kind.LOGISTIC: "classification.LogisticRegressionTrainBatchOp",
    Kind.SOFTMAX: "classification.SoftmaxTrainBatchOp",
    Kind.MLP: "classification.MultilayerPerceptronTrainBatchOp",
}
REGRESSION = "regression.LinearRegPredictBatchOp"
PREDICTORS = {
    Kind.LINEAR: REGRESSION,
    Kind.LOGISTIC: REGRESSION,  # its logit is what a regression of the same weights predicts
    Kind.SOFTMAX: "classification.SoftmaxPredictBatchOp",
    Kind.MLP: "classification.MultilayerPerceptronPredictBatchOp",
}


class Place:
    """Where jobs run, and where their files lie.

    Parameters
    ----------
    cluster : Cluster
        What runs them.
    folder : str or None
        A folder that all machines of the cluster see; default the temporary one of this.
    """

    def __init__(self, cluster: Cluster, folder: str | None) -> None:
        self.cluster, self._folder = cluster, folder
        # The order in which an MLP's classes have come out, by how many there are.
        self.orders: dict[int, tuple[int, ...]] = {}

    @contextmanager
    def room(self) -> Iterator[Path]:
        """Give an empty folder for the files of a job; it is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="unifw-alink-", dir=self._folder) as room:
            yield Path(room)


class Rows:
    """Rows to train on.

    Parameters
    ----------
    x : ndarray or SparseRows
        A vector a row.
    y : ndarray
        A number a row: floats for a regression, else classes.
    weights : ndarray or None
        What each row weighs.
    ones : bool
        Whether the vectors begin with a one, to which the bias belongs.
    """

    def __init__(
        self, x: Array | SparseRows, y: Array, weights: Array | None, *, ones: bool = False
    ) -> None:
        self.x, self.y, self.weights, self.ones = x, y, weights, ones

    def write(self, file: Path) -> str:
        """Write them and return their schema."""
        others = [self.y] if self.weights is None else [self.y, self.weights]
        write_rows(file, self.x, *others)
        kind = "DOUBLE" if self.y.dtype.kind == "f" else "BIGINT"
        return f"x {vector(self.x)}, y {kind}" + ("" if self.weights is None else ", w DOUBLE")


def train(
    place: Place,
    shape: Shape,
    rows: Rows,
    weights: Mapping[str, Array],
    parameters: Mapping[str, Any],
) -> Arrays:
    """Train from the given weights and return the new ones.

    Raises
    ------
    BackendError, WorkerDied
        If the job fails, or Alink's numbers are none.
    """
    told: dict[str, Any] = {"vectorCol": "x", "labelCol": "y", **parameters}
    if shape.kind is Kind.MLP:
        told["layers"] = list(shape.layers)
    else:
        # Else it would standardise, start elsewhere, and mean other penalties.
        told |= {"standardization": False, "withIntercept": shape.has_bias and not rows.ones}
    if rows.weights is not None:
        told["weightCol"] = "w"
    with place.room() as room:
        schema = rows.write(room / "rows")

        def once(classes: tuple[int, ...], **changed: Any) -> ModelTable:
            start = starting(shape, weights, classes, ones=rows.ones)
            start.write(room / "start")
            with gateway().using(place.cluster) as java:
                data = source(java, room / "rows", schema)
                begin = source(java, room / "start", start.schema)
                saved(
                    java,
                    linked(java, TRAINERS[shape.kind], told | changed, data, begin),
                    room / "model",
                )
                run(java)
            return ModelTable.read(room / "model")

        model = _ordered(place, shape, once)
    return trained(shape, model, weights, ones=rows.ones)


def _ordered(place: Place, shape: Shape, once: Any) -> ModelTable:
    """Train once the order of the classes is known.

    On several slots Alink's MLP numbers the classes in the order in which they come out of a shuffle, takes
    the weights it starts from for those of that order, and tells it only in the end.
    """
    natural = tuple(range(shape.units))
    if shape.kind is not Kind.MLP:
        model: ModelTable = once(natural)
        expected = {Kind.SOFTMAX: natural, Kind.LOGISTIC: (1, 0), Kind.LINEAR: ()}[shape.kind]
        if _classes(model) != expected:
            message = f"Alink gave the classes {model.labels} instead of {expected}"
            raise BackendError(message)
        return model
    order = place.orders.get(shape.units, natural)
    if place.cluster.parallelism > 1 and shape.units not in place.orders:
        order = _classes(once(natural, maxIter=1))
    for _ in range(3):
        model = once(order)
        found = _classes(model)
        if found == order:
            place.orders[shape.units] = order
            return model
        order = found
    message = f"Alink numbers the classes in another order each time{place.cluster.where}"
    raise BackendError(message)


def _classes(model: ModelTable) -> tuple[int, ...]:
    return tuple(map(int, model.labels))


def predict(
    place: Place, shape: Shape, weights: Mapping[str, Array], x: Array | SparseRows
) -> Array:
    """Return what the last layer with weights gives for all rows, shape ``(n, units)``, in float64.

    Raises
    ------
    BackendError, WorkerDied
        If the job fails, or the logits are beyond what Alink's softmax can tell.
    """
    model = predicting(shape, weights)
    told = {"predictionCol": "p", "reservedCols": ["n"], "vectorCol": "x"}
    if model.labels:
        told["predictionDetailCol"] = "d"
    with place.room() as room:
        write_rows(room / "rows", x, np.arange(len(x)))
        model.write(room / "model")
        with gateway().using(place.cluster) as java:
            data = source(java, room / "rows", f"x {vector(x)}, n BIGINT")
            held = source(java, room / "model", model.schema)
            saved(java, linked(java, PREDICTORS[shape.kind], told, held, data), room / "out")
            run(java)
        if not model.labels:
            return read_numbers(room / "out", len(x))
        shares = read_shares(room / "out", len(x), len(model.labels))
    if not (shares > 0).all():
        message = "logits beyond what Alink's softmax can tell, some 700; backend 'numpy' has no such bound"
        raise BackendError(message)
    logs = np.log(shares)
    return logs[:, :-1] - logs[:, -1:]
