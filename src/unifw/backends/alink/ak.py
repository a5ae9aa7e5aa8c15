"""Alink's own model files, ``.ak``: written from a net and its weights, and read back as such.

They are what Alink's predictors, pipelines and the services built on them load. They are read and written by
Alink itself, in the JVM of this process: ``pip install 'unifw[alink]'`` and ``unifw env create alink``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backend import Options
from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.gateway import gateway
from unifw.backends.alink.jobs import Place
from unifw.backends.alink.models import starting, trained
from unifw.backends.alink.operators import operator, run, saved, source
from unifw.backends.alink.pipelines import model_in, packed
from unifw.backends.alink.shapes import Kind, gaps, shape_of
from unifw.backends.alink.tables import ModelTable
from unifw.errors import BackendError, FileError, Unsupported
from unifw.registry import backend
from unifw.spec import check, losses
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Sequential
from unifw.spec.losses import loss as loss_of
from unifw.weights import Arrays, check_weights

__all__ = ["AkModel", "load_ak", "save_ak"]

LOCAL = Cluster()
KINDS: Mapping[tuple[Any, Any], Kind] = {
    ("softmax", None): Kind.SOFTMAX,
    ("Logistic Regression", "LR"): Kind.LOGISTIC,
    ("Linear Regression", "LinearReg"): Kind.LINEAR,
}


@dataclass(frozen=True)
class AkModel:
    """What an ``.ak`` file holds.

    Attributes
    ----------
    net : Graph
        The net; it ends in logits.
    weights : dict of str to ndarray
        Its weights, in float64: ``uf.Model(net, weights=weights)``.
    labels : tuple of str
        What Alink calls the classes, in the order of the outputs; of a net with one output first that of a
        positive logit. None for a regression.
    """

    net: Graph
    weights: Arrays
    labels: tuple[str, ...]


def save_ak(
    net: Graph,
    weights: Mapping[str, npt.ArrayLike],
    path: str | os.PathLike[str],
    loss: Any = None,
    *,
    pipeline: bool = False,
) -> None:
    """Write a net as a model that Alink's own predictors load.

    They read the column ``x``, vectors as text or dense vectors, unless told another; classes are 0, 1 …. For
    ``uf.zoo.wide`` the vectors are the rows of the matrix that ``uf.sparse.padded`` was given.

    Parameters
    ----------
    net : Graph
        A net that Alink can hold, without an activation behind its last layer (Alink has its own).
    weights : mapping of str to array
        Its weights: ``model.weights``.
    path : path
        The file; one that is there is replaced by a whole new one.
    loss : str or Loss, optional
        Of a net with one output: ``"binary_cross_entropy"`` for a logistic regression, else it is a linear
        one.
    pipeline : bool
        Whether to write a pipeline of this one stage, for ``PipelineModel.load``, ``LocalPredictor`` and the
        services built on them: it adds the column ``prediction`` and, for classes, ``detail``. Default
        ``False``: the model alone.

    Raises
    ------
    SpecError
        If ``pipeline`` is neither true nor false.
    Unsupported
        If Alink cannot hold the net.
    WeightsError
        If the weights do not fit it.
    FileError
        If there is no such folder.
    NotInstalled, VersionUnsupported, BackendError
        If Alink cannot be used in this process.
    """
    check.flag("pipeline", pipeline)
    options = Options() if loss is None else Options((loss_of(loss),))
    found = gaps(net, replace(options, losses=()))
    if found:
        raise Unsupported("an .ak file", found)
    shape = shape_of(net, options)
    if shape.tail is not None or (shape.kind is Kind.MLP and shape.units == 1):
        why = "Alink's models end in logits, an MLP in two or more; give the net without what follows them"
        raise Unsupported("an .ak file", [why])
    backend("alink").load()
    target = Path(path).absolute()
    if not target.parent.is_dir():
        message = f"cannot write {target}: there is no such folder"
        raise FileError(message)
    held = check_weights(net, weights)
    if shape.sparse:
        # A matrix that Alink reads has its columns alone, without the place of the padding before them.
        shape = replace(shape, layers=(shape.layers[0] - 1, 1))
        held = {**held, shape.names[0]["weight"]: held[shape.names[0]["weight"]][1:]}
    table = starting(shape, held, range(shape.units), ones=False)
    with Place(LOCAL, str(target.parent)).room() as room:
        table.write(room / "model")
        with gateway().using(LOCAL) as java:
            sink = operator(
                java,
                "sink.AkSinkBatchOp",
                filePath=str(room / "ak"),
                overwriteSink=True,
                numFiles=1,
            )
            model = source(java, room / "model", table.schema)
            (packed(java, shape.kind, model) if pipeline else model).link(sink)
            run(java)
        (room / "ak").replace(target)


def load_ak(path: str | os.PathLike[str]) -> AkModel:
    """Read a model of Alink's: a linear, logistic or softmax regression, or a multilayer perceptron.

    It may be the only stage of a pipeline, as ``Pipeline.fit(…).save`` writes them.

    Parameters
    ----------
    path : path
        The file, by whomever it was written.

    Raises
    ------
    FileError
        If it is missing, no ``.ak`` file, or holds a model of another kind or a pipeline of other stages.
    NotInstalled, VersionUnsupported
        If Alink cannot be used in this process.
    """
    file = Path(path).absolute()
    if not file.is_file():
        message = f"there is no file {file}"
        raise FileError(message)
    backend("alink").load()
    with Place(LOCAL, None).room() as room:
        try:
            with gateway().using(LOCAL) as java:
                saved(java, model_in(java, file), room / "model")
                run(java)
        except BackendError as err:
            message = f"{file} is no model that Alink can read: {err}"
            raise FileError(message) from err
        return _read(file, ModelTable.read(room / "model"))


def _read(file: Path, table: ModelTable) -> AkModel:
    meta = table.meta
    if "layers" in meta:
        kind, sizes, bias = Kind.MLP, [int(size) for size in meta["layers"]], True
    else:
        named = (meta.get("modelName", ""), meta.get("linearModelType"))
        found = KINDS.get(named)
        if found is None:
            message = (
                f"{file} holds another model: {named[0] or sorted(meta)}; unifw reads {_readable()}"
            )
            raise FileError(message)
        kind, bias = found, bool(meta["hasInterceptItem"])
        outputs = len(table.labels) if kind is Kind.SOFTMAX else 1
        numbers = len(table.data["coefVector"]["data"])
        sizes = [numbers // max(1, outputs - 1) - bias, outputs]
    hidden = [part for size in sizes[1:-1] for part in (L.Dense(size), L.Sigmoid())]
    net = Sequential([*hidden, L.Dense(sizes[-1], bias=bias)], input_shape=sizes[0], name="alink")
    options = Options((losses.BinaryCrossEntropy(),) if kind is Kind.LOGISTIC else ())
    shape = shape_of(net, options)
    zeros = {name: np.zeros(part.shape) for name, part in net.parts.items()}
    # The classes are named apart, so the outputs stay in the order in which they are.
    natural = replace(table, labels=tuple(map(str, range(len(table.labels)))))
    return AkModel(net, trained(shape, natural, zeros, ones=False), table.labels)


def _readable() -> str:
    return ", ".join(kind.value for kind in Kind)
