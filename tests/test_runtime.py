"""Exported files, opened again: what fits, what is refused, and that damage never gets through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import unifw as uf
from unifw import layers as L
from unifw.cli import main
from unifw.errors import DataError, ExportError, ExportMismatch, FileError, UnifwError, UnknownName
from unifw.export import card as cards
from unifw.export import format as form
from unifw.export.card import Card, Port, parse_card
from unifw.export.landing import land, staged
from unifw.export.onnx import FORMAT


@pytest.fixture(scope="module")
def exported(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    layers = [L.Conv2D(2, 3), L.ReLU(), L.Flatten(), L.Dense(3, name="scores")]
    model = uf.Model(uf.Sequential(layers, input_shape=(1, 5, 5)), loss="cross_entropy")
    model.export(folder / "net.onnx", labels=["a", "b", "c"])
    model.save(folder / "net.unifw")
    return folder


def test_a_loaded_file_is_the_model(exported: Path) -> None:
    loaded, model = uf.runtime.load(exported / "net.onnx"), uf.load(exported / "net.unifw")
    x = np.random.RandomState(0).standard_normal((7, 1, 5, 5))
    np.testing.assert_allclose(loaded.predict(x, batch_size=3), model.predict(x), atol=1e-5)
    assert [(p.name, p.shape, p.dtype) for p in loaded.inputs] == [("input", (1, 5, 5), "float")]
    assert [p.name for p in loaded.outputs] == ["scores"]
    assert loaded.metadata["net"] == "net"
    assert "ONNX Runtime" in repr(loaded)
    with pytest.raises(DataError, match=r"\(7, 5, 5\)"):
        loaded.predict(x[:, 0])
    trusted = uf.runtime.load(exported / "net.onnx", trusted=True)
    assert np.array_equal(trusted.predict(x), loaded.predict(x))


def test_what_is_no_file_of_the_format_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no file"):
        uf.runtime.load(tmp_path / "none.onnx")
    with pytest.raises(UnknownName, match="ending"):
        uf.runtime.load(exported / "net.unifw")
    with pytest.raises(FileError, match="no ONNX file"):
        uf.runtime.load(exported / "net.unifw", "onnx")


def test_files_too_large_are_not_opened(exported: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(form, "LARGEST", 100)
    with pytest.raises(FileError, match="at most 100 are opened"):
        uf.runtime.load(exported / "net.onnx")


def outside(where: str, *, nested: bool) -> onnx.ModelProto:
    """Return a model that takes its weights from another file."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=where)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 3]) for n in "xy")
    if nested:  # in an attribute of a node
        nodes = [helper.make_node("Constant", [], ["w"], value=weight)]
        return helper.make_model(
            helper.make_graph([*nodes, helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y])
        )
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    return helper.make_model(graph)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("where", ["../secret", "/etc/hostname", "beside.bin"])
def test_weights_in_other_files_are_never_followed(
    tmp_path: Path, where: str, *, nested: bool
) -> None:
    (tmp_path / "beside.bin").write_bytes(b"\0" * 12)
    (tmp_path / "net.onnx").write_bytes(outside(where, nested=nested).SerializeToString())
    with pytest.raises(FileError, match="weights in other files, which is refused"):
        uf.runtime.load(tmp_path / "net.onnx")


@settings(deadline=None, max_examples=150, database=None, derandomize=True)
@given(data=st.data())
def test_damage_is_our_error_before_a_runtime_sees_it(exported: Path, data: Any) -> None:
    with staged(exported / "fuzz") as folder:
        path = folder / "net.onnx"
        path.write_bytes(damaged((exported / "net.onnx").read_bytes(), data.draw))
        try:
            FORMAT.inspect(path)
        except UnifwError:
            return


