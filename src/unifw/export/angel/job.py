"""``Job``: what Angel must know besides the net and how it is trained; and the command that starts it."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unifw.errors import SpecError
from unifw.export.angel import keys
from unifw.spec import check

__all__ = ["Job", "submit"]

RUNNER = "com.tencent.angel.ml.core.graphsubmit.GraphRunner"
MODEL = "com.tencent.angel.ml.core.graphsubmit.GraphModel"


@dataclass(frozen=True)
class Job:
    """A training in Angel.

    Parameters
    ----------
    data : str, optional
        Where the data lie as Angel sees it: ``"hdfs://…"``; default what ``angel-submit`` is told.
    format : {"dense", "libsvm", "dummy"}
        What they are written in, see ``write_data``; default ``"dense"``.
    model : str, optional
        Where the weights go, and where prediction finds them.
    epochs : int, optional
        Default Angel's.
    rows, batch_size : int, optional
        Rows of the data that are trained on, and of a batch. Angel derives the batch from the number of updates
        per epoch, so they go together. Default Angel's ten updates per epoch.
    action : {"train", "predict"}
        Angel's dropout reads it from the file, so that each needs a file of its own; default ``"train"``.
    model_type : str
        Type of the weights of the first layer; default ``"T_FLOAT_DENSE"``.
    validation : float
        Share of the rows that Angel judges the loss on; default 0.
    shuffle : bool
        Whether Angel shuffles the rows, once; default ``True``.

    Raises
    ------
    SpecError
        If an option is wrong.
    """

    data: str | None = None
    format: str = "dense"
    model: str | None = None
    epochs: int | None = None
    rows: int | None = None
    batch_size: int | None = None
    action: str = "train"
    model_type: str = "T_FLOAT_DENSE"
    validation: float = 0.0
    shuffle: bool = True

    def __post_init__(self) -> None:
        for name in ("data", "model"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                message = f"{name} must be a path as Angel sees it, got {value!r}"
                raise SpecError(message)
        for name in ("epochs", "rows", "batch_size"):
            if getattr(self, name) is not None:
                check.count(name, getattr(self, name))
        check.choice("format", self.format, keys.DATA_FORMATS)
        check.choice("action", self.action, keys.ACTIONS)
        check.choice("model_type", self.model_type, keys.MODEL_TYPES)
        check.number("validation", self.validation, least=0, below=1)
        check.flag("shuffle", self.shuffle)
        if (self.rows is None) != (self.batch_size is None):
            message = "Angel makes batches out of rows and updates per epoch: give both rows and batch_size"
            raise SpecError(message)

    def sections(self, width: int, rates: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return ``data``, ``model`` and ``train`` of the file, for rows of ``width`` numbers."""
        data: dict[str, Any] = {"path": self.data, "format": self.format, "indexrange": width}
        data |= {"validateratio": float(self.validation), "useshuffle": self.shuffle}
        path = "savepath" if self.action == "train" else "loadpath"
        model: dict[str, Any] = {path: self.model, "modeltype": self.model_type, "modelsize": width}
        train: dict[str, Any] = {"epoch": self.epochs, "batchsize": self.batch_size, **rates}
        if self.rows is not None and self.batch_size is not None:
            train["numupdateperepoch"] = math.ceil(self.rows / self.batch_size)
        return {
            name: {key: value for key, value in given.items() if value is not None}
            for name, given in (("data", data), ("model", model), ("train", train))
        }


def submit(  # noqa: PLR0913 - a file, and what the command says besides
    path: str | os.PathLike[str],
    conf: Mapping[str, Any],
    *,
    data: str | None = None,
    model: str | None = None,
    predictions: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Return the command that starts a job on a machine that has Angel. It was not run here.

    Parameters
    ----------
    path : path
        Where the exported file lies for the command.
    conf : dict
        Its contents, as ``json.load`` reads them.
    data, model : str, optional
        Where the data and the weights lie as Angel sees it; default what the file says.
    predictions : str, optional
        Where predictions go; given, the job predicts.
    options : mapping, optional
        More of Angel's options, for example ``{"angel.workergroup.number": 4}``.

    Raises
    ------
    SpecError
        If nothing says where the data or the weights lie.
    """
    predicts = predictions is not None
    data = data or conf.get("data", {}).get("path")
    model = model or conf.get("model", {}).get("loadpath" if predicts else "savepath")
    if not data or not model:
        message = "say where the data and the weights lie as Angel sees it: data=…, model=…"
        raise SpecError(message)
    where = ("predict", "load") if predicts else ("train", "save")
    _check_dropout(conf, where[0])
    given: dict[str, Any] = {
        "angel.app.submit.class": RUNNER,
        "ml.model.class.name": MODEL,
        "angel.ml.conf": os.fspath(path),
        "action.type": where[0],
        f"angel.{where[0]}.data.path": data,
        f"angel.{where[1]}.model.path": model,
    }
    if predicts:
        given["angel.predict.out.path"] = predictions
    loss, last = conf["layers"][-1]["lossfunc"], conf["layers"][-2]
    if loss == "softmaxloss":  # validation looks at two classes otherwise
        given["ml.num.class"] = last.get("outputdim") or last["outputdims"][-1]
    elif loss not in ("logloss", "hingeloss"):
        given["ml.model.is.classification"] = "false"
    if conf["train"]["decayclass"] == "StandardDecay":
        given["ml.opt.decay.on.batch"] = "true"  # unifw counts steps, not epochs
    given |= options or {}
    return shlex.join(["angel-submit", *(w for k, v in given.items() for w in (f"--{k}", str(v)))])


def _check_dropout(conf: Mapping[str, Any], action: str) -> None:
    for layer in conf["layers"]:
        for function in (layer.get("transfunc"), *layer.get("transfuncs", ())):
            told = function.get("actiontype", action) if isinstance(function, dict) else action
            if told != action:
                message = (
                    f"the file is for {told!r}, this is to {action}: Angel trains without dropout or drops in "
                    f"prediction then; export another with job=Job(action={action!r})"
                )
                raise SpecError(message)
