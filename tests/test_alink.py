"""Of Alink what needs neither Java nor its jars: what it refuses and why, its tables, and how it is got."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import cli, optimizers, registry
from unifw import layers as L
from unifw.backend import Options
from unifw.backends.alink import AlinkBackend, cluster, jars, java
from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.models import predicting, starting, trained
from unifw.backends.alink.shapes import Kind, gaps, shape_of
from unifw.backends.alink.sparse import SparseRows, is_wide
from unifw.backends.alink.tables import SLICE, ModelTable, read_shares, write_rows
from unifw.errors import (
    BackendError,
    EnvironmentFailed,
    FileError,
    NotInstalled,
    SpecError,
    UnknownName,
    VersionUnsupported,
)
from unifw.losses import MAE, MSE, NLL, BinaryCrossEntropy, CrossEntropy
from unifw.weights import initial

LBFGS = optimizers.LBFGS()


def chain(*layers: L.Layer, inputs: Any = 4) -> uf.Graph:
    return uf.Sequential(list(layers), input_shape=inputs)


def wide(**options: Any) -> uf.Graph:
    """Return ``uf.zoo.wide(9, 3)``, of whose table more is said."""
    nodes = json.loads(uf.zoo.wide(9, 3).to_json())
    told = L.Embedding(9, 1, weight_init="zeros", name="wide", **options)
    nodes["nodes"][0]["layer"] = told.to_data()
    return uf.Graph.from_json(json.dumps(nodes))


HIDDEN = "Alink's MLP has sigmoid hidden layers only (and Tanh, which is folded into them)"


# ------------------------------------------------------------------------ which nets, and why not


@pytest.mark.parametrize(
    ("net", "loss", "kind"),
    [
        (chain(L.Dense(1)), MSE(), Kind.LINEAR),
        (chain(L.Dense(1, bias=False)), BinaryCrossEntropy(), Kind.LOGISTIC),
        (chain(L.Dense(3)), CrossEntropy(), Kind.SOFTMAX),
        (chain(L.Dense(3), L.LogSoftmax()), NLL(), Kind.SOFTMAX),
        (chain(L.Flatten(), L.Dense(3), inputs=(2, 2)), CrossEntropy(), Kind.SOFTMAX),
        (uf.zoo.wide(9, 3), BinaryCrossEntropy(), Kind.LOGISTIC),
        (uf.zoo.wide(9, 3), MSE(), Kind.LINEAR),
        (
            chain(L.Dense(5), L.Sigmoid(), L.Dense(4), L.Tanh(), L.Dense(3)),
            CrossEntropy(),
            Kind.MLP,
        ),
    ],
)
def test_what_alink_holds(net: uf.Graph, loss: Any, kind: Kind) -> None:
    options = Options((loss,), LBFGS)
    assert gaps(net, options) == []
    assert shape_of(net, options).kind is kind


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (chain(L.Dense(4), L.ReLU(), L.Dense(2)), [f"relu (ReLU): {HIDDEN}"]),
        (
            chain(L.Dense(4), L.Dense(2)),
            ["dense_1 (Dense): Alink's MLP has a sigmoid between two layers"],
        ),
        (chain(L.Dense(4), L.Tanh()), ["tanh (Tanh): Alink's models end in Dense"]),
        (chain(L.Dense(4), L.Tanh(), L.Tanh(), L.Dense(2)), ["tanh_1 (Tanh)"]),
        (
            chain(L.Dense(4, bias=False), L.Tanh(), L.Dense(2)),
            ["dense (Dense): Alink's MLP has a bias"],
        ),
        (chain(L.Dense(2), inputs=(3, 4)), ["dense (Dense): Alink's models read one vector a row"]),
        (chain(L.Flatten(), inputs=(3, 4)), ["no Dense layer"]),
        (
            chain(L.Conv2D(2, 2), L.Flatten(), L.Dense(2), inputs=(1, 3, 3)),
            ["conv2d (Conv2D)", "flatten"],
        ),
    ],
)
def test_why_alink_cannot_hold_another(net: uf.Graph, why: list[str]) -> None:
    found = gaps(net, Options())
    assert len(found) == len(why)
    for sentence, wanted in zip(found, why, strict=True):
        assert sentence.startswith(wanted)


def test_of_nets_that_look_up_only_the_wide_one_is_held() -> None:
    assert is_wide(uf.zoo.wide(9, 3))
    assert is_wide(uf.zoo.wide(9, 3).frozen("*"))
    fields, values = uf.Input(3, "int"), uf.Input(3)
    h = L.Sum(1, keepdims=True)(L.Embedding(9, 1)(fields) * L.Reshape((3, 1))(values) ** 2)
    squared = uf.Graph([fields, values], L.Flatten()(L.PositionalEmbedding(1)(h)))
    for net in (uf.zoo.deepfm(9, 3, hidden=(4,)), uf.zoo.wide_and_deep(9, 3), squared):
        assert not is_wide(net)
        assert any("and uf.zoo.wide's rows" in gap for gap in gaps(net, Options()))


def test_branches_and_shared_weights_are_refused() -> None:
    x = uf.Input((4,))
    shared = L.Dense(4)
    h = L.Sigmoid()(shared(x))
    assert any("shares none" in gap for gap in gaps(uf.Graph(x, shared(h)), Options()))
    joined = uf.Graph(x, L.Add()(x, L.Dense(4)(x)))
    assert any("no branches" in gap for gap in gaps(joined, Options()))
    assert any(
        "several inputs or outputs" in gap for gap in gaps(uf.Graph(x, [h, shared(x)]), Options())
    )


@pytest.mark.parametrize(
    ("net", "options", "why"),
    [
        (
            chain(L.Dense(1)),
            Options((MSE(),), optimizers.Adam()),
            "optimizer Adam: Alink has L-BFGS",
        ),
        (chain(L.Dense(1)), Options((MSE(),), optimizers.SGD()), "say method='sgd'"),
        (
            chain(L.Dense(1)),
            Options((MSE(),), optimizers.LBFGS(history=3)),
            "Alink's method is its own",
        ),
        (chain(L.Dense(1)), Options((MSE(),), optimizers.LBFGS(0.5)), "Alink's method is its own"),
        (
            chain(L.Dense(1)),
            Options((MSE(),), optimizers.SGD(0.1, 0.9), settings={"method": "sgd"}),
            "a constant learning_rate alone",
        ),
        (
            chain(L.Dense(1)),
            Options((MSE(),), LBFGS, settings={"method": "sgd"}),
            "another optimizer",
        ),
        (
            chain(L.Dense(3), L.Tanh(), L.Dense(2)),
            Options((CrossEntropy(),), LBFGS, settings={"method": "gd"}),
            "trains its MLP by L-BFGS alone",
        ),
        (chain(L.Dense(1)), Options((MAE(),), LBFGS), "loss MAE: Alink trains by MSE"),
        (chain(L.Dense(2)), Options((MSE(),), LBFGS), "loss MSE: Alink's regression is linear"),
        (
            chain(L.Dense(2)),
            Options((BinaryCrossEntropy(),), LBFGS),
            "take CrossEntropy of two classes",
        ),
        (chain(L.Dense(2)), Options((CrossEntropy(0.1),), LBFGS), "Alink smooths no labels"),
        (
            chain(L.Dense(2), L.Softmax()),
            Options((CrossEntropy(),), LBFGS),
            "drop the net's Softmax",
        ),
        (chain(L.Dense(2)), Options((NLL(),), LBFGS), "that of LogSoftmax"),
        (chain(L.Dense(2, bias=False)), Options((CrossEntropy(),), LBFGS), "divides by zero"),
        (
            chain(L.Dense(2)),
            Options((CrossEntropy(),), LBFGS, loss_weights=(2.0,)),
            "its weight must be 1",
        ),
        (chain(L.Dense(1, trainable=False)), Options((MSE(),), LBFGS), "dense.weight is frozen"),
        (
            chain(L.Dense(2, weight_regularizer="l2")),
            Options((CrossEntropy(),), LBFGS),
            "Alink 1.6 looks for its step with the loss alone",
        ),
        (
            chain(L.Dense(1, weight_regularizer="l1")),
            Options((MSE(),), LBFGS),
            "without the penalty",
        ),
        (
            wide(weight_regularizer=uf.regularizers.L2(0.1)),
            Options((BinaryCrossEntropy(),), LBFGS),
            "wide.weight, L2(l2=0.1): Alink 1.6 looks for its step with the loss alone",
        ),
        (
            wide(weight_regularizer=uf.regularizers.L2(0.1)),
            Options((MSE(),), LBFGS),
            "wide.weight, L2(l2=0.1): L2 comes as rows of data, which unifw writes for Dense alone",
        ),
        (
            wide(weight_constraint="non_neg"),
            Options((BinaryCrossEntropy(),), LBFGS),
            "wide.weight: Alink's methods know no NonNeg",
        ),
        (
            uf.zoo.wide(9, 3).frozen("bias"),
            Options((BinaryCrossEntropy(),), LBFGS),
            "bias.weight is frozen",
        ),
        (uf.zoo.wide(9, 3), Options((MAE(),), LBFGS), "loss MAE: Alink trains by MSE"),
        (
            uf.zoo.wide(9, 3),
            Options((BinaryCrossEntropy(),), optimizers.Adam()),
            "optimizer Adam: Alink has L-BFGS",
        ),
        (
            chain(L.Dense(1, weight_constraint="non_neg")),
            Options((MSE(),), optimizers.SGD(0.1), settings={"method": "sgd"}),
            "Alink's methods know no NonNeg",
        ),
    ],
)
def test_what_is_not_trained_as_asked_is_refused(net: uf.Graph, options: Options, why: str) -> None:
    assert any(why in gap for gap in gaps(net, options)), gaps(net, options)


def test_l2_with_squares_has_no_gap() -> None:
    net = chain(L.Dense(1, weight_regularizer="l2", bias_regularizer=uf.regularizers.L2(0.2)))
    assert gaps(net, Options((MSE(),), LBFGS)) == []


# ------------------------------------------------------------------------ settings


def test_settings_are_refused_where_nobody_takes_them() -> None:
    net = chain(L.Dense(1))
    with pytest.raises(UnknownName, match="option of a model on backend 'numpy' named 'cluster'"):
        uf.Model(net, cluster="here:1")
    with pytest.raises(UnknownName, match="Did you mean 'loss'"):
        uf.Model(net, los="mse")
    with pytest.raises(UnknownName, match="cluster"):
        uf.Model(net).to("numpy", cluster="here:1")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"cluster": "nowhere"}, "host:port"),
        ({"cluster": "http://here:80/x:80"}, "host:port"),
        ({"cluster": "here:99999"}, "host:port"),
        ({"parallelism": 0}, "parallelism must be a whole number"),
        ({"iterations": 0.5}, "iterations must be a whole number"),
        ({"epsilon": 0}, "epsilon must be a number"),
        ({"method": "newton"}, "Known: gd, lbfgs, owlqn, sgd"),
        ({"folder": "/no/such/folder"}, "folder must be a folder"),
    ],
)
def test_wrong_settings_are_told_at_once(given: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        AlinkBackend().told(given)


def test_a_cluster_that_is_not_there_is_told() -> None:
    with pytest.raises(BackendError, match=r"no Flink cluster at 127\.0\.0\.1:9"):
        Cluster("127.0.0.1:9").check()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"flink-version": "1.17.2", "slots-total": 4}, "runs Flink 1.17.2"),
        ({"flink-version": "1.13.6", "slots-total": 1}, "has 1 slots, fewer than parallelism=2"),
    ],
)
def test_a_cluster_that_will_not_do_is_told(told: Any, why: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster, "_overview", lambda _: told)
    with pytest.raises(BackendError, match=why):
        Cluster("here:8081", 2).check()


# ------------------------------------------------------------------------ tables


def test_a_model_table_comes_back_in_slices(tmp_path: Path) -> None:
    numbers = np.random.RandomState(0).standard_normal(5000).tolist()
    table = ModelTable({"layers": [3, 2], "none": None}, {"data": numbers}, ("1", "0"))
    table.write(tmp_path / "model")
    lines = (tmp_path / "model").read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= SLICE + 20
    assert [int(line.split("\t")[0]) for line in lines[:3]] == [0, 1 << 20, (1 << 20) + 1]
    (tmp_path / "shuffled").write_text("".join(f"{line}\n" for line in reversed(lines)), "utf-8")
    assert ModelTable.read(tmp_path / "shuffled") == table


@pytest.mark.parametrize(
    "text", ["", "a\tb\tc\n", "0\t{}\t\n", "0\t[]\t\n1048576\t{}\t\n", "1\t2\n"]
)
def test_what_is_no_model_table_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "model").write_text(text, "utf-8")
    with pytest.raises(FileError, match="no model table"):
        ModelTable.read(tmp_path / "model")


def test_floats_are_written_so_that_they_come_back(tmp_path: Path) -> None:
    x = np.random.RandomState(0).standard_normal((7, 3)) * [1e-30, 1, 1e30]
    write_rows(tmp_path / "rows", x, np.arange(7))
    rows = [line.split("\t") for line in (tmp_path / "rows").read_text("utf-8").splitlines()]
    assert np.array_equal(np.array([row[0].split(" ") for row in rows], float), x)
    assert [row[1] for row in rows] == [str(n) for n in range(7)]


def test_sparse_rows_are_written_without_zeros_and_added_up(tmp_path: Path) -> None:
    indices = np.array([[4, 2, 4], [1, 0, 0], [0, 0, 0]])
    numbers = np.array([[0.1, 3, 2], [-1, 0, 0], [0, 0, 0]], np.float32)
    write_rows(tmp_path / "rows", SparseRows(indices, numbers, 6), np.arange(3))
    exact = float(np.float32(0.1)) + 2
    wanted = f"$6$2:3.0 4:{exact!r}\t0\n$6$1:-1.0\t1\n$6$\t2\n"
    assert (tmp_path / "rows").read_text("utf-8") == wanted


def test_predictions_are_put_in_order(tmp_path: Path) -> None:
    lines = [f'{n}\t0\t{{"1":"0.75","0":"0.25"}}\n' for n in (2, 0)] + [
        '1\t0\t{"0":"1.0","1":"0.0"}\n'
    ]
    (tmp_path / "out").write_text("".join(lines), "utf-8")
    found = read_shares(tmp_path / "out", 3, 2)
    assert found.tolist() == [[0.25, 0.75], [1.0, 0.0], [0.25, 0.75]]


NETS = [
    (chain(L.Dense(1)), MSE()),
    (chain(L.Dense(1, bias=False)), MSE()),
    (chain(L.Dense(1)), BinaryCrossEntropy()),
    (chain(L.Dense(3)), CrossEntropy()),
    (chain(L.Dense(5), L.Tanh(), L.Dense(4), L.Sigmoid(), L.Dense(3)), CrossEntropy()),
    (chain(L.Dense(5), L.Tanh(), L.Dense(4), L.Tanh(), L.Dense(3)), CrossEntropy()),
    (uf.zoo.wide(9, 3), BinaryCrossEntropy()),
    (uf.zoo.wide(9, 3), MSE()),
]


@pytest.mark.parametrize(("net", "loss"), NETS)
@pytest.mark.parametrize("ones", [False, True])
def test_weights_go_into_a_table_and_come_back(net: uf.Graph, loss: Any, ones: Any) -> None:
    shape = shape_of(net, Options((loss,), LBFGS))
    if ones and (shape.sparse or not (shape.kind is Kind.LINEAR and shape.has_bias)):
        ones = False
    weights = {name: value.astype(np.float64) for name, value in initial(net, 3).items()}
    weights |= {n: value + 0.1 for n, value in weights.items() if value.ndim == 1 or shape.sparse}
    order = (2, 0, 1) if shape.units == 3 and shape.kind is Kind.MLP else tuple(range(shape.units))
    table = starting(shape, weights, order, ones=ones)
    back = trained(shape, table, weights, ones=ones)
    assert back.keys() == weights.keys()
    for name, value in weights.items():
        assert back[name].shape == value.shape
        assert np.abs(back[name] - value).max() <= 1e-14


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_a_tanh_net_is_the_same_net_of_sigmoids() -> None:
    net = NETS[4][0]
    weights = {name: value.astype(np.float64) for name, value in initial(net, 1).items()}
    table = predicting(shape_of(net, Options()), weights)
    numbers, h = np.array(table.data["data"]), np.random.RandomState(0).standard_normal((6, 4))
    wanted = uf.Model(net, dtype="float64", weights=weights).predict(h)
    sizes, start = table.meta["layers"], 0
    for width, height in pairwise(sizes):
        weight = numbers[start : start + width * height].reshape(width, height)
        start += width * height
        z = h @ weight + numbers[start : start + height]
        start += height
        h = sigmoid(z)
    assert sizes == [4, 5, 4, 4]  # one class more, of logit 0
    assert np.abs(z[:, 3]).max() == 0
    assert np.abs(z[:, :3] - wanted).max() <= 1e-14


def test_weights_that_are_no_numbers_are_refused() -> None:
    net, loss = NETS[0]
    shape = shape_of(net, Options((loss,), LBFGS))
    table = ModelTable({}, {"coefVector": {"data": [1.0, np.nan, 1.0, 1.0, 1.0]}})
    with pytest.raises(BackendError, match="not finite"):
        trained(shape, table, initial(net, 0), ones=False)


# ------------------------------------------------------------------------ Java, and the jars


def fake_java(folder: Path, told: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n", "utf-8")
    program.chmod(0o755)
    return program


def test_no_java_is_told_with_what_mends_it(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(
        NotInstalled, match=r"there is none on PATH\). Try:  a JRE of Java 8, 11 or 17"
    ):
        java.find_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(NotInstalled, match="has no bin/java"):
        java.find_java()


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "11.0.2"', 11),
    ],
)
def test_java_of_the_right_release_is_taken(
    told: str, number: int, monkeypatch: Any, tmp_path: Path
) -> None:
    program = fake_java(tmp_path, told)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java.find_java() == str(program)
    assert java.release(str(program)) == number


@pytest.mark.parametrize("told", ['openjdk version "21.0.1"', "no such thing"])
def test_java_of_another_release_is_refused(told: str, monkeypatch: Any, tmp_path: Path) -> None:
    fake_java(tmp_path, told)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(VersionUnsupported, match="runs on Java 8, 11 and 17"):
        java.find_java()


def test_missing_jars_are_told_with_the_command_that_fetches_them(
    monkeypatch: Any, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setenv("UNIFW_ALINK_JARS", str(tmp_path))
    with pytest.raises(NotInstalled, match="unifw env create alink"):
        uf.Model(chain(L.Dense(1)), "alink")
    assert cli.main(["doctor", "--no-trial", "--json"]) == 0
    rows = {row["backend"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["alink"]["mend"] == ["unifw env create alink"]
    assert cli.main(["backends", "--no-devices"]) == 0
    assert "alink: unifw env create alink" in capsys.readouterr().out


def wheel(path: Path, **files: bytes) -> jars.Distribution:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return jars.Distribution("toy", "1", path.name, sha256(path), "toy/lib")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_only_jars_are_unpacked_and_none_elsewhere(tmp_path: Path) -> None:
    into = tmp_path / "in" / "jars"
    into.mkdir(parents=True)
    files = {
        "toy/lib/a.jar": b"a", "toy/lib/x.py": b"x", "toy/lib/../../evil.jar": b"e", "/abs/evil.jar": b"e",
        "toy/other.jar": b"o", "toy/lib/..\\evil.jar": b"e", "toy/lib/.jar": b"",
    }  # fmt: skip
    made = wheel(tmp_path / "toy.whl", **files)
    jars.unpack(tmp_path / "toy.whl", made, into)
    assert {p.name for p in into.iterdir()} <= {"..\\evil.jar", ".jar", "a.jar"}
    assert list(tmp_path.rglob("evil.jar")) == []


def test_a_link_in_a_source_distribution_is_no_jar(tmp_path: Path) -> None:
    path, into = tmp_path / "toy.tar.gz", tmp_path / "jars"
    into.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for name, kind in (("toy/lib/a.jar", tarfile.REGTYPE), ("toy/lib/b.jar", tarfile.SYMTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 1
            archive.addfile(entry, io.BytesIO(b"a"))
    jars.unpack(path, jars.Distribution("toy", "1", path.name, sha256(path), "toy/lib"), into)
    assert [p.name for p in into.iterdir()] == ["a.jar"]


def test_another_file_than_expected_is_not_opened(tmp_path: Path) -> None:
    made = wheel(tmp_path / "toy.whl", **{"toy/lib/a.jar": b"a"})
    (tmp_path / "toy.whl").write_bytes(b"something else")
    with pytest.raises(EnvironmentFailed, match="has the sha256"):
        jars.unpack(tmp_path / "toy.whl", made, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["toy.whl"]


def test_too_many_or_no_jars_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    made = wheel(tmp_path / "toy.whl", **{"toy/lib/a.jar": b"aaa"})
    monkeypatch.setattr(jars, "LARGEST", 2)
    (tmp_path / "jars").mkdir()
    with pytest.raises(EnvironmentFailed, match="more than 2 bytes"):
        jars.unpack(tmp_path / "toy.whl", made, tmp_path / "jars")
    empty = wheel(tmp_path / "empty.whl", **{"toy/a.jar": b"a"})
    with pytest.raises(EnvironmentFailed, match="holds no jars"):
        jars.unpack(tmp_path / "empty.whl", empty, tmp_path / "jars")


def test_a_download_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="cannot be had"):
        jars.fetch(tmp_path, "/bin/false", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_what_is_pinned() -> None:
    assert registry.backend("alink").pins[0].startswith("py4j==")
    assert [d.version for d in jars.DISTRIBUTIONS] == ["1.6.2.post0", "1.13.6"]
