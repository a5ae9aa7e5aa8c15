"""MNN files: every layer, whole nets, other sizes of numbers; what is damaged or cannot be held is refused."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.errors import ExportError, FileError, NotInstalled, UnifwError, Unsupported
from unifw.export import mnn
from unifw.export.card import Card, digest, write_card
from unifw.export.mnn import FORMAT
from unifw.export.mnn_rules import rules
from unifw.export.verify import try_file
from unifw.testing.cases import LAYERS
from unifw.testing.files import judge_format
from unifw.testing.zoo import ZOO

if sys.platform != "linux":
    pytest.skip("MNN's wheels are tried on Linux", allow_module_level=True)

Net = tuple[uf.Graph, tuple[Any, ...]]
CHUNK = 40


def judged(nets: dict[str, Net], folder: Path) -> dict[str, float | str]:
    with pytest.MonkeyPatch.context() as patch:
        # Memory that nobody wrote holds no zeros: MNN has read such, and been right by chance.
        patch.setenv("MALLOC_PERTURB_", "77")
        return judge_format(FORMAT, nets, folder)


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: Any) -> Callable[[int], dict[str, float | str]]:
    @cache
    def found(chunk: int) -> dict[str, float | str]:
        cases = LAYERS[chunk * CHUNK : (chunk + 1) * CHUNK]
        nets = {case.name: (case.graph, case.inputs()) for case in cases}
        return judged(nets, tmp_path_factory.mktemp(f"layers-{chunk}"))

    return found


@pytest.mark.parametrize("place", range(len(LAYERS)), ids=[case.name for case in LAYERS])
def test_every_layer_is_written_right(verdicts: Any, place: int) -> None:
    assert FORMAT.gaps(LAYERS[place].graph) == []
    found = verdicts(place // CHUNK)[LAYERS[place].name]
    assert isinstance(found, float), found
    assert found <= 1e-5


@pytest.fixture(scope="session")
def architectures(tmp_path_factory: Any) -> dict[str, float | str]:
    nets = {case.name: (case.graph, tuple(x[:3] for x in case.data().xs)) for case in ZOO}
    return judged(nets, tmp_path_factory.mktemp("zoo"))


@pytest.mark.parametrize("name", [case.name for case in ZOO])
def test_every_architecture_is_written_right(architectures: Any, name: str) -> None:
    assert isinstance(architectures[name], float), architectures[name]
    assert architectures[name] <= 1e-5


def chain(*layers: L.Layer, shape: tuple[int, ...], reads: int | None = None) -> uf.Graph:
    """Return layers one after the other; the outputs are the last and that of number ``reads``."""
    x = uf.Input(shape)
    made = [x]
    for layer in layers:
        made.append(layer(made[-1]))
    return uf.Graph(x, made[-1] if reads is None else [made[-1], made[1 + reads]])


# What MNN 3.6 got wrong where each layer by itself was right.
TOGETHER = {
    "flatten-read-on": chain(L.Flatten(), L.LeakyReLU(), shape=(4, 7, 6), reads=0),
    "dense-read-on": chain(L.Dense(3), L.Tanh(), shape=(5,), reads=0),
    "global-pool-read-on": chain(L.GlobalMaxPool(), L.Softmax(), shape=(3, 5, 5), reads=0),
    "global-pool-of-volumes": chain(
        L.LeakyReLU(), L.GlobalAvgPool(), L.ReLU6(), shape=(2, 4, 5, 3)
    ),
    "rms-norm-and-product": chain(
        L.RMSNorm(2, affine=False), L.Affine(0.5), L.Conv2D(3, 1), L.Mean(), shape=(4, 7, 6)
    ),
    "series": chain(
        L.Conv1D(6, 3, padding="same"), L.BatchNorm(), L.ReLU(), L.MaxPool1D(2), L.UpSample1D(2),
        L.ConvTranspose1D(5, 3, 2), L.Permute((2, 1)), L.GRU(4, True, True), L.LSTM(3, reverse=True),
        shape=(3, 20),
    ),
    "volumes": chain(
        L.Conv3D(6, 2, padding="same"), L.BatchNorm(), L.MaxPool3D(2), L.ConvTranspose3D(4, 2, 2),
        L.AvgPool3D(2), L.Flatten(), L.Dense(3), shape=(2, 4, 6, 6),
    ),
    "stacked-rnn": chain(
        L.SimpleRNN(5, True, True, 2, activation="relu"), L.SimpleRNN(3, True, reverse=True),
        L.GRU(6, False, True, 2), L.Softplus(), shape=(12, 4),
    ),
    "nine-axes": chain(L.Reshape((2, 3, 1, 1, 1, 1, 2, 2)), L.Tanh(), L.Sum(2), shape=(24,)),
}  # fmt: skip


@pytest.fixture(scope="session")
def together(tmp_path_factory: Any) -> dict[str, float | str]:
    draw = np.random.RandomState(0)
    nets = {
        name: (graph, (draw.standard_normal((3, *graph.in_shapes[0])).astype(np.float32),))
        for name, graph in TOGETHER.items()
    }
    return judged(nets, tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("name", TOGETHER)
def test_layers_are_written_right_together(together: Any, name: str) -> None:
    assert isinstance(together[name], float), together[name]
    assert together[name] <= 1e-5


def several() -> uf.Graph:
    image, numbers = uf.Input((1, 6, 6), name="i-mäge"), uf.Input(3, "int", name="num-b_ers")
    shared = L.Dense(4, name="sh-ared_数")
    seen = shared(L.GlobalAvgPool()(L.Conv2D(4, 3)(image)))
    looked = L.Dense(4)(L.Flatten()(L.Embedding(5, 2)(numbers)))
    joined = L.Add()(seen, shared(looked))
    bent = L.Tanh(name="bent")(joined)
    return uf.Graph([image, numbers], [joined, bent, image, L.Dropout(0.5)(joined), numbers])


def test_a_whole_export_with_several_inputs_and_outputs(tmp_path: Path) -> None:
    model = uf.Model(several())
    # Any batch may follow any other.
    report = model.export(tmp_path / "several.mnn", batch_sizes=[8, 1, 3])
    assert report.verified
    assert report.runtime.startswith("MNN 3.6")
    assert report.worst <= 1e-6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["several.mnn", "several.mnn.json"]
    assert [Path(f.path).name for f in report.files] == ["several.mnn", "several.mnn.json"]
    loaded = uf.runtime.load(tmp_path / "several.mnn")
    assert [port.name for port in loaded.inputs] == ["i-mäge", "num-b_ers"]
    assert [port.name for port in loaded.outputs][1:3] == ["bent", "i-mäge/Reshape"]
    assert loaded.metadata["backend"] == "numpy"
    draw = np.random.RandomState(0)
    for rows in (5, 1, 7):
        given = [
            draw.standard_normal((rows, 1, 6, 6)).astype(np.float32),
            draw.randint(0, 5, (rows, 3)),
        ]
        for found, wanted in zip(loaded.predict(given), model.predict(given), strict=True):
            assert found.dtype.kind == wanted.dtype.kind
            assert np.abs(found - wanted).max() <= 1e-6


def test_the_same_model_gives_the_same_bytes(model: uf.Model, tmp_path: Path) -> None:
    first = model.export(tmp_path / "a.mnn", verify=False)
    second = model.export(tmp_path / "b.mnn", verify=False)
    assert first.files[0].sha256 == second.files[0].sha256


def test_nothing_is_printed(model: uf.Model, tmp_path: Path, capfd: Any) -> None:
    model.export(tmp_path / "net.mnn")
    uf.runtime.load(tmp_path / "net.mnn", trusted=True).predict(np.zeros((1, 1, 8, 8)))
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------ smaller numbers


@pytest.fixture(scope="session")
def trained(digits: Any) -> uf.Model:
    x, y = digits
    layers = [
        L.Conv2D(16, 3, padding="same"), L.BatchNorm(), L.ReLU(), L.MaxPool2D(2), L.Flatten(),
        L.Dense(64), L.ReLU(), L.Dense(10),
    ]  # fmt: skip
    net = uf.Sequential(layers, input_shape=(1, 8, 8))
    adam = uf.optimizers.Adam(3e-3)
    model = uf.Model(net, loss="cross_entropy", optimizer=adam, metrics=["accuracy"])
    model.fit(x[:1200], y[:1200], epochs=8, batch_size=64)
    return model


# The largest size beside that of float32: weights are the most of it, but not all.
@pytest.mark.parametrize(
    ("quantize", "share"), [("fp16", 0.56), ("weights-int8", 0.35), ("weights-int4", 0.25)]
)
def test_smaller_weights_lose_a_point_at_most(
    trained: uf.Model, digits: Any, tmp_path: Path, quantize: str, share: float
) -> None:
    x, y = digits[0][1200:], digits[1][1200:]
    report = trained.export(tmp_path / "net.mnn", quantize=quantize, evaluate=(x, y))
    assert report.smaller is not None
    assert report.smaller.accuracy is not None
    before, after = report.smaller.accuracy
    assert before >= 0.9
    assert after >= before - 0.01
    assert report.smaller.size <= share
    assert report.worst > 1e-5  # the weights are others


def test_each_way_to_be_smaller_has_a_tolerance() -> None:
    assert mnn.QUANTIZED.keys() == FORMAT.quantizations.keys()


# ------------------------------------------------------------------------ refusals


def test_too_many_axes_are_refused_before_training(tmp_path: Path) -> None:
    deep = chain(L.Reshape((2, 3, 1, 1, 1, 1, 1, 2, 2)), L.Tanh(), shape=(24,))
    model = uf.Model(deep)
    with pytest.raises(Unsupported, match=r"tanh \(Tanh\): .*MNN 3\.6 knows 9 axes.*has 10"):
        model.check_export("mnn")
    with pytest.raises(Unsupported, match=r"Formats that can: .*onnx"):
        model.export(tmp_path / "deep.mnn")
    wide = uf.Input((1,) * 9)
    assert "input 'input'" in FORMAT.gaps(uf.Graph(wide, L.Flatten()(wide)))[0]
    # If MNN learns to, this fails, and the gap goes.
    verdict = judged({"deep": (deep, (np.zeros((3, 24), np.float32),))}, tmp_path / "judged")
    assert "does not compute" in str(verdict["deep"])


def test_layers_without_a_rule_are_refused(model: uf.Model, monkeypatch: Any) -> None:
    monkeypatch.delitem(rules._builders, L.BatchNorm)
    with pytest.raises(Unsupported, match=r"batch_norm \(BatchNorm\): not written yet"):
        model.check_export("mnn")


@pytest.mark.parametrize("missing", ["onnx", "MNN"])
def test_missing_packages_are_told(
    model: uf.Model, tmp_path: Path, monkeypatch: Any, missing: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda m: None if m == missing else find(m))
    with pytest.raises(NotInstalled, match=rf"'{missing}'.*pip install 'unifw\[mnn\]'"):
        model.export(tmp_path / "net.mnn")


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("print('no such operator')", "wrote no file; it said:\nno such operator"),
        ("import os; os.abort()", "MNN's converter does not run"),
    ],
)
def test_a_converter_that_fails_or_dies_is_told(
    model: uf.Model, tmp_path: Path, monkeypatch: Any, program: str, says: str
) -> None:
    fake = tmp_path / "converter.py"
    fake.write_text(program, encoding="utf-8")
    monkeypatch.setattr(mnn, "CONVERTER", fake)
    with pytest.raises(ExportError, match=says):
        model.export(tmp_path / "net.mnn")
    assert [p.name for p in tmp_path.iterdir()] == ["converter.py"]


def test_damaged_files_are_refused(model: uf.Model, tmp_path: Path) -> None:
    path = tmp_path / "net.mnn"
    model.export(path, verify=False)
    whole, card = path.read_bytes(), FORMAT.inspect(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(FileError, match="is not the file"):
        uf.runtime.load(path)
    (tmp_path / "net.mnn.json").unlink()
    with pytest.raises(FileError, match="without its card"):
        uf.runtime.load(path)
    path.unlink()
    with pytest.raises(FileError, match="there is no file"):
        uf.runtime.load(path)
    for content in (b"", b"MNN", whole[: len(whole) // 2], b"\xff" * len(whole)):
        _put(path, content, card)
        with pytest.raises(UnifwError):
            uf.runtime.load(path)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_that_brings_mnn_down_does_no_harm_here(
    model: uf.Model, tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "net.mnn"
    model.export(path, verify=False)
    draw, card, content = (
        np.random.RandomState(seed),
        FORMAT.inspect(path),
        bytearray(path.read_bytes()),
    )
    for place in draw.randint(0, len(content), 20):
        content[place] = draw.randint(0, 256)
    _put(path, bytes(content), card)
    with contextlib.suppress(
        ExportError
    ):  # anything else fails, a crash of this process most of all
        try_file(FORMAT, path)


def _put(path: Path, content: bytes, card: Card) -> None:
    """Write a file and a card that says it is right."""
    path.write_bytes(content)
    write_card(path, Card(card.inputs, card.outputs, card.metadata, {path.name: digest(path)}))
