"""Alink's files of pipelines: one stage that predicts with a model, packed into one and taken out of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unifw.backends.alink.gateway import Gateway
from unifw.backends.alink.operators import STAGES, operator, stage
from unifw.backends.alink.shapes import Kind
from unifw.errors import FileError

__all__ = ["model_in", "packed"]

MODELS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.LINEAR: "regression.LinearRegressionModel",
        Kind.LOGISTIC: "classification.LogisticRegressionModel",
        Kind.SOFTMAX: "classification.SoftmaxModel",
        Kind.MLP: "classification.MultilayerPerceptronClassificationModel",
    }
)


def packed(java: Gateway, kind: Kind, model: Any) -> Any:
    """Return, as the table that is its file, a pipeline whose one stage predicts with a model's table."""
    told = {"vectorCol": "x", "predictionCol": "prediction"}
    if kind is not Kind.LINEAR:
        told["predictionDetailCol"] = "detail"
    made = stage(java, MODELS[kind], **told)
    made.setModelData(model)
    pipelines = java.jvm.com.alibaba.alink.pipeline
    return pipelines.PipelineModel(java.array(pipelines.TransformerBase, [made])).save()


def model_in(java: Gateway, file: Path) -> Any:
    """Return the table of the model that a file holds, alone or as the one stage of a pipeline.

    Raises
    ------
    FileError
        If it is a pipeline of other stages.
    """
    table = operator(java, "source.AkSourceBatchOp", filePath=str(file))
    if next(iter(table.getColNames())) != "id":  # which a pipeline's begins with, a model's never
        return table
    held = list(java.jvm.com.alibaba.alink.pipeline.PipelineModel.load(str(file)).getTransformers())
    model = java.jvm.java.lang.Class.forName(f"{STAGES}.ModelBase")
    if len(held) != 1 or not model.isInstance(held[0]):
        names = ", ".join(part.getClass().getSimpleName() for part in held)
        message = (
            f"{file} holds a pipeline of {names or 'nothing'}; unifw reads those of one model alone"
        )
        raise FileError(message)
    return held[0].getModelData()
