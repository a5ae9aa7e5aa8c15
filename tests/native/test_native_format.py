"""The deployment file of the framework that ``--example-backend`` names: every layer, run and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import runtime
from unifw.backend import Options
from unifw.errors import ExportError, FileError, UnifwError, Unsupported
from unifw.export import Format, formats
from unifw.export.card import Card, digest, read_card, write_card
from unifw.export.native import Native
from unifw.isolate.place import open_session
from unifw.registry import backend as backend_of
from unifw.testing.cases import LAYERS
from unifw.testing.files import judge_format

# MindSpore compiles each net for a second or two, once to write and once for each batch size to run: one
# net for each kind of layer is judged there, and those with options that have gone wrong elsewhere.
EVERY = {"paddle": True, "megengine": True, "mindspore": False}
TRICKY = (
    "gru-lengths", "lstm-lengths-stacked", "attention-mask", "conv-transpose2d-options", "power-fraction",
    "maximum-stretched", "layer-norm-axes", "batch-norm-plain", "conv1d-dilated", "conv2d-pairs",
    "conv2d-depthwise", "conv2d-strided-dilated", "conv2d-padded-beyond-reach",
)  # fmt: skip
NATIVE = {made.backend: made for made in formats().values() if isinstance(made, Native)}


@pytest.fixture(scope="module")
def form(request: pytest.FixtureRequest) -> Native:
    return NATIVE[str(request.config.getoption("--example-backend"))]


def _cases(backend: str) -> list[Any]:
    if EVERY[backend]:
        return list(LAYERS)
    first = {type(case.layer): case.name for case in reversed(LAYERS)}
    return [case for case in LAYERS if case.name in {*first.values(), *TRICKY}]


@pytest.fixture(scope="module")
def judged(form: Native, tmp_path_factory: Any) -> dict[str, float | str]:
    nets = {case.name: (case.graph, case.inputs()) for case in _cases(form.backend)}
    assert not [gap for graph, _ in nets.values() for gap in form.gaps(graph)]
    return judge_format(form, nets, tmp_path_factory.mktemp("files"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        cases = _cases(str(metafunc.config.getoption("--example-backend")))
        metafunc.parametrize("name", [case.name for case in cases])


def test_every_layer_is_written_right(
    form: Native, judged: dict[str, float | str], name: str
) -> None:
    off = judged[name]
    assert not isinstance(off, str), off
    assert off <= 1e-5


def _several() -> uf.Graph:
    image, numbers = uf.Input((1, 6, 6), name="image"), uf.Input(3, "int", name="numbers")
    shared = L.Dense(4, name="shared")
    seen = shared(L.GlobalAvgPool()(L.Conv2D(4, 3)(image)))
    looked = L.Dense(4)(L.Flatten()(L.Embedding(5, 2)(numbers)))
    joined = L.Add()(seen, shared(looked))
    return uf.Graph([image, numbers], [joined, L.Tanh(name="bent")(joined), image], name="several")


def test_a_model_of_another_backend_is_exported_and_run(form: Native, tmp_path: Path) -> None:
    net = _several()
    model = uf.Model(net)
    report = model.export(tmp_path / f"several{form.suffixes[0]}", batch_sizes=[2, 5, 1])
    assert report.verified
    assert report.worst <= 1e-5
    assert {Path(file.path) for file in report.files} == set(tmp_path.iterdir())
    loaded = runtime.load(report.path)
    assert [put.name for put in loaded.inputs] == ["image", "numbers"]
    assert [put.name for put in loaded.outputs] == list(net.outputs)
    assert loaded.metadata["backend"] == "numpy"
    draw = np.random.RandomState(0)
    for rows in (7, 2, 7):  # the batch is free, whatever came first
        xs = [
            draw.standard_normal((rows, 1, 6, 6)).astype(np.float32),
            draw.randint(0, 5, (rows, 3)),
        ]
        pairs = zip(loaded.predict(xs), model.predict(xs), strict=True)
        assert all(np.allclose(found, wanted, atol=1e-5) for found, wanted in pairs)


def _forged(form: Format, path: Path) -> None:
    """Make the card say that the file is the right one."""
    card = read_card(path)
    files = {part.name: digest(part) for part in form.parts(path)}
    write_card(path, Card(card.inputs, card.outputs, card.metadata, files))


def test_damaged_files_give_our_errors(form: Native, tmp_path: Path) -> None:
    net = uf.Sequential([L.Dense(3), L.Tanh()], input_shape=4)
    report = uf.Model(net).export(tmp_path / f"net{form.suffixes[0]}", verify=False)
    path = Path(report.path)
    for part in form.parts(path):
        whole = part.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], b"\xff" * len(whole)):
            part.write_bytes(damaged)
            with pytest.raises(FileError, match="is not the file that"):
                runtime.load(path)
            _forged(form, path)
            with pytest.raises(UnifwError) as caught:
                runtime.load(path)
            assert isinstance(caught.value, (ExportError, FileError))
        part.write_bytes(whole)
        _forged(form, path)


def test_backends_without_such_a_file_say_so(tmp_path: Path) -> None:
    net = uf.Sequential([L.Dense(3)], input_shape=4)
    weights = uf.Model(net).weights
    for isolate in (False, True):
        session = open_session(backend_of("numpy"), net, Options(), weights, isolate=isolate)
        with pytest.raises(Unsupported, match="has no deployment file"):
            session.save_native(str(tmp_path / "net"))
        session.close()
