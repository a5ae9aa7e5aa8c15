"""Files of pipelines: Alink's own PipelineModel predicts with those of unifw, and those of Alink are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.backends.alink.ak import load_ak, save_ak
from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.gateway import gateway
from unifw.backends.alink.operators import run, saved, source, stage
from unifw.backends.alink.tables import write_rows
from unifw.errors import FileError, SpecError

LINE = uf.Sequential([L.Dense(1)], input_shape=4)
PLANE = uf.Sequential([L.Dense(3)], input_shape=4)
DEEP = uf.Sequential([L.Dense(5), L.Tanh(), L.Dense(3)], input_shape=4)
X = np.random.RandomState(2).standard_normal((40, 4))
Y = np.digitize(X @ [1, -2, 0.5, 3], [-1, 1])


def transformed(file: Path, room: Path) -> list[list[str]]:
    """Return what Alink's PipelineModel makes of the rows: number, prediction, and detail if there is any."""
    write_rows(room / "rows", X, np.arange(len(X)))
    with gateway().using(Cluster()) as java:
        data = source(java, room / "rows", "x STRING, n BIGINT")
        pipeline = java.jvm.com.alibaba.alink.pipeline.PipelineModel.load(str(file))
        saved(java, pipeline.transform(data), room / "out")
        run(java)
    rows = (line.split("\t")[1:] for line in (room / "out").read_text("utf-8").splitlines())
    return sorted(rows, key=lambda row: int(row[0]))


def fitted(file: Path, room: Path, *stages: tuple[str, dict[str, Any]]) -> None:
    """Let Alink train a pipeline of its own and save it."""
    write_rows(room / "train", X, Y)
    with gateway().using(Cluster()) as java:
        pipelines = java.jvm.com.alibaba.alink.pipeline
        parts = [stage(java, name, **told) for name, told in stages]
        pipeline = pipelines.Pipeline(java.array(pipelines.PipelineStageBase, parts))
        pipeline.fit(source(java, room / "train", "x DENSE_VECTOR, y BIGINT")).save(str(file))
        run(java)


def shares(net: uf.Graph, weights: Any) -> np.ndarray:
    out = uf.Model(net, dtype="float64", weights=weights).predict(X)
    odds = np.exp(
        np.concatenate([np.zeros((len(X), 1)), out], axis=1) if out.shape[1] == 1 else out
    )
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("net", "loss"), [(LINE, None), (LINE, "binary_cross_entropy"), (PLANE, None), (DEEP, None)]
)
def test_alinks_pipeline_model_predicts_with_the_file(
    net: uf.Graph, loss: Any, tmp_path: Path
) -> None:
    weights = uf.Model(net, seed=4).weights
    save_ak(net, weights, tmp_path / "net.ak", loss, pipeline=True)
    told = transformed(tmp_path / "net.ak", tmp_path)
    if net is LINE and loss is None:
        wanted = uf.Model(net, dtype="float64", weights=weights).predict(X)
        found = np.array([[float(row[1])] for row in told])
    else:
        wanted = shares(net, weights)
        names = [str(label) for label in range(wanted.shape[1])]
        details = [json.loads(row[2]) for row in told]
        found = np.array([[float(detail[name]) for name in names] for detail in details])
        assert [int(row[1]) for row in told] == wanted.argmax(axis=1).tolist()
    assert np.abs(found - wanted).max() <= 1e-9
    back = load_ak(tmp_path / "net.ak")
    assert back.labels == {1: ("1", "0") if loss else (), 3: ("0", "1", "2")}[net.out_shapes[0][0]]
    outs = (
        [uf.Model(back.net, dtype="float64", weights=back.weights).predict(X), wanted]
        if loss is None and net is LINE
        else [shares(back.net, back.weights), wanted]
    )
    assert np.abs(outs[0] - outs[1]).max() <= 1e-9


def test_alinks_local_predictor_serves_rows_from_the_file(tmp_path: Path) -> None:
    weights = uf.Model(PLANE, seed=4).weights
    save_ak(PLANE, weights, tmp_path / "net.ak", pipeline=True)
    with gateway().using(Cluster()) as java:
        predictor = java.jvm.com.alibaba.alink.pipeline.LocalPredictor(
            str(tmp_path / "net.ak"), "x STRING"
        )
        row = java.jvm.org.apache.flink.types.Row(1)
        row.setField(0, " ".join(map(repr, X[0].tolist())))
        detail = json.loads(predictor.map(row).getField(2))
        predictor.close()
    wanted = shares(PLANE, weights)[0]
    assert np.abs(np.array([float(detail[name]) for name in "012"]) - wanted).max() <= 1e-9


def test_what_alinks_pipeline_has_trained_is_read(tmp_path: Path) -> None:
    told = {"vectorCol": "x", "labelCol": "y", "predictionCol": "p", "predictionDetailCol": "d"}
    fitted(tmp_path / "theirs.ak", tmp_path, ("classification.Softmax", told))
    found = load_ak(tmp_path / "theirs.ak")
    assert found.labels == ("0", "1", "2")
    wanted = [json.loads(row[2]) for row in transformed(tmp_path / "theirs.ak", tmp_path)]
    wanted = np.array([[float(detail[name]) for name in found.labels] for detail in wanted])
    assert (wanted.argmax(axis=1) == Y).mean() > 0.9
    assert np.abs(shares(found.net, found.weights) - wanted).max() <= 1e-9


def test_a_pipeline_of_other_stages_is_refused_by_their_names(tmp_path: Path) -> None:
    scaler = "dataproc.vector.VectorStandardScaler", {"selectedCol": "x"}
    told = {"vectorCol": "x", "labelCol": "y", "predictionCol": "p"}
    fitted(tmp_path / "two.ak", tmp_path, scaler, ("classification.Softmax", told))
    with pytest.raises(
        FileError,
        match="a pipeline of VectorStandardScalerModel, SoftmaxModel; unifw reads those of one model",
    ):
        load_ak(tmp_path / "two.ak")
    fitted(tmp_path / "scaler.ak", tmp_path, scaler)
    with pytest.raises(FileError, match=r"scaler\.ak"):
        load_ak(tmp_path / "scaler.ak")


def test_a_pipeline_is_asked_for_by_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="pipeline"):
        save_ak(LINE, uf.Model(LINE).weights, tmp_path / "net.ak", pipeline="yes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
