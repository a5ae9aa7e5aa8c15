"""Files for NumPy alone: every layer, whole nets, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unifw as uf
from unifw import layers as L
from unifw.errors import ExportError, FileError
from unifw.export.format import LARGEST
from unifw.export.numpy_file import FORMAT
from unifw.export.runners.run_numpy import Runtime
from unifw.testing.cases import LAYERS
from unifw.testing.files import judge_format
from unifw.testing.zoo import ZOO


@pytest.fixture(scope="module")
def found(tmp_path_factory: Any) -> Any:
    nets = {case.name: (case.graph, case.inputs()) for case in LAYERS}
    return judge_format(FORMAT, nets, tmp_path_factory.mktemp("layers"))


@pytest.mark.parametrize("name", [case.name for case in LAYERS])
def test_every_layer_is_written_right(found: Any, name: str) -> None:
    assert not isinstance(found[name], str), found[name]
    assert found[name] <= 1e-5


@pytest.fixture(scope="module")
def architectures(tmp_path_factory: Any) -> Any:
    nets = {case.name: (case.graph, tuple(x[:3] for x in case.data().xs)) for case in ZOO}
    return judge_format(FORMAT, nets, tmp_path_factory.mktemp("zoo"))


@pytest.mark.parametrize("name", [case.name for case in ZOO])
def test_every_architecture_is_written_right(architectures: Any, name: str) -> None:
    assert not isinstance(architectures[name], str), architectures[name]
    assert architectures[name] <= 1e-5


def several() -> uf.Graph:
    image, numbers = uf.Input((1, 6, 6), name="image"), uf.Input(3, "int", name="numbers")
    shared = L.Dense(4, name="shared")
    seen = shared(L.GlobalAvgPool()(L.Conv2D(4, 3)(image)))
    looked = L.Dense(4)(L.Flatten()(L.Embedding(5, 2)(numbers)))
    joined = L.Add()(seen, shared(looked))
    return uf.Graph([image, numbers], [joined, L.Tanh(name="bent")(joined), image, numbers])


def test_several_inputs_outputs_and_shared_weights(tmp_path: Path) -> None:
    net = several()
    model = uf.Model(net)
    report = model.export(tmp_path / "several.npz", batch_sizes=[1, 5])
    assert report.verified
    assert report.format == "numpy"
    assert 0 <= report.worst <= 1e-6
    assert report.runtime == f"NumPy {np.__version__}"
    assert [Path(file.path).name for file in report.files] == ["several.npz"]
    loaded = uf.runtime.load(tmp_path / "several.npz")
    assert [port.name for port in loaded.inputs] == ["image", "numbers"]
    assert [port.name for port in loaded.outputs] == list(net.outputs)
    assert loaded.metadata["backend"] == "numpy"
    image = np.random.RandomState(0).standard_normal((7, 1, 6, 6)).astype(np.float32)
    numbers = np.arange(21).reshape(7, 3) % 5
    outs = loaded.predict([image, numbers], batch_size=3)
    for out, wanted in zip(outs, model.predict([image, numbers]), strict=True):
        np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-6)
    assert outs[3].dtype == np.int64
    with np.load(tmp_path / "several.npz", allow_pickle=False) as stored:
        told = json.loads(stored["model"].tobytes())
    assert told["arrays"].count("shared.weight") == 1


def test_the_reader_needs_no_unifw(model: uf.Model, tmp_path: Path) -> None:
    model.export(tmp_path / "net.npz", verify=False)
    x = np.random.RandomState(0).standard_normal((5, 1, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    copy = tmp_path / "run.py"
    copy.write_text(Path(FORMAT.runner).read_text(encoding="utf-8"), encoding="utf-8")
    code = (
        "import sys; sys.modules['unifw'] = None; sys.argv[:] = sys.argv[1:]; import runpy; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    files = [tmp_path / name for name in ("net.npz", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", code, copy, *files], check=True, timeout=60)
    y = np.load(tmp_path / "y.npy")
    np.testing.assert_allclose(y, model.predict(x), rtol=0, atol=1e-5)


def test_the_reader_tells_of_inputs_that_do_not_fit(tmp_path: Path) -> None:
    numbers = uf.Input(3, "int", name="input")
    net = uf.Graph(numbers, L.Flatten()(L.Embedding(5, 2)(numbers)))
    runtime = Runtime(uf.Model(net).export(tmp_path / "net.npz", verify=False).path)
    assert runtime.predict({"input": [[0, 4, 1]]})[0].shape == (1, 6)
    for wrong in ([[0, 4]], [0, 4, 1], [[0, -1, 1]]):
        with pytest.raises(ValueError, match=r"'input' must have shape \('n', 3\), and no index"):
            runtime.predict({"input": wrong})


def test_the_same_model_gives_the_same_bytes(model: uf.Model, tmp_path: Path) -> None:
    first = model.export(tmp_path / "a.npz", verify=False)
    assert first.sha256 == model.export(tmp_path / "b.npz", verify=False).sha256


def test_another_ending_is_kept(model: uf.Model, tmp_path: Path) -> None:
    report = model.export(tmp_path / "net.bin", format="numpy")
    assert [path.name for path in tmp_path.iterdir()] == ["net.bin"]
    assert uf.runtime.load(report.path, format="numpy", trusted=True).format == "numpy"


# ------------------------------------------------------------------------ what is refused


@pytest.fixture(scope="module")
def whole(tmp_path_factory: Any) -> Path:
    net = uf.Sequential([L.Dense(3), L.ReLU()], input_shape=(2,))
    path = tmp_path_factory.mktemp("whole") / "net.npz"
    uf.Model(net).export(path, verify=False)
    return path


def rewritten(whole: Path, path: Path, change: Any) -> Path:
    """Write a file again with another program, or other arrays."""
    with np.load(whole, allow_pickle=False) as stored:
        arrays = dict(stored)
    told = json.loads(arrays.pop("model").tobytes())
    change(told, arrays)
    text = np.frombuffer(json.dumps(told).encode(), np.uint8)
    np.savez(path, model=text, **arrays)
    return path


def put(told: Any, place: int, value: Any) -> None:
    told["program"][0][place] = value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda told, arrays: put(told, 0, "system"), "not known: 'system'"),
        (lambda told, arrays: put(told, 1, [0, 99]), "refers to value 99"),
        (lambda told, arrays: put(told, 1, [0, -1]), "refers to value -1"),
        (lambda told, arrays: put(told, 1, [0, True]), "refers to value True"),
        (lambda told, arrays: put(told, 1, [0, "1"]), "refers to value '1'"),
        (lambda told, arrays: put(told, 1, 5), "truncated or no file"),
        (lambda told, arrays: put(told, 2, 5), "not known"),
        (lambda told, arrays: told["outputs"].append(0), "tells of 1 outputs and has 2"),
        (lambda told, arrays: told.update(outputs=[99]), "refers to value 99"),
        (lambda told, arrays: told.update(unifw_numpy=2), "of version 2"),
        (lambda told, arrays: told.pop("card"), "KeyError 'card'"),
        (lambda told, arrays: told["card"].pop("inputs"), "no card"),
        (lambda told, arrays: told["arrays"].append("more"), "other entries"),
        (lambda told, arrays: arrays.update(more=np.zeros(1)), "other entries"),
        (lambda told, arrays: arrays.update(array_0=np.zeros(1)), "is float64, not float32"),
        (lambda told, arrays: arrays.update(array_0=np.array([{}])), "Object arrays"),
    ],
)
def test_programs_that_unifw_would_not_write_are_refused(
    whole: Path, tmp_path: Path, change: Any, says: str
) -> None:
    path = rewritten(whole, tmp_path / "net.npz", change)
    with pytest.raises(FileError, match=says):
        uf.runtime.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["../array_0.npy", "/array_0.npy", "array_0.npy", "array_0.txt"])
def test_entries_of_other_names_are_refused(whole: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(whole.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"more")
    with pytest.raises(FileError, match="other entries"):
        uf.runtime.load(path)


def test_files_that_unpack_to_too_much_are_refused(
    whole: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.npy", bytes(1 << 20))
    assert path.stat().st_size < 1 << 12
    monkeypatch.setattr("unifw.export.numpy_file.LARGEST", 1 << 16)
    with pytest.raises(FileError, match="unpacks to 1,048,576 bytes"):
        uf.runtime.load(path)
    assert LARGEST > 1 << 16


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no file"):
        uf.runtime.load(tmp_path / "net.npz")
    (tmp_path / "net.npz").write_bytes(b"")
    with pytest.raises(FileError, match="truncated"):
        uf.runtime.load(tmp_path / "net.npz")


def test_arguments_that_do_not_fit_are_found_before_this_process_runs_them(
    whole: Path, tmp_path: Path
) -> None:
    path = rewritten(whole, tmp_path / "net.npz", lambda told, arrays: put(told, 2, [1, 2, 3]))
    with pytest.raises(ExportError, match="TypeError"):
        uf.runtime.load(path)


@settings(deadline=None, max_examples=200, database=None, derandomize=True)
@given(place=st.floats(0, 1, exclude_max=True), value=st.binary(max_size=8))
def test_damaged_files_give_only_our_errors(
    whole: Path, tmp_path_factory: Any, place: float, value: bytes
) -> None:
    content = bytearray(whole.read_bytes())
    at = int(place * len(content))
    content[at : at + len(value) if value else len(content)] = value  # nothing: cut off
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    try:
        FORMAT.inspect(path)
    except FileError:
        return
    runtime = Runtime(str(path))  # the rest is whole for all that matters
    runtime.predict({name: np.zeros((1, *shape)) for name, shape, _ in runtime.inputs})
