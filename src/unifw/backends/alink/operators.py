"""Alink's operators, built from their parameters, and the jobs that are made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unifw.backends.alink.gateway import Gateway

__all__ = ["linked", "operator", "run", "saved", "source", "stage"]

OPERATORS, STAGES = "com.alibaba.alink.operator.batch", "com.alibaba.alink.pipeline"


def operator(gateway: Gateway, name: str, **parameters: Any) -> Any:
    """Return a batch operator: ``"classification.SoftmaxTrainBatchOp"``."""
    return _made(gateway, f"{OPERATORS}.{name}", parameters)


def stage(gateway: Gateway, name: str, **parameters: Any) -> Any:
    """Return a stage of a pipeline: ``"classification.SoftmaxModel"``."""
    return _made(gateway, f"{STAGES}.{name}", parameters)


def _made(gateway: Gateway, name: str, parameters: Mapping[str, Any]) -> Any:
    """Return an object of a class.

    Parameters are given as JSON, each value encoded for itself: py4j finds no method that stands in an
    interface alone, as all of Alink's setters do.
    """
    encoded = {word: json.dumps(value) for word, value in parameters.items()}
    params = gateway.jvm.org.apache.flink.ml.api.misc.param.Params.fromJson(json.dumps(encoded))
    kind = gateway.jvm
    for part in name.split("."):
        kind = getattr(kind, part)
    return kind(params)


def linked(gateway: Gateway, name: str, parameters: Mapping[str, Any], *inputs: Any) -> Any:
    """Return an operator that reads others."""
    base = gateway.jvm.com.alibaba.alink.operator.batch.BatchOperator
    return operator(gateway, name, **parameters).linkFrom(gateway.array(base, list(inputs)))


def source(gateway: Gateway, file: Path, schema: str) -> Any:
    """Return what reads a file of tab-separated values without quotes."""
    # A null for the quote is taken; left out, it would be a double quote, of which JSON is full.
    return operator(
        gateway, "source.CsvSourceBatchOp",
        filePath=str(file), schemaStr=schema, fieldDelimiter="\t", quoteChar=None,
    )  # fmt: skip


def saved(gateway: Gateway, made: Any, file: Path) -> None:
    """Let what an operator gives be written into one file as ``source`` reads it, when the job runs."""
    sink = operator(
        gateway, "sink.CsvSinkBatchOp",
        filePath=str(file), fieldDelimiter="\t", quoteChar=None, overwriteSink=True, numFiles=1,
    )  # fmt: skip
    made.link(sink)


def run(gateway: Gateway) -> None:
    """Run the job that has been described."""
    gateway.jvm.com.alibaba.alink.operator.batch.BatchOperator.execute()
