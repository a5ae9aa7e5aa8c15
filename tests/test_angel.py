"""Angel's files: each rule of its parser, what is written, and what is refused. No Angel runs here."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.datasets import load_svmlight_file

import unifw as uf
from unifw import cli
from unifw import layers as L
from unifw.errors import (
    DataError,
    ExportError,
    FileError,
    NotInstalled,
    SpecError,
    UnifwError,
    Unsupported,
)
from unifw.export import angel, formats
from unifw.spec import layers, losses, optimizers

Conf = dict[str, Any]

# Files of our own making, which between them have every layer and option.
DENSE: Conf = {
    "data": {
        "path": "hdfs://rows", "format": "dense", "indexrange": 30, "validateratio": 0.1, "sampleratio": 1,
        "useshuffle": True, "posnegratio": 0.5, "translabel": "PosNegTrans",
    },
    "model": {"savepath": "hdfs://out", "modeltype": "T_FLOAT_DENSE", "modelsize": 30, "blockSize": 1000},
    "train": {
        "epoch": 7, "numupdateperepoch": 5, "batchsize": 32, "lr": 0.1, "decayclass": "warmrestarts",
        "decayalpha": 0.05, "decaybeta": 0.1,
    },
    "default_optimizer": {"type": "Adam", "beta": 0.9, "gamma": 0.99, "reg2": 0.01},
    "layers": [
        {"name": "first", "type": "SimpleInputLayer", "outputdim": 20, "transfunc": "tanh"},
        {
            "name": "deep", "type": "FCLayer", "outputdims": [10, 1], "inputlayer": "first",
            "transfuncs": [{"type": "sigmoidwithdropout", "proba": 0.3, "actiontype": "train"}, "identity"],
            "optimizer": {"type": "sgd", "reg1": 0.1},
        },
        {
            "name": "end", "type": "SimpleLossLayer", "inputlayer": "deep",
            "lossfunc": {"type": "huberloss", "delta": 1.5},
        },
    ],
}  # fmt: skip
SPARSE: Conf = {
    "data": {"format": "dummy", "numfield": 4},
    "default_transfunc": "relu",
    "default_lossfunc": "logloss",
    "layers": [
        {"name": "wide", "type": "simpleinputlayer", "outputdim": 1},
        {"name": "vectors", "type": "embedding", "outputdim": 12, "numfactors": 3, "optimizer": "ftrl"},
        {"name": "pairs", "type": "biinnersumcross", "inputlayer": "vectors"},
        {"name": "inner", "type": "biinnercross", "inputlayer": "vectors", "outputdim": 6},
        {"name": "act", "type": "biinteractioncross", "inputlayer": "vectors", "outputdim": 3},
        {"name": "joined", "type": "concatlayer", "inputlayers": ["inner", "act"], "outputdim": 9},
        {"name": "dot", "type": "dotpooling", "inputlayers": ["inner", "inner"], "outputdim": 1},
        {"name": "mul", "type": "mulpooling", "inputlayers": ["wide", "dot"], "outputdim": 1},
        {
            "name": "deep", "type": "fclayer", "outputdims": [1], "transfuncs": ["dropout"],
            "inputlayer": "joined",
        },
        {"name": "sum", "type": "sumpooling", "inputlayers": ["mul", "pairs", "deep"], "outputdim": 1},
        {"name": "end", "type": "simplelosslayer", "inputlayer": "sum"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("conf", [DENSE, SPARSE])
def test_sound_files_are_accepted(conf: Conf, tmp_path: Path) -> None:
    assert angel.check(conf) == []
    path = tmp_path / "conf.json"
    path.write_text(json.dumps(conf), encoding="utf-8")
    assert angel.check(path) == []


def at(*place: Any) -> Callable[[Conf, Any], None]:
    """Return what puts a value at a place."""

    def put(conf: Conf, value: Any) -> None:
        for step in place[:-1]:
            conf = conf[step]
        if value is ...:
            del conf[place[-1]]
        else:
            conf[place[-1]] = value

    return put


def again(name: str) -> Conf:
    return {"name": name, "type": "simplelosslayer", "inputlayer": "deep"}


# For each rule the change that breaks it, and what is said of it.
BROKEN: list[tuple[Callable[[Conf, Any], None], Any, str]] = [
    (at("Layers"), [], "'Layers' is not read; write 'layers'"),
    (at("optimizer"), "adam", "'optimizer' is not read; it knows data, model"),
    (at("model", "savePath"), "x", "'savePath' is not read; write 'savepath'"),
    (at("model", "blocksize"), 3, "'blocksize' is not read; write 'blockSize'"),
    (at("train", "decay"), 0.1, "'decay' is not read; it knows epoch"),
    (at("data"), [], "data: must be an object"),
    (at("data", "format"), "Dense", "data.format: there is no 'Dense'; there are dense, dummy, libsvm"),
    (at("data", "indexrange"), 3.5, "data.indexrange: must be a whole number, got 3.5"),
    (at("data", "validateratio"), 1.5, "data.validateratio: must be a number from 0 to 1"),
    (at("data", "useshuffle"), "true", "data.useshuffle: must be true or false"),
    (at("data", "translabel"), True, "data.translabel: must be one of NoTrans, PosNegTrans"),
    (at("model", "modeltype"), "T_INT_DENSE", "model.modeltype: there is no 'T_INT_DENSE'"),
    (at("model", "savepath"), " ", "model.savepath: must be a text"),
    (at("train", "epoch"), 0, "train.epoch: must be a whole number above 0"),
    (at("train", "lr"), float("nan"), "train.lr: must be a number of at least 0"),
    (at("train", "decayclass"), "Cosine", "train.decayclass: there is no 'Cosine'"),
    (at("default_optimizer"), "Lion", "default_optimizer: there is no 'lion'"),
    (at("default_optimizer"), {"beta": 1}, "default_optimizer.type: must be a text"),
    (at("default_optimizer", "alpha"), 1, "default_optimizer (adam): 'alpha' is not read"),
    (at("default_optimizer", "reg1"), 1, "default_optimizer (adam): 'reg1' is not read"),
    (at("default_optimizer", "beta"), "0.9", "default_optimizer.beta: must be a number"),
    (at("default_transfunc"), "gelu", "default_transfunc: there is no 'gelu'"),
    (at("default_lossfunc"), "mse", "default_lossfunc: there is no 'mse'"),
    (at("layers"), ..., "layers: must be a list of layers"),
    (at("layers"), [], "layers: must be a list of layers"),
    (at("layers"), {"first": {}}, "is the form of another project, mlcore"),
    (at("layers", 0), "first", "layers[0]: must be an object"),
    (at("layers", 0, "name"), ..., "layers[0].name: must be a text, got None"),
    (at("layers", 0, "type"), ..., "layers[0].type: must be a text, got None"),
    (at("layers", 0, "type"), "denselayer", "layers[0] (first).type: there is no 'denselayer'"),
    (at("layers", 0, "type"), "biouttercross", "has a name in the parser, but is never built"),
    (at("layers", 0, "type"), 3, "layers[0].type: must be a text, got 3"),
    (at("layers", 0, "outputdim"), ..., "layers[0] (first): 'outputdim' is missing"),
    (at("layers", 0, "outputdim"), 20.0, "layers[0] (first).outputdim: must be a whole number above 0"),
    (at("layers", 0, "outputdim"), True, "layers[0] (first).outputdim: must be a whole number above 0"),
    (at("layers", 0, "outputDim"), 20, "'outputDim' is not read; write 'outputdim'"),
    (at("layers", 0, "transfunc"), ..., "layers[0] (first): 'transfunc' is missing"),
    (at("layers", 0, "transfunc"), "reluwithdropout", "transfunc: there is no 'reluwithdropout'"),
    (at("layers", 0, "transfunc"), {"type": "relu", "proba": 0.5}, "(relu): 'proba' is not read"),
    (at("layers", 0, "inputlayer"), "x", "(simpleinputlayer): 'inputlayer' is not read"),
    (at("layers", 1, "transfuncs"), ..., "layers[1] (deep): 'transfuncs' is missing"),
    (at("layers", 1, "transfuncs"), "relu", "transfuncs: must be a list, one for each of outputdims"),
    (at("layers", 1, "transfuncs"), ["relu"], "2 outputdims and 1 transfuncs are zipped"),
    (at("layers", 1, "transfuncs", 1), None, "layers[1] (deep).transfuncs[1]: must be a text, got None"),
    (at("layers", 1, "transfuncs", 0, "proba"), 2, "transfuncs[0].proba: must be a number from 0 to 1"),
    (at("layers", 1, "transfuncs", 0, "actiontype"), "Train", "must be 'train' or 'predict'"),
    (at("layers", 1, "outputdims"), ..., "layers[1] (deep): 'outputdims' is missing"),
    (at("layers", 1, "outputdims"), [10, 5, 1], "3 outputdims and 2 transfuncs are zipped"),
    (at("layers", 1, "outputdims"), [], "outputdims: must be a list of whole numbers above 0"),
    (at("layers", 1, "inputlayer"), ..., "layers[1] (deep): 'inputlayer' is missing"),
    (at("layers", 1, "inputlayer"), "denseinputlayer", "reads 'denseinputlayer', which no layer is called"),
    (at("layers", 1, "inputlayer"), "First", "write 'first', letter by letter"),
    (at("layers", 1, "inputlayer"), "deep", "deep, end wait for each other in a circle"),
    (at("layers", 1, "inputlayer"), "end", "reads the loss layer 'end', which ends the net"),
    (at("layers", 1, "name"), "first", "2 are called 'first', of which the last alone is built"),
    (at("layers", 0, "name"), "deep_0", "is also what Angel calls the parts of 'deep'"),
    (at("layers", 2), ..., "there must be exactly one simplelosslayer; there is nothing to build"),
    (at("layers", 0), again("other"), "exactly one simplelosslayer; the last alone is built: other, end"),
    (at("layers", 2, "inputlayer"), "first", "deep: nothing that leads to the loss reads it"),
    (at("layers", 2, "lossfunc"), "cross_entropy", "lossfunc: there is no 'cross_entropy'"),
    (at("layers", 2, "lossfunc", "delta"), 1, "is matched only with a decimal point; write 1.0"),
    (at("layers", 2, "lossfunc", "delta"), "1", "lossfunc.delta: must be a number"),
    (at("layers", 2, "lossfunc"), {"type": "l2loss", "delta": 1.0}, "(l2loss): 'delta' is not read"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("put", "value", "said"), BROKEN, ids=lambda x: x if isinstance(x, str) else ""
)
def test_every_trap_is_told(put: Callable[[Conf, Any], None], value: Any, said: str) -> None:
    conf = copy.deepcopy(DENSE)
    put(conf, value)
    assert said in "\n".join(angel.check(conf))


def test_traps_of_sparse_nets_are_told() -> None:
    for place, value, said in (
        (("layers", 1, "outputdim"), 10, "outputdim must be numfield × numfactors = 12, got 10"),
        (("layers", 3, "outputdim"), ..., "layers[3] (inner): 'outputdim' is missing"),
        (("layers", 5, "inputlayers"), "inner", "inputlayers: must be a list of texts"),
        (("layers", 5, "inputlayers"), ["inner", "gone"], "joined: reads 'gone'"),
        (("default_transfunc",), ..., "layers[0] (wide): 'transfunc' is missing"),
    ):
        conf = copy.deepcopy(SPARSE)
        at(*place)(conf, value)
        assert said in "\n".join(angel.check(conf))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["first", "deep", "end", "fclayer", "simplelosslayer", "dropout", "adam"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "type", "inputlayer", "outputdims", "x"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [before, *(p for key, held in inner for p in places(held, (*before, key)))]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_stands_there_is_told_and_never_raised(data: Any) -> None:
    conf = copy.deepcopy(data.draw(st.sampled_from([DENSE, SPARSE])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(conf)))
        value = data.draw(plain)
        if place:
            at(*place)(conf, value)
        elif not isinstance(value, str):  # a text is the name of a file
            conf = value
    told = angel.check(conf)
    assert all(isinstance(problem, str) and problem for problem in told)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 600), st.binary(min_size=1, max_size=4))
def test_damaged_files_end_in_our_own_error(tmp_path_factory: Any, place: int, put: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    text = json.dumps(DENSE).encode()
    path.write_bytes(text[:place] + put + text[place + len(put) :])
    try:
        told = angel.check(path)
    except FileError:
        return
    assert isinstance(told, list)


def test_what_is_no_json_is_told(tmp_path: Path) -> None:
    path = tmp_path / "conf.json"
    with pytest.raises(FileError, match="cannot read"):
        angel.check(path)
    path.write_text("{" * 100_000, encoding="utf-8")
    with pytest.raises(FileError, match="holds no JSON"):
        angel.check(path)
    path.write_text('{"layers": [], "layers": 3, "train": {"lr": NaN}}', encoding="utf-8")
    told = "\n".join(angel.check(path))
    assert "'layers' stands twice in one object" in told
    assert "NaN is no number in JSON" in told
    assert angel.check(3) == ["it must be one object, { … }"]
    path.write_text('{"layers": ' + "[" * 900 + "]" * 900 + "}", encoding="utf-8")
    assert "layers[0]: must be an object" in angel.check(path)[0]


# ------------------------------------------------------------------------ export


def chain(*more: Any, size: int = 6) -> uf.Sequential:
    return uf.Sequential(list(more), input_shape=size)


DEEP = chain(
    L.Dense(5, name="a"), L.ReLU(), L.Dense(4, name="b"), L.Tanh(), L.Dropout(0.2), L.Dense(1)
)


def written(
    net: uf.Graph, path: Path, loss: Any = "mse", optimizer: Any = "sgd", **job: Any
) -> Conf:
    model = uf.Model(net, loss=loss, optimizer=optimizer)
    report = model.export(path, format="angel-json", job=angel.Job(**job) if job else None)
    assert not report.verified
    return json.loads(Path(report.path).read_text(encoding="utf-8"))


def test_a_net_is_written_with_all_that_trains_it(tmp_path: Path) -> None:
    conf = written(
        DEEP, tmp_path / "net.json", "binary_cross_entropy", optimizers.SGD(0.1, 0.9),
        data="hdfs://x", model="hdfs://m", epochs=3, rows=100, batch_size=32, format="libsvm",
    )  # fmt: skip
    assert conf == {
        "data": {
            "path": "hdfs://x", "format": "libsvm", "indexrange": 6, "validateratio": 0.0, "useshuffle": True,
        },
        "model": {"savepath": "hdfs://m", "modeltype": "T_FLOAT_DENSE", "modelsize": 6},
        "train": {
            "epoch": 3, "batchsize": 32, "lr": 0.1, "decayclass": "ConstantLearningRate",
            "numupdateperepoch": 4,
        },
        "default_optimizer": {"type": "momentum", "momentum": 0.9},
        "layers": [
            {"name": "a", "type": "simpleinputlayer", "outputdim": 5, "transfunc": "relu"},
            {
                "name": "b", "type": "fclayer", "outputdims": [4], "inputlayer": "a",
                "transfuncs": [{"type": "tanhwithdropout", "proba": 0.2, "actiontype": "train"}],
            },
            {
                "name": "dense", "type": "fclayer", "outputdims": [1], "inputlayer": "b",
                "transfuncs": ["identity"],
            },
            {"name": "loss", "type": "simplelosslayer", "lossfunc": "logloss", "inputlayer": "dense"},
        ],
    }  # fmt: skip


def test_the_report_says_that_nothing_was_run(tmp_path: Path) -> None:
    model = uf.Model(DEEP, loss="mse")
    report = model.export(tmp_path / "net.angel.json")
    assert (report.format, report.verified, report.runtime) == ("angel-json", False, "")
    assert (
        "not verified: there is no Angel here; the file was checked by its parser's rules"
        in str(report)
    )
    assert report.to_data()["unverified"].startswith("there is no Angel here")
    for use in (lambda: model.verify(report.path), lambda: uf.runtime.load(report.path)):
        with pytest.raises(
            ExportError, match="files of format 'angel-json' are not run: there is no Angel"
        ):
            use()
    with pytest.raises(SpecError, match="tolerance, labels: of no use"):
        model.export(tmp_path / "net.angel.json", tolerance=1, labels=["a"])
    with pytest.raises(SpecError, match="batch_sizes: of no use"):
        model.export(tmp_path / "net.angel.json", batch_sizes=[4])
    with pytest.raises(SpecError, match="'onnx' holds no job"):
        model.export(tmp_path / "net.onnx", job=angel.Job())
    with pytest.raises(SpecError, match="job must be an unifw"):
        model.export(tmp_path / "net.angel.json", job={"epochs": 3})
    written = model.export(tmp_path / "net.onnx", verify=False)
    assert written.unverified == "verify=False"
    with pytest.raises(Unsupported) as refused:
        uf.Model(chain(L.Dense(2), L.GELU())).check_export("angel-json")
    assert "onnx" in refused.value.instead
    with pytest.raises(Unsupported) as refused:
        uf.Model(chain(L.Dense(2)), loss="mae").export(tmp_path / "net.angel.json")
    assert "onnx" in refused.value.instead
    assert "angel-json" not in refused.value.instead


def test_the_command_exports_and_checks(tmp_path: Path, capsys: Any) -> None:
    uf.Model(DEEP, loss="mse").save(tmp_path / "net.unifw")
    saved, folder = tmp_path / "net.unifw", tmp_path / "new"
    assert cli.main(["export", str(saved), "--to", "angel-json", "--folder", str(folder)]) == 0
    path = folder / "net.angel.json"
    assert cli.main(["angel", "check", str(path)]) == 0
    assert "Angel's parser takes it" in capsys.readouterr().out
    conf = json.loads(path.read_text(encoding="utf-8"))
    conf["train"]["Epoch"] = 3
    other = tmp_path / "other.json"
    other.write_text(json.dumps(conf), encoding="utf-8")
    assert cli.main(["angel", "check", str(path), str(other)]) == 1
    assert (
        "other.json: would not train as written\n  - train: 'Epoch' is not read"
        in capsys.readouterr().out
    )
    assert cli.main(["angel", "check", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == {str(path): []}
    assert cli.main(["angel", "check", str(tmp_path / "none.json")]) == 1
    assert cli.main(["formats", "--json"]) == 0
    rows = {row["format"]: row for row in json.loads(capsys.readouterr().out)}
    assert "there is no Angel here" in rows["angel-json"]["problem"]


LOSSES = [
    (losses.MSE(), "l2loss"), (losses.BinaryCrossEntropy(), "logloss"), (losses.Hinge(), "hingeloss"),
    (losses.Huber(2), {"type": "huberloss", "delta": 2.0}),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "word"), LOSSES)
def test_losses_of_one_number(loss: Any, word: Any, tmp_path: Path) -> None:
    conf = written(DEEP, tmp_path / "net.json", loss)
    assert conf["layers"][-1]["lossfunc"] == word
    assert conf["train"]["lr"] == (0.02 if word == "l2loss" else 0.01)
    with pytest.raises(Unsupported, match="must give one number, not 2"):
        written(chain(L.Dense(2)), tmp_path / "two.json", loss)
    assert not (tmp_path / "two.json").exists()


def test_classes(tmp_path: Path) -> None:
    net = uf.Sequential([L.Flatten(), L.Dense(3, name="loss")], input_shape=(2, 3))
    conf = written(net, tmp_path / "net.json", "cross_entropy")
    assert conf["layers"][1] == {
        "name": "loss_", "type": "simplelosslayer", "lossfunc": "softmaxloss", "inputlayer": "loss",
    }  # fmt: skip
    assert conf["data"]["indexrange"] == 6


OPTIMIZERS = [
    (optimizers.SGD(0.5), {"type": "sgd"}),
    (optimizers.SGD(0.5, 0.8), {"type": "momentum", "momentum": 0.8}),
    (optimizers.Adam(0.1, 0.8, 0.9), {"type": "adam", "beta": 0.8, "gamma": 0.9}),
    (optimizers.RMSprop(0.1, 0.8), {"type": "adagrad", "beta": 0.8}),
    (optimizers.Adadelta(rho=0.8), {"type": "adadelta", "alpha": 0.8, "beta": 0.8}),
    (
        optimizers.Ftrl(0.1, 1, 0.2, 0.3, 1e-9),
        {"type": "ftrl", "alpha": 0.1, "beta": 0.5, "reg1": 0.1, "reg2": 0.3},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "words"), OPTIMIZERS, ids=lambda x: type(x).__name__)
def test_optimizers(rule: Any, words: Any, tmp_path: Path) -> None:
    assert written(DEEP, tmp_path / "net.json", "mse", rule)["default_optimizer"] == words


L2 = uf.regularizers.L2(0.1)
REFUSED = [
    (chain(L.Dense(1, bias=False)), "mse", "sgd", "bias=False, as Angel's layers all have one"),
    (chain(L.Dense(1, bias_regularizer="l2")), "mse", "sgd", "bias_regularizer='l2'"),
    (chain(L.Dense(1, weight_constraint="non_neg")), "mse", "sgd", "weight_constraint='non_neg'"),
    (chain(L.Dense(4), L.Dense(1)).frozen("dense"), "mse", "sgd", "Angel freezes nothing"),
    (chain(L.ReLU(), L.Dense(1)), "mse", "sgd", "must begin with Dense"),
    (chain(L.Dense(1), L.ReLU(), L.Tanh()), "mse", "sgd", "one activation a layer"),
    (chain(L.Dense(1), L.ReLU(), L.Dropout()), "mse", "sgd", "no dropout after relu"),
    (chain(L.Dense(1), L.Dropout(), L.Dropout()), "mse", "sgd", "drops once after a layer"),
    (chain(L.Dense(1), L.Flatten()), "mse", "sgd", "only at the beginning"),
    (chain(L.Dense(1), size=(3, 2)), "mse", "sgd", "must be rows of numbers"),
    (chain(L.Dense(2), L.GELU(), L.Dense(1)), "mse", "sgd", "GELU.*the framework has none"),
    (uf.zoo.deepfm(9, 3, dropout=0, hidden=(4,)), "binary_cross_entropy", "sgd", "angel.script writes"),
    (DEEP, None, "sgd", "has no loss"),
    (DEEP, "mae", "sgd", "MAE: the framework has none"),
    (chain(L.Dense(3)), losses.CrossEntropy(0.1), "sgd", "label_smoothing=0.1; Angel's softmaxloss"),
    (DEEP, "mse", "adamw", "AdamW: the framework has none"),
    (DEEP, "mse", "adagrad", "forgets old squares by beta, as RMSprop does"),
    (DEEP, "mse", "ftrl", "initial_sum=0.1, as Angel's starts from 0"),
    (DEEP, "mse", optimizers.SGD(0.1, 0.9, nesterov=True), "nesterov=True; Angel has nothing"),
    (DEEP, "mse", optimizers.SGD(0.1, weight_decay=0.2), r"weight_regularizer=L2\(0.1\)"),
    (DEEP, "mse", optimizers.Adam(epsilon=1e-3), "epsilon=0.001"),
    (DEEP, "mse", optimizers.Adam(clip_norm=1.0), "clip_norm=1.0"),
    (DEEP, "mse", optimizers.Adadelta(0.5), "learning_rate=0.5"),
    (DEEP, "mse", optimizers.SGD(uf.schedules.CosineDecay(0.1, 9)), "constant rates and InverseSqrt"),
    (chain(L.Dense(1, weight_regularizer="l1")), "mse", "adam", "adam takes no notice of L1"),
    (
        chain(L.Dense(1, weight_regularizer=L2)), "mse", optimizers.Ftrl(0.1, initial_sum=1e-9),
        "give them to Ftrl",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("net", "loss", "rule", "why"), REFUSED, ids=lambda x: x if isinstance(x, str) else ""
)
def test_what_angel_cannot_hold_is_refused(
    net: Any, loss: Any, rule: Any, why: str, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=why):
        uf.Model(net, loss=loss, optimizer=rule).export(tmp_path / "net.angel.json")
    assert list(tmp_path.iterdir()) == []


def test_branches_and_shared_weights_are_refused() -> None:
    form = formats()["angel-json"]
    x, shared = uf.Input(3), L.Dense(3)
    for net, why in (
        (uf.Graph(x, L.Add()(L.Dense(3)(x), x)), "the framework has none"),
        (uf.Graph(x, shared(shared(x))), "shares the weights of dense"),
        (uf.Graph(x, [L.Dense(1)(x), L.Dense(2)(x)]), "one input and one output"),
    ):
        assert why in form.gaps(net)[0]


def test_every_layer_loss_and_optimizer_is_written_or_refused() -> None:
    from unifw.export.angel.rules import heads, rules, solvers

    for table, catalogue in (
        (rules, layers.CATALOGUE), (heads, losses.CATALOGUE), (solvers, optimizers.CATALOGUE),
    ):  # fmt: skip
        for kind in catalogue.values():
            assert table.why_not(kind) != "not written yet", kind


# ------------------------------------------------------------------------ the same minimum


def angel_step(words: Any, lr: float, w: float, slot: list[float], g: float, step: int) -> float:
    """One update of a weight as Angel's parameter servers do it (com.tencent.angel.ml.psf.optimizer)."""
    reg1, reg2 = words.get("reg1", 0.0), words.get("reg2", 0.0)
    if words["type"] == "sgd":
        rate = lr / (1 + reg2 * lr)
        w = w * (1 - rate * reg2) - rate * g
        return float(np.sign(w) * max(abs(w) - rate * reg1, 0))
    if words["type"] == "momentum":
        slot[0] = slot[0] * words["momentum"] + lr * g
        return w * (1 - lr * reg2) - slot[0]
    if words["type"] == "adam":
        g += reg2 * w
        slot[0] = words["beta"] * slot[0] + (1 - words["beta"]) * g
        slot[1] = words["gamma"] * slot[1] + (1 - words["gamma"]) * g * g
        mean = slot[0] / (1 - words["beta"] ** step)
        return w - lr * mean / float(np.sqrt(slot[1] / (1 - words["gamma"] ** step) + 1e-8))
    assert words["type"] == "ftrl"
    delta = (np.sqrt(slot[1] + g * g) - np.sqrt(slot[1])) / words["alpha"]
    slot[0] += g - delta * w
    slot[1] += g * g
    over = max(abs(slot[0]) - reg1, 0) * np.sign(slot[0])
    return float(-over / (reg2 + (words["beta"] + np.sqrt(slot[1])) / words["alpha"]))


