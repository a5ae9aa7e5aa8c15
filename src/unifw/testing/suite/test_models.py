"""The whole way of a model: fit, evaluate, save, export, devices, and the framework's own object."""

from __future__ import annotations

from typing import Any

import pytest

import unifw as uf
from unifw import demo, optimizers
from unifw import layers as L
from unifw.backend import Options
from unifw.data import Data
from unifw.errors import DeviceUnavailable
from unifw.spec.graph import Sequential
from unifw.testing.cases import (
    KINKED,
    SMOOTH,
)
from unifw.testing.compare import (
    CROSS_ENTROPY,
    CURVE,
    FORWARD,
    REFERENCE,
    apart,
    devices_of,
    digits,
    opened,
    told,
)
from unifw.testing.compare import model as model_on

METRICS = ["accuracy", "top_k_accuracy", "precision", "recall", "f1", "roc_auc"]
BINARY_METRICS = [
    "accuracy",
    "binary_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "mae",
    "mse",
]


def test_model_trains_saves_and_goes_on(backend: str, tmp_path: Any) -> None:
    data = digits().take(slice(0, 300))
    (x,), (y,) = data.xs, data.ys
    layers = [L.Conv2D(4, 3), L.ReLU(), L.Dropout(0.3), L.Flatten(), L.Dense(10)]
    net = Sequential(layers, input_shape=(1, 8, 8))

    def begin(name: str) -> uf.Model:
        return model_on(
            net, name, loss="cross_entropy", optimizer=optimizers.SGD(0.05, 0.9),
            metrics=["accuracy", "f1"], seed=3,
        )  # fmt: skip

    wanted = begin("numpy").fit(x, y, epochs=4, validation_split=0.2, verbose=0)
    model = begin(backend)
    model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    model.save(tmp_path / "half.unifw")
    model = uf.load(tmp_path / "half.unifw", **told(backend))
    assert model.backend == backend
    model.fit(x, y, epochs=1, validation_split=0.2, verbose=0)
    model = model.to("numpy")
    found = model.fit(x, y, epochs=1, validation_split=0.2, verbose=0)
    assert list(found) == list(wanted)
    assert list(wanted) == ["loss", "accuracy", "f1", "val_loss", "val_accuracy", "val_f1"]
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-3), name


@pytest.mark.parametrize("kind", ["classes", "yes or no"])
def test_every_metric(backend: str, kind: str) -> None:
    x, y = (array[:200] for array in demo.digits())
    net, loss, chosen = SMOOTH["mlp"], "cross_entropy", METRICS
    if kind == "yes or no":
        net = Sequential([L.Flatten(), L.Dense(1)], input_shape=(1, 8, 8))
        loss, y, chosen = "binary_cross_entropy", y % 2, BINARY_METRICS
    found, wanted = (
        model_on(net, name, loss=loss, metrics=chosen, dtype=dtype)
        for name, dtype in ((backend, "float32"), REFERENCE)
    )
    assert found.fit(x, y, verbose=0) == approx_history(wanted.fit(x, y, verbose=0))
    assert found.evaluate(x, y) == pytest.approx(wanted.evaluate(x, y), rel=CURVE)


def approx_history(history: Any) -> Any:
    return {name: pytest.approx(values, rel=CURVE) for name, values in history.items()}


def test_class_and_sample_weights_count(backend: str) -> None:
    data = digits().take(slice(0, 130))
    (x,), (y,) = data.xs, data.ys
    found = [
        model_on(SMOOTH["mlp"], name, loss="cross_entropy", optimizer="sgd").fit(
            x, y, epochs=2, batch_size=50, sample_weight=1 + y % 3,
            class_weight={0: 0.0, 3: 4.0}, verbose=0,
        )["loss"]
        for name in (backend, "numpy")
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=CURVE)


def test_export_computes_the_same(backend: str, tmp_path: Any) -> None:
    model = model_on(KINKED, backend, loss="cross_entropy")
    data = digits().take(slice(0, 64))
    model.fit(data.xs[0], data.ys[0], verbose=0)
    report = model.export(tmp_path / "lenet.onnx")
    assert report.verified
    assert report.metadata["backend"] == backend


def test_unknown_devices_are_refused_with_those_that_are_there(backend: str) -> None:
    with pytest.raises(DeviceUnavailable, match=r"abacus:7.*there are: .*cpu"):
        model_on(SMOOTH["mlp"], backend, device="abacus:7")
    options = Options(device=devices_of(backend)[0])
    assert options.device == "cpu"


@pytest.mark.native
def test_native_is_the_frameworks_own(backend: str) -> None:
    with opened(backend, SMOOTH["mlp"]) as session:
        module = registry_module(backend)
        held = session.native
        values = list(held.values()) if isinstance(held, dict) else [held]
        assert all(
            any(k.__module__.split(".")[0] == module for k in type(v).__mro__) for v in values
        )


@pytest.mark.native
def test_native_evaluates_with_the_weights_as_they_are_now(backend: str) -> None:
    x, y = (array[:20] for array in demo.digits())
    with opened(backend, KINKED, (CROSS_ENTROPY,), optimizers.SGD(0.1)) as session:
        session.take_step(Data((x,), (y,)))
        (wanted,) = session.forward((x,))
        held = session.native
        if callable(held):
            assert apart(session.host(held(session.tensor(x))), wanted) <= FORWARD
        else:  # NumPy's own object is the weights: what is written there counts
            held["dense_1.bias"] += 1
            assert apart(session.forward((x,))[0], wanted + 1) <= FORWARD


def registry_module(backend: str) -> str:
    return uf.registry.backend(backend).module
