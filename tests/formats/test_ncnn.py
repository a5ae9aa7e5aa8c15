"""Files for ncnn: every layer, whole nets, generated layers, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ncnn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unifw as uf
from unifw import layers as L
from unifw.errors import ExportError, FileError, UnifwError, Unsupported
from unifw.export.card import Card, digest, read_card, write_card
from unifw.export.ncnn_file import FORMAT
from unifw.testing.cases import LAYERS
from unifw.testing.files import judge_format
from unifw.testing.generated import cases
from unifw.testing.zoo import ZOO


def rows(*shape: int) -> tuple[np.ndarray]:
    return (np.random.RandomState(0).standard_normal((3, *shape)).astype(np.float32),)


def chain(*layers: Any, shape: tuple[int, ...]) -> tuple[uf.Graph, tuple[np.ndarray]]:
    return uf.Sequential(layers, input_shape=shape), rows(*shape)


# Wide enough for the kernels that ncnn has for many channels, and shapes beyond its four axes.
NETS = {
    "wide": chain(
        L.Conv2D(64, 3, padding="same"), L.ReLU(), L.Conv2D(64, 3), L.Conv2D(32, 3, stride=2),
        L.Conv2D(32, 1), L.Conv2D(32, 3, padding=1, groups=32), L.ConvTranspose2D(16, 4, 2),
        shape=(32, 20, 20),
    ),
    "series": chain(
        L.Conv1D(32, 3), L.BatchNorm(), L.Conv1D(40, 5, groups=8), L.MaxPool1D(),
        L.ConvTranspose1D(16, 3, 2), L.GlobalAvgPool(),
        shape=(16, 50),
    ),
    "volume": chain(
        L.Conv3D(16, 3), L.GroupNorm(4), L.SiLU(), L.MaxPool3D(), L.Conv3D(16, 2, groups=16),
        shape=(8, 9, 10, 11),
    ),
    "recurrent": chain(
        L.LSTM(64, return_sequences=True, bidirectional=True), L.GRU(48), L.Dense(7), shape=(20, 32)
    ),
    "five-axes": chain(
        L.Reshape((2, 3, 4, 5, 2)), L.Permute((5, 3, 1, 4, 2)), L.Softmax(axis=3), L.Flatten(),
        shape=(240,),
    ),
    "six-axes": chain(
        L.Reshape((2, 3, 2, 5, 2, 2)), L.Permute((6, 3, 1, 5, 2, 4)), L.Sum((2, 4)), L.Abs(),
        shape=(240,),
    ),
}  # fmt: skip


def stretched() -> tuple[uf.Graph, tuple[np.ndarray]]:
    """Two inputs that are stretched along every other of six axes."""
    x, y = uf.Input((12,)), uf.Input((8,))
    joined = L.Add()(L.Reshape((2, 1, 3, 1, 2, 1))(x), L.Reshape((1, 2, 1, 2, 1, 2))(y))
    return uf.Graph([x, y], L.Flatten()(joined)), (*rows(12), *rows(8))


def generated() -> dict[str, Any]:
    """Layers with arguments that nobody thought of, drawn once for all."""
    drawn: dict[str, Any] = {}

    @settings(deadline=None, max_examples=150, database=None, derandomize=True)
    @given(cases())
    def collect(case: Any) -> None:
        drawn.setdefault(case.name, case)

    collect()
    return {f"{place}": (case.graph, case.inputs()) for place, case in enumerate(drawn.values())}


@pytest.fixture(scope="module")
def found(tmp_path_factory: Any) -> Any:
    nets = {case.name: (case.graph, case.inputs()) for case in LAYERS}
    nets |= {f"zoo-{c.name}": (c.graph, tuple(x[:3] for x in c.data().xs)) for c in ZOO}
    nets |= NETS | {"stretched": stretched()}
    return judge_format(FORMAT, nets, tmp_path_factory.mktemp("nets"))


@pytest.mark.parametrize(
    "name",
    [*(case.name for case in LAYERS), *(f"zoo-{case.name}" for case in ZOO), *NETS, "stretched"],
)
def test_every_layer_and_architecture_is_written_right(found: Any, name: str) -> None:
    assert not isinstance(found[name], str), found[name]
    assert found[name] <= 1e-5


def test_generated_layers_are_written_right(tmp_path: Path) -> None:
    told = judge_format(FORMAT, generated(), tmp_path)
    assert len(told) > 100
    assert {name: off for name, off in told.items() if isinstance(off, str) or off > 1e-5} == {}


def several() -> uf.Graph:
    image, numbers = uf.Input((1, 6, 6), name="image"), uf.Input(3, "int", name="numbers")
    shared = L.Dense(4, name="s" + "共享" * 100)
    seen = shared(L.GlobalAvgPool()(L.Conv2D(4, 3)(image)))
    looked = L.Dense(4)(L.Flatten()(L.Embedding(5, 2)(numbers)))
    joined = L.Add()(seen, shared(looked))
    bent = L.Tanh(name="bent")(joined)
    return uf.Graph([image, numbers], [joined, bent, image, numbers, L.Mean()(bent)])


def test_several_inputs_outputs_and_files(tmp_path: Path) -> None:
    net = several()
    model = uf.Model(net)
    report = model.export(tmp_path / "several.ncnn", batch_sizes=[1, 5])
    assert report.verified
    assert 0 <= report.worst <= 1e-6
    assert report.runtime == f"ncnn {ncnn.__version__}"
    names = ["several.ncnn.param", "several.ncnn.bin", "several.ncnn.param.json"]
    assert [Path(file.path).name for file in report.files] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    image = np.random.RandomState(0).standard_normal((7, 1, 6, 6)).astype(np.float32)
    numbers = np.arange(21).reshape(7, 3) % 5
    for name in ("several.ncnn", "several.ncnn.param"):
        loaded = uf.runtime.load(tmp_path / name)
        assert [port.name for port in loaded.inputs] == ["image", "numbers"]
        assert [port.name for port in loaded.outputs] == list(net.outputs)
        assert loaded.metadata["backend"] == "numpy"
        outs = loaded.predict([image, numbers], batch_size=3)
        for out, wanted in zip(outs, model.predict([image, numbers]), strict=True):
            np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-6)
        assert outs[3].dtype == np.int64


def test_the_same_model_gives_the_same_bytes(model: uf.Model, tmp_path: Path) -> None:
    first = model.export(tmp_path / "a.ncnn", verify=False)
    second = model.export(tmp_path / "b.ncnn", verify=False)
    assert [f.sha256 for f in first.files[:2]] == [f.sha256 for f in second.files[:2]]


def test_ends_of_five_axes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    net = uf.Sequential([L.Reshape((1, 2, 1, 2, 3))], input_shape=(12,))
    with pytest.raises(Unsupported, match=r"output 'reshape'.*5 axes.*at most 4"):
        uf.Model(net).export(tmp_path / "net.ncnn")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------ what is refused


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    net = uf.Sequential([L.Dense(3), L.ReLU()], input_shape=(2,))
    return Path(uf.Model(net).export(tmp_path / "net.ncnn", verify=False).path)


def signed(path: Path) -> None:
    """Make the card vouch for the files as they are, as someone who means harm would."""
    card = read_card(path)
    files = {part.name: digest(part) for part in FORMAT.parts(path)}
    write_card(path, Card(card.inputs, card.outputs, card.metadata, files))


@pytest.mark.parametrize("name", ["net.ncnn.param", "net.ncnn.bin", "net.ncnn.param.json"])
def test_files_that_are_missing_or_changed_are_refused(whole: Path, name: str) -> None:
    part = whole.with_name(name)
    content = part.read_bytes()
    part.write_bytes(content[:-3])
    with pytest.raises(FileError, match=r"not the file|damaged"):
        uf.runtime.load(whole)
    part.unlink()
    with pytest.raises(FileError, match=r"there is no file|without its card"):
        uf.runtime.load(whole)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("7767517", "7767516", FileError),
        ("InnerProduct", "OuterProduct", ExportError),
        ("2=6", "2=6000000", ExportError),
        ("out0", "out1", ExportError),
        ("\nInput", "\nnet/Input", ExportError),
    ],
)
def test_what_ncnn_cannot_read_is_found_before_this_process_opens_it(
    whole: Path, old: str, new: str, error: type[UnifwError]
) -> None:
    text = whole.read_text(encoding="utf-8")
    assert old in text
    whole.write_text(text.replace(old, new), encoding="utf-8")
    signed(whole)
    with pytest.raises(error):
        uf.runtime.load(whole)


@settings(deadline=None, max_examples=100, database=None, derandomize=True)
@given(
    name=st.sampled_from(["net.ncnn.param", "net.ncnn.bin", "net.ncnn.param.json"]),
    place=st.floats(0, 1, exclude_max=True),
    value=st.binary(max_size=8),
)
def test_damaged_files_give_only_our_errors(
    damageable: tuple[Path, dict[str, bytes]], name: str, place: float, value: bytes
) -> None:
    path, contents = damageable
    for part, content in contents.items():
        path.with_name(part).write_bytes(content)
    content = bytearray(contents[name])
    at = int(place * len(content))
    content[at : at + len(value) if value else len(content)] = value  # nothing: cut off
    path.with_name(name).write_bytes(content)
    try:
        card = FORMAT.inspect(path)
    except FileError:
        return
    # Only the card is not vouched for; what it is about is.
    assert name == "net.ncnn.param.json" or content == contents[name]
    assert card.files == {part.name: digest(part) for part in FORMAT.parts(path)}


@pytest.fixture(scope="module")
def damageable(tmp_path_factory: Any) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("damaged")
    net = uf.Sequential([L.Dense(3), L.ReLU()], input_shape=(2,))
    path = Path(uf.Model(net).export(folder / "net.ncnn", verify=False).path)
    return path, {part.name: part.read_bytes() for part in folder.iterdir()}