@settings(deadline=None, max_examples=12, database=None, derandomize=True)
@given(data=st.data())
def test_damage_that_looks_whole_is_our_error_too(exported: Path, data: Any) -> None:
    with staged(exported / "fuzz") as folder:
        path = folder / "net.onnx"
        path.write_bytes(damaged((exported / "net.onnx").read_bytes(), data.draw))
        try:
            uf.runtime.load(path).predict(np.ones((1, 1, 5, 5)))
        except UnifwError:
            return


def damaged(content: bytes, draw: Any) -> bytes:
    """Return a file cut short, or with some bytes changed."""
    if draw(st.booleans()):
        return content[: draw(st.integers(0, len(content) - 1))]
    places = draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8))
    changed = bytearray(content)
    for place in places:
        changed[place] = draw(st.integers(0, 255))
    return bytes(changed)


@settings(deadline=None, max_examples=200, database=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_card_is_our_error(data: Any) -> None:
    whole = Card(
        (Port("x", (1, 8)), Port("n", (), "int"), Port("m", (2,), "int", (5, 9))),
        (Port("y", (3,)),), {"a": "b"}, {"f": "0"},
    )  # fmt: skip
    text = whole.to_json().encode()
    assert parse_card(text, "card") == whole
    try:
        parse_card(damaged(text, data.draw), "card")
    except FileError:
        return


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"unifw_card": 2}', "[" * 100_000, '{"unifw_card": 1, "inputs": 3}', "\ud800"],
)
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(FileError, match="card"):
        parse_card(text, "the card")


def test_cards_are_bounded_and_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="without its card"):
        cards.read_card(tmp_path / "net.mnn")
    (tmp_path / "net.mnn.json").write_bytes(b" " * (cards.LARGEST + 1))
    with pytest.raises(FileError, match="too large"):
        cards.read_card(tmp_path / "net.mnn")


@pytest.mark.parametrize("suffix", [".ncnn", ".npz", ".mnn"])
def test_numbers_beyond_a_table_are_refused(suffix: str, tmp_path: Path) -> None:
    numbers = uf.Input((4,), dtype="int", name="numbers")
    small = L.Flatten()(L.Embedding(3, 2)(numbers[:, :1]))
    large = L.Flatten()(L.Embedding(50, 2)(numbers[:, 1:]))
    net = uf.Graph(numbers, L.Dense(2)(L.Concatenate()(small, large)))
    model = uf.Model(net)
    loaded = uf.runtime.load(model.export(tmp_path / f"net{suffix}").path)
    right = np.array([[2, 49, 0, 49]])
    assert np.allclose(loaded.predict(right), model.predict(right), atol=1e-5)
    for wrong in ([[3, 0, 0, 0]], [[0, 0, 50, 0]], [[-1, 0, 0, 0]]):
        with pytest.raises(DataError, match="numbers"):
            loaded.predict(np.array(wrong))


# ------------------------------------------------------------------------ landing


