"""Smaller files: int8 and fp16, what they cost on real data, and pruning."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest

import unifw as uf
from unifw import demo
from unifw import layers as L
from unifw.callbacks import Callback, MagnitudePruning
from unifw.errors import DataError, ExportMismatch, SpecError, UnknownName

CUT = 1400


@pytest.fixture(scope="module")
def trained(digits: Any) -> uf.Model:
    x, y = digits
    model = uf.Model(demo.net(), loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
    model.fit(x[:CUT], y[:CUT], epochs=8, verbose=0)
    return model


@pytest.mark.parametrize("how", ["fp16", "dynamic", "static"])
def test_a_smaller_digits_net_loses_at_most_a_point(
    trained: uf.Model, digits: Any, tmp_path: Any, how: str
) -> None:
    x, y = digits
    given = {"calibration": x[:200]} if how == "static" else {}
    held_out = (x[CUT:], y[CUT:])
    report = trained.export(tmp_path / "net.onnx", quantize=how, evaluate=held_out, **given)
    assert report.smaller is not None
    before, after = report.smaller.accuracy or (0, 0)
    assert before == pytest.approx(trained.evaluate(*held_out)["accuracy"])
    found = uf.runtime.load(tmp_path / "net.onnx").predict(x[CUT:])
    assert after == pytest.approx((found.argmax(axis=1) == y[CUT:]).mean())
    assert after >= before - 0.01
    assert report.smaller.size < 0.75
    assert report.smaller.latency > 0
    kinds = {i.data_type for i in onnx.load(tmp_path / "net.onnx").graph.initializer}
    wanted = onnx.TensorProto.FLOAT16 if how == "fp16" else onnx.TensorProto.UINT8
    assert wanted in kinds
    assert f"{how}: 0." in str(report)
    assert "after" in str(report)
    assert json.loads(report.to_json())["smaller"]["accuracy"] == [before, after]
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert trained.verify(tmp_path / "net.onnx", inputs=x[CUT:]).runtime == report.runtime


def test_a_file_that_loses_too_much_is_not_left(
    trained: uf.Model, digits: Any, tmp_path: Any
) -> None:
    x, y = digits
    spoilt = np.zeros_like(x[:8])  # nothing like a digit: ranges measured on it fit none
    with pytest.raises(ExportMismatch, match=r"costs 0\.\d+ of accuracy.*max_drop=0\.01"):
        trained.export(
            tmp_path / "net.onnx",
            quantize="static", calibration=spoilt, evaluate=(x[CUT:], y[CUT:]), inputs=x[:8],
        )  # fmt: skip
    with pytest.raises(ExportMismatch, match="differs from the model"):
        trained.export(tmp_path / "net.onnx", quantize="dynamic", tolerance=1e-9)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"quantize": "int3"}, SpecError, "No quantize named 'int3'"),
        ({"quantize": "static"}, SpecError, "needs calibration"),
        ({"quantize": "fp16", "calibration": np.zeros((9, 1, 8, 8))}, SpecError, "'static'"),
        ({"evaluate": ([], [])}, SpecError, "without it"),
        ({"quantize": "fp16", "evaluate": 3}, DataError, r"must be \(x, y\)"),
        ({"quantize": "fp16", "max_drop": 0.1}, SpecError, "judged on evaluate"),
        (
            {"quantize": "fp16", "evaluate": (np.zeros((4, 1, 8, 8)), [0, 1, 2])},
            DataError,
            "4 rows of x",
        ),
        (
            {"quantize": "fp16", "evaluate": (np.zeros((2, 1, 8, 8)), [0, 10])},
            DataError,
            "10",
        ),
        (
            {"quantize": "fp16", "evaluate": (np.zeros((1, 1, 8, 8)), [0]), "verify": False},
            SpecError,
            "verify=False",
        ),
    ],
)
def test_wrong_options_are_refused(
    model: uf.Model, tmp_path: Any, options: Any, error: Any, says: str
) -> None:
    with pytest.raises(error, match=says):
        model.export(tmp_path / "net.onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_accuracy_needs_classes(tmp_path: Any) -> None:
    model = uf.Model(uf.Sequential([L.Dense(1)], input_shape=3))
    with pytest.raises(SpecError, match="one output of scores"):
        model.export(tmp_path / "a.onnx", quantize="fp16", evaluate=(np.zeros((2, 3)), [0, 0]))


# ------------------------------------------------------------------------ pruning


def test_pruning_leaves_the_wanted_share_and_the_file_packs_smaller(
    digits: Any, tmp_path: Any
) -> None:
    x, y = digits
    sizes, scores = [], []
    for callbacks in ([], [MagnitudePruning(0.5, end=6)]):
        model = uf.Model(demo.mlp(), loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
        history = model.fit(
            x[:CUT], y[:CUT], epochs=10, verbose=0, callbacks=callbacks,
            validation_data=(x[CUT:], y[CUT:]),
        )  # fmt: skip
        report = model.export(tmp_path / "net.onnx")
        sizes.append(report.files[0].packed)
        scores.append(history["val_accuracy"][-1])
    zeros = {name: float((w == 0).mean()) for name, w in model.weights.items() if w.ndim > 1}
    assert zeros == pytest.approx(dict.fromkeys(zeros, 0.5), abs=1e-3)
    # What the history says is what the pruned net does.
    assert scores[1] == model.evaluate(x[CUT:], y[CUT:])["accuracy"]
    assert scores[1] >= scores[0] - 0.03
    assert sizes[1] < 0.65 * sizes[0]
    assert report.sparsity == pytest.approx(0.49, abs=0.01)
    assert "49% of the weights are zero" in str(report)


def test_the_share_rises_as_published() -> None:
    pruning = MagnitudePruning(0.8, end=10, begin=2)
    shares = [pruning.share(epoch) for epoch in range(12)]
    assert shares[:2] == [0, 0]
    assert shares[5] == pytest.approx(0.8 * (1 - 0.5**3))
    assert shares[9:] == pytest.approx([0.8] * 3)
    assert np.diff(shares).min() >= 0


def test_only_the_named_layers_are_cut(few: Any) -> None:
    model = uf.Model(demo.mlp(), loss="cross_entropy")
    model.fit(*few, verbose=0, callbacks=[MagnitudePruning(0.5, end=1, layers="dense_1")])
    cut = {name for name, w in model.weights.items() if w.ndim > 1 and (w == 0).mean() > 0.4}
    assert cut == {"dense_1.weight"}


def test_wrong_pruning_is_refused_before_training(few: Any) -> None:
    for wrong in ({"sparsity": 1.0}, {"sparsity": 0}, {"begin": 5}):
        with pytest.raises(SpecError, match=r"sparsity|begin"):
            MagnitudePruning(**{"sparsity": 0.5, "end": 5, **wrong})
    model = uf.Model(demo.mlp(), loss="cross_entropy")
    with pytest.raises(UnknownName, match=r"layer to prune named 'conv\*'.*dense"):
        model.fit(*few, verbose=0, callbacks=[MagnitudePruning(0.5, end=1, layers="conv*")])
    with pytest.raises(SpecError, match=r"list of uf\.callbacks\.Callback"):
        model.fit(*few, verbose=0, callbacks=[print])
    assert model.history == {}


def test_callbacks_are_called_in_order(few: Any) -> None:
    seen: list[Any] = []

    class Watch(Callback):
        def on_train_begin(self, model: uf.Model) -> None:
            seen.append(("begin", len(model.history["loss"])))

        def on_epoch_trained(self, model: uf.Model, epoch: int) -> None:
            seen.append(("trained", epoch, len(model.history.get("loss", []))))

        def on_epoch_end(self, model: uf.Model, epoch: int, logs: Any) -> None:
            seen.append(("end", epoch, logs["val_loss"] == model.history["val_loss"][-1]))

    model = uf.Model(demo.mlp(), loss="cross_entropy")
    model.fit(*few, verbose=0)
    model.fit(*few, epochs=2, verbose=0, validation_split=0.2, callbacks=[Watch()])
    assert seen == [
        ("begin", 1), ("trained", 1, 1), ("end", 1, True), ("trained", 2, 2), ("end", 2, True),
    ]  # fmt: skip