@pytest.mark.parametrize("loss", ["mse", "huber"])
@pytest.mark.parametrize(
    ("rule", "penalty"),
    [
        (optimizers.SGD(0.05), uf.regularizers.L1L2(0.3, 0.2)),
        (optimizers.SGD(0.05, 0.7), uf.regularizers.L2(0.2)),
        (optimizers.Adam(0.001), uf.regularizers.L2(0.2)),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_penalties_lead_to_the_same_minimum(
    loss: str, rule: Any, penalty: Any, tmp_path: Path
) -> None:
    net = chain(L.Dense(1, weight_regularizer=penalty), size=1)
    conf = written(net, tmp_path / "net.json", loss, rule)
    words, lr = conf["layers"][0]["optimizer"], conf["train"]["lr"]
    x, t, w, slot = 0.9, 0.7, 0.0, [0.0, 0.0]
    for step in range(1, 20_001):
        w = angel_step(words, lr, w, slot, (x * w - t) * x, step)  # both losses' gradient in Angel
    l1, l2 = getattr(penalty, "l1", 0), penalty.l2
    tries = np.linspace(0, 1, 100_001)
    error = x * tries - t
    cost = (error**2 if loss == "mse" else error**2 / 2) + l1 * tries + l2 * tries**2
    assert abs(w - tries[cost.argmin()]) < 1e-4


@pytest.mark.parametrize(
    ("loss", "rule"),
    [
        ("mse", optimizers.SGD(0.1)),
        ("huber", optimizers.SGD(0.1, 0.6)),
        ("mse", optimizers.SGD(0.1, 0.6)),
        ("mse", optimizers.SGD(uf.schedules.InverseSqrt(0.1, 5))),
        ("mse", optimizers.Ftrl(0.5, 0.3, 0.01, 0.02, 1e-12)),
    ],
    ids=str,
)
def test_weights_take_the_same_path(loss: str, rule: Any, tmp_path: Path) -> None:
    net = chain(L.Dense(1, weight_init="zeros"), size=1)
    conf = written(net, tmp_path / "net.json", loss, rule)
    model = uf.Model(net, loss=loss, optimizer=rule, dtype="float64")
    w, b, slot = 0.0, 0.0, [0.0, 0.0]
    for step in range(1, 13):
        model.load_weights(model.weights | {"dense.bias": [b]})  # Angel's bias goes another way
        model.fit([[0.8]], [[0.5]], batch_size=1, verbose=0)
        g = (0.8 * w + b - 0.5) * 0.8
        train = conf["train"]
        lr = train["lr"] / np.sqrt(1 + train.get("decayalpha", 0) * step)
        w = angel_step(conf["default_optimizer"], lr, w, slot, g, step)
        assert abs(w - model.weights["dense.weight"].item()) < 1e-6


# ------------------------------------------------------------------------ data and job


def test_data_are_written_as_angel_splits_them(tmp_path: Path) -> None:
    x = np.array([[0, 1.5, 0, -2], [1e-9, 0, 0, 1 / 3], [0, 0, 0, 0]])
    path = tmp_path / "rows"
    angel.write_data(path, x, [0, 1, 2.5])
    table = np.loadtxt(path, encoding="utf-8")
    assert np.array_equal(table, np.column_stack([[0, 1, 2.5], x]))
    angel.write_data(path, x, [[0], [1], [1]], format="libsvm", signs=True)
    assert path.read_text(encoding="utf-8").splitlines()[0] == "-1 1:1.5 3:-2"
    back, labels = load_svmlight_file(str(path), n_features=4, zero_based=True)
    assert np.array_equal(back.toarray(), x)
    assert labels.tolist() == [-1, 1, 1]
    angel.write_data(path, x != 0, [1, 2, 3], format="dummy", first=1)
    assert path.read_text(encoding="utf-8") == "1 2 4\n2 1 4\n3\n"
    angel.write_data(path, np.full((1, 2, 1), 2**40 + 1), [16_777_217])
    assert path.read_text(encoding="utf-8") == "16777217 1099511627777 1099511627777\n"
    fields, values = uf.sparse.padded(csr_matrix([[0, 0.5], [2, 3]]))
    angel.write_data(path, (fields, values), [1, 0], format="libsvm", first=1)
    assert path.read_text(encoding="utf-8") == "1 3:0.5 1:0\n0 2:2 3:3\n"


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("old", encoding="utf-8")
    for x, y, options in (
        ([[1, 2]], [1, 2], {}),
        ([1, 2], [1, 2], {}),
        ([[1, np.nan]], [1], {}),
        ([[1, 2]], [2], {"signs": True}),
        ([[1, 2]], [1], {"format": "dummy"}),
        ([[1, 2]], [1], {"format": "csv"}),
        (([[1, 2]], [[1, 2]]), [1], {}),
        (([[1, 2]], [[1, 2]]), [1, 2], {"format": "libsvm"}),
        (([[1, 2]], [[1, 2, 3]]), [1], {"format": "libsvm"}),
        (([[1, -2]], [[1, 2]]), [1], {"format": "libsvm"}),
        (([[1, 2]],), [1], {"format": "libsvm"}),
    ):
        with pytest.raises((DataError, SpecError)):
            angel.write_data(path, x, y, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]
    assert path.read_text(encoding="utf-8") == "old"


def test_a_job_is_checked() -> None:
    for wrong in (
        {"data": 3}, {"model": ""}, {"epochs": 0}, {"rows": 9}, {"batch_size": 3}, {"format": "csv"},
        {"action": "serve"}, {"model_type": "T_INT_DENSE"}, {"validation": 1}, {"shuffle": 1},
    ):  # fmt: skip
        with pytest.raises(SpecError):
            angel.Job(**wrong)


def test_the_command_that_submits(tmp_path: Path) -> None:
    conf = written(chain(L.Dense(3)), tmp_path / "net.json", "cross_entropy", data="d", model="m")
    assert angel.submit("net.json", conf) == (
        "angel-submit --angel.app.submit.class com.tencent.angel.ml.core.graphsubmit.GraphRunner "
        "--ml.model.class.name com.tencent.angel.ml.core.graphsubmit.GraphModel --angel.ml.conf net.json "
        "--action.type train --angel.train.data.path d --angel.save.model.path m --ml.num.class 3"
    )
    rule = optimizers.SGD(uf.schedules.InverseSqrt(0.1, 5))
    conf = written(DEEP, tmp_path / "net.json", "mse", rule, action="predict", model="a b")
    assert conf["model"]["loadpath"] == "a b"
    assert conf["layers"][1]["transfuncs"][0]["actiontype"] == "predict"
    told = angel.submit("net.json", conf, data="d", predictions="p", options={"angel.ps.number": 2})
    assert told.endswith(
        "--action.type predict --angel.predict.data.path d --angel.load.model.path 'a b' "
        "--angel.predict.out.path p --ml.model.is.classification false --ml.opt.decay.on.batch true "
        "--angel.ps.number 2"
    )
    with pytest.raises(UnifwError, match="say where the data"):
        angel.submit("net.json", conf)
    with pytest.raises(SpecError, match="drops in prediction"):
        angel.submit("net.json", conf, data="d", model="m")


# ------------------------------------------------------------------------ TorchScript: see tests/script


def test_a_script_needs_torch_and_a_net_that_is_known(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "net.pt"
    known = uf.Model(uf.zoo.wide(5, 2))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "torch" else find(n))
    with pytest.raises(NotInstalled, match=r"needs torch.*pip install 'unifw\[angel\]'"):
        angel.script(known, path, version="0.3")
    with pytest.raises(SpecError, match=r"No version named .0\.2."):
        angel.script(known, path, version="0.2")
    for net in (
        DEEP, uf.zoo.deepfm(5, 2, hidden=(3,)), uf.zoo.deepfm(5, 2, 1, hidden=(3,), dropout=0),
        uf.zoo.wide_and_deep(5, 2, hidden=(3,)), uf.zoo.wide(5, 2).frozen("bias"),
    ):  # fmt: skip
        with pytest.raises(Unsupported, match=r"zoo\.deepfm with dropout=0"):
            angel.script(uf.Model(net), path, version="0.3")
    assert list(tmp_path.iterdir()) == []