def test_files_land_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    with staged(tmp_path / "a") as folder:
        for name in ("a", "c"):
            (folder / name).write_text("new", encoding="utf-8")
        with pytest.raises(FileError, match="cannot write"):
            land([folder / "a", folder / "missing", folder / "c"], tmp_path)
        assert (tmp_path / "a").read_text(encoding="utf-8") == "old"
        assert not (tmp_path / "c").exists()
        (folder / "a").write_text("new", encoding="utf-8")
        landed = land([folder / "a", folder / "c"], tmp_path)
    assert [path.read_text(encoding="utf-8") for path in landed] == ["new", "new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


# ------------------------------------------------------------------------ the command line


def test_export_run_and_verify_by_command(exported: Path, tmp_path: Path, capsys: Any) -> None:
    raw = np.random.RandomState(0).randint(0, 255, (12, 5, 5, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", raw)
    (tmp_path / "labels.txt").write_text("甲\n乙\n丙\n", encoding="utf-8")
    words = f"export {exported}/net.unifw --to onnx --folder {tmp_path} --name small --layout NHWC"
    words += f" --mean 127 --std 60 --activation softmax --labels {tmp_path}/labels.txt"
    assert main(words.split()) == 0
    assert "verified by ONNX Runtime" in capsys.readouterr().out
    file = str(tmp_path / "small.onnx")
    words = f"run {file} --input {tmp_path}/x.npy --output {tmp_path}/y.npz"
    assert main(words.split()) == 0
    shown = capsys.readouterr().out
    found = uf.runtime.load(file).predict(raw)
    assert "甲乙丙"[int(found[0].argmax())] in shown
    with np.load(tmp_path / "y.npz") as stored:
        np.testing.assert_allclose(stored["scores_probabilities"], found, atol=1e-6)
    assert main(["run", file, "--input", f"input={tmp_path}/x.npy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(told["outputs"]["scores_probabilities"], found, atol=1e-6)
    against = ["verify", file, "--against", f"{exported}/net.unifw"]
    assert main([*against, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runtime"].startswith("ONNX Runtime")
    assert main([*against, "--inputs", f"{tmp_path}/x.npy", "--tolerance", "1e-12"]) == 1
    assert "differs from the model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("export {0}/net.unifw --to onnx,onxn --folder {1}", "No export format named 'onxn'"),
        ("export {0}/none.unifw --to onnx --folder {1}", "there is no file"),
        ("export {0}/net.unifw --to onnx --folder {1} --mean a --std 1", "--mean must be numbers"),
        ("export {0}/net.unifw --to onnx --folder {1} --labels {0}/none", "cannot read"),
        ("run {0}/net.onnx --input {0}/net.onnx", "as a .npy file"),
        ("run {0}/net.onnx --input {0}/wrong.npy", "(2, 3)"),
        ("run {0}/net.onnx --input {0}/wrong.npy --input {0}/wrong.npy", "write --input NAME="),
        ("verify {0}/net.onnx --against {0}/net.onnx", "no unifw file"),
    ],
)
def test_wrong_commands_are_told_and_leave_nothing(
    exported: Path, tmp_path: Path, capsys: Any, words: str, says: str
) -> None:
    np.save(exported / "wrong.npy", np.zeros((2, 3)))
    assert main(words.format(exported, tmp_path).split()) == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_check_export_comes_before_training(monkeypatch: Any) -> None:
    import unifw.export.mnn_rules  # noqa: F401 - takes over what is deleted here, and must have
    from unifw.export.onnx_rules import rules

    model = uf.Model(uf.Sequential([L.Dense(2), L.Tanh()], input_shape=3), loss="cross_entropy")
    model.check_export("onnx")
    monkeypatch.delitem(rules._builders, L.Tanh)
    with pytest.raises(uf.errors.Unsupported, match=r"tanh \(Tanh\): not written yet"):
        model.check_export("onnx")
    with pytest.raises(UnknownName, match="Did you mean 'onnx'"):
        model.check_export("onxn")


def test_inputs_of_the_user_are_what_is_compared(tmp_path: Path) -> None:
    net = uf.Sequential([L.Log(), L.Dense(2)], input_shape=3)
    model = uf.Model(net)
    with pytest.raises(
        ExportMismatch, match="not finite on made-up inputs; pass some of your data"
    ):
        model.export(tmp_path / "net.onnx")
    x = np.random.RandomState(0).uniform(0.1, 1, (8, 3))
    assert model.export(tmp_path / "net.onnx", inputs=x).worst < 1e-5
    with pytest.raises(DataError, match="has 7 rows; the largest of batch_sizes needs 8"):
        model.export(tmp_path / "net.onnx", inputs=x[:7])


def test_a_runtime_that_fails_later_is_told(exported: Path, monkeypatch: Any) -> None:
    loaded = uf.runtime.load(exported / "net.onnx")

    def fails(arrays: Any) -> Any:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(loaded._native, "predict", fails)
    with pytest.raises(ExportError, match=r"cannot run .*no memory left"):
        loaded.predict(np.zeros((1, 1, 5, 5)))
