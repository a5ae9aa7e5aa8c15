"""What is put into a file around the net: layout, normalisation, probabilities, labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime
import pytest

import unifw as uf
from unifw import layers as L
from unifw.errors import ExportMismatch, SpecError
from unifw.export.baking import Baking
from unifw.testing.compare import rough_weights

MEAN, STD = (100.0, 120.0), (50.0, 60.0)
RAW = np.random.RandomState(0).randint(0, 256, (9, 6, 5, 2)).astype(np.float32)


def image_net() -> uf.Graph:
    layers = [L.Conv2D(4, 3), L.BatchNorm(), L.ReLU(), L.Flatten(), L.Dense(3, name="scores")]
    return uf.Sequential(layers, input_shape=(2, 6, 5))


@pytest.fixture
def classifier() -> uf.Model:
    model = uf.Model(image_net(), loss="cross_entropy")
    model.load_weights(rough_weights(model.net))
    return model


def by_hand(model: uf.Model) -> Any:
    """What an app would do around the model."""
    x = (RAW.astype(np.float64) - MEAN) / STD
    scores = model.predict(np.moveaxis(x, -1, 1).astype(np.float32)).astype(np.float64)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_file_takes_raw_images_and_gives_probabilities(
    classifier: uf.Model, tmp_path: Any
) -> None:
    labels = ["猫", "狗", "其他"]
    report = classifier.export(
        tmp_path / "net.onnx",
        normalize=(MEAN, STD), layout="NHWC", activation="softmax", labels=labels,
    )  # fmt: skip
    assert report.verified
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    (taken,) = session.get_inputs()
    assert taken.shape == ["N", 6, 5, 2]
    found = session.run(None, {"input": RAW})[0]
    np.testing.assert_allclose(found, by_hand(classifier), atol=1e-5)
    loaded = uf.runtime.load(tmp_path / "net.onnx")
    assert loaded.labels == {"scores_probabilities": labels}
    np.testing.assert_allclose(loaded.predict(RAW, batch_size=4), found, atol=1e-6)


def test_the_model_can_judge_such_a_file_later(classifier: uf.Model, tmp_path: Any) -> None:
    path = tmp_path / "net.onnx"
    classifier.export(path, normalize=(np.array(MEAN), np.array(STD)), layout="NHWC")
    assert set(classifier.verify(path, inputs=RAW).differences) == {"scores"}
    classifier.load_weights({n: w * 1.1 for n, w in classifier.weights.items()})
    with pytest.raises(ExportMismatch, match="differs from the model"):
        classifier.verify(path)
    other = uf.Model(uf.Sequential([L.Flatten(), L.Dense(3)], input_shape=(2, 3, 3)))
    with pytest.raises(ExportMismatch, match=r"takes .*the model takes .*\(3, 3, 2\)"):
        other.verify(path)


def test_one_number_is_enough_for_all_channels(classifier: uf.Model, tmp_path: Any) -> None:
    classifier.export(tmp_path / "net.onnx", normalize=(127.5, 50))
    found = uf.runtime.load(tmp_path / "net.onnx").predict(np.moveaxis(RAW, -1, 1))
    wanted = classifier.predict((np.moveaxis(RAW, -1, 1) - 127.5) / 50)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_several_inputs_and_outputs_are_named(tmp_path: Any) -> None:
    image, age = uf.Input((1, 4, 4), name="image"), uf.Input(2, name="age")
    joined = L.Concatenate()(L.Flatten()(image), age)
    ends = [L.Dense(2, name="kind")(joined), L.Dense(1, name="risk")(joined), age]
    model = uf.Model(uf.Graph([image, age], ends))
    model.export(
        tmp_path / "net.onnx",
        layout={"image": "NHWC"}, normalize={"age": (40, 12)},
        activation={"kind": "softmax", "risk": "sigmoid"},
        labels={"kind": ["a", "b"], "risk": ["no", "yes"]},
    )  # fmt: skip
    loaded = uf.runtime.load(tmp_path / "net.onnx")
    assert [port.shape for port in loaded.inputs] == [(4, 4, 1), (2,)]
    assert loaded.labels == {"kind_probabilities": ["a", "b"], "risk_probabilities": ["no", "yes"]}
    given = {"image": np.ones((3, 4, 4, 1)), "age": np.array([[40.0, 52.0]] * 3)}
    kind, risk, plain = loaded.predict(given)
    np.testing.assert_allclose(kind.sum(axis=1), 1, atol=1e-6)
    assert ((risk > 0) & (risk < 1)).all()
    np.testing.assert_allclose(plain, [[0, 1]] * 3, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"normalize": (1, 0)}, "every std above 0"),
        ({"normalize": (1, np.nan)}, "finite"),
        ({"normalize": 3}, "two numbers"),
        ({"normalize": ([1, 2, 3], 1)}, "two lists of 2"),
        ({"layout": "HWC"}, "NHWC"),
        ({"layout": {"picture": "NHWC"}}, "layout names.*picture"),
        ({"activation": "relu"}, "softmax"),
        ({"labels": ["a", "b"]}, "list of 3 texts"),
        ({"labels": "abc"}, "list of 3 texts"),
    ],
)
def test_what_does_not_fit_is_refused(options: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        Baking(**options).around(image_net(), {})


def test_what_makes_no_sense_is_refused() -> None:
    flat = uf.Sequential([L.Dense(1), L.Sigmoid()], input_shape=3)
    with pytest.raises(SpecError, match="images"):
        Baking(layout="NHWC").around(flat, {})
    with pytest.raises(SpecError, match="already"):
        Baking(activation="sigmoid").around(flat, {})
    with pytest.raises(SpecError, match="two classes"):
        Baking(activation="softmax").around(uf.Sequential([L.Dense(1)], input_shape=3), {})
    words = uf.Sequential([L.Embedding(5, 2), L.Flatten()], input_shape=3)
    with pytest.raises(SpecError, match="normalize is for numbers"):
        Baking(normalize=(0, 1)).around(words, {})
    pair = uf.Input(3, name="a"), uf.Input(3, name="b")
    with pytest.raises(SpecError, match="dict by name"):
        Baking(normalize=(0, 1)).around(uf.Graph(pair, L.Add()(*pair)), {})


def test_metadata_are_plain_json(classifier: uf.Model, tmp_path: Any) -> None:
    report = classifier.export(tmp_path / "a.onnx", normalize=(np.array(MEAN), STD), verify=False)
    assert json.loads(report.metadata["baked"]) == {"normalize": [list(MEAN), list(STD)]}
    assert "baked" not in classifier.export(tmp_path / "b.onnx", verify=False).metadata
