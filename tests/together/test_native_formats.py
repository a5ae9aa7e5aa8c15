"""A net trained on one framework becomes the deployment file of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import demo
from unifw.errors import ExportError
from unifw.export import formats
from unifw.process import run_python

GRAPH_INFERENCE = """
import sys, numpy as np
from megengine.utils.comp_graph_tools import GraphInference
found = GraphInference(sys.argv[1])
x = np.load(sys.argv[2])
for rows in (3, 1, 5):
    y = found.run(inp_dict={"input": x[:rows]})["output_0"]
    assert np.allclose(y, np.load(sys.argv[3])[:rows], atol=1e-5), rows
"""


def trained(backend: str) -> tuple[uf.Model, Any]:
    x, y = (array[:100] for array in demo.digits())
    model = uf.Model(demo.NETS["mlp"], backend, loss="cross_entropy", isolate=True)
    model.fit(x, y, epochs=1)
    return model, x


@pytest.mark.parametrize(
    ("source", "target"),
    [("mindspore", "paddle"), ("paddle", "mindir"), ("paddle", "megengine")],
)
def test_from_one_to_another(source: str, target: str, tmp_path: Path) -> None:
    model, _ = trained(source)
    form = formats()[target]
    report = model.export(tmp_path / f"digits{form.suffixes[0]}", batch_sizes=[1, 3])
    assert report.verified
    assert report.worst <= 1e-5
    assert report.metadata["backend"] == source


def test_graph_inference_agrees_with_lite(tmp_path: Path) -> None:
    model, x = trained("numpy")
    report = model.export(tmp_path / "digits.mge")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", model.predict(x))
    run_python(
        ["-c", GRAPH_INFERENCE, report.path, str(tmp_path / "x.npy"), str(tmp_path / "y.npy")],
        what="GraphInference", fails=ExportError,
    )  # fmt: skip
