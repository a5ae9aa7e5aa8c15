"""What users hold: training, history, moving, saving."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import unifw as uf
from unifw import checkpoint, progress, registry
from unifw import layers as L
from unifw.errors import (
    BackendError,
    Clash,
    DataError,
    DeviceUnavailable,
    FileError,
    NotInstalled,
    SpecError,
    Unsupported,
    VersionUnsupported,
    WeightsError,
)


def test_history_has_a_number_per_epoch_and_grows(model: uf.Model, few: Any) -> None:
    history = model.fit(*few, epochs=2, verbose=0)
    assert history is model.history
    model.fit(*few, epochs=1, validation_split=0.2, verbose=0)
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(
        ["loss", "accuracy", "val_loss", "val_accuracy"], 3
    )
    assert np.isnan(history["val_loss"][:2]).all()
    assert np.isfinite(history["val_loss"][2])


def test_training_twice_is_training_once(net: uf.Graph, few: Any) -> None:
    once, twice = (uf.Model(net, loss="cross_entropy") for _ in range(2))
    once.fit(*few, epochs=3, verbose=0)
    twice.fit(*few, epochs=1, verbose=0)
    twice.fit(*few, epochs=2, verbose=0)
    assert once.history == twice.history


def test_losses_are_means_over_rows_also_with_a_short_batch(few: Any) -> None:
    x, y = few
    net = uf.Sequential([L.Flatten(), L.Dense(10)], input_shape=(1, 8, 8))
    still = uf.Model(net, loss="cross_entropy", optimizer=uf.optimizers.SGD(0.0))
    still.fit(x, y, batch_size=33, verbose=0)
    assert still.history["loss"][0] == pytest.approx(still.evaluate(x, y)["loss"], rel=1e-6)
    weights = np.linspace(0, 1, 100)
    still.fit(x, y, batch_size=33, sample_weight=weights, verbose=0)
    wanted = still.evaluate(x, y, sample_weight=weights)["loss"]
    assert still.history["loss"][1] == pytest.approx(wanted, rel=1e-5)


def test_evaluate_and_predict_do_not_depend_on_the_batch_size(model: uf.Model, few: Any) -> None:
    x, y = few
    model.fit(x, y, verbose=0)
    assert list(model.evaluate(x, y)) == ["loss", "accuracy"]
    assert model.evaluate(x, y, batch_size=7) == pytest.approx(model.evaluate(x, y), rel=1e-5)
    assert model.predict(x, batch_size=7) == pytest.approx(model.predict(x), abs=1e-5)
    assert model.predict(x[:1]).shape == (1, 10)


def test_several_inputs_and_outputs_by_list_and_by_name() -> None:
    a, b = uf.Input(3, name="a"), uf.Input(2, name="b")
    joined = L.Concatenate()(a, b)
    net = uf.Graph([a, b], [L.Dense(4, name="kind")(joined), L.Dense(1, name="size")(joined)])
    xa, xb = np.ones((5, 3)), np.ones((5, 2))
    kinds, sizes = np.arange(5) % 4, np.ones(5)
    model = uf.Model(
        net,
        loss={"kind": "cross_entropy", "size": "mse"},
        metrics={"kind": ["accuracy"], "size": ["mae"]},
    )
    model.fit([xa, xb], [kinds, sizes], verbose=0)
    model.fit({"a": xa, "b": xb}, {"size": sizes, "kind": kinds}, verbose=0)
    assert list(model.history) == ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"]
    one, two = model.predict((xa, xb))
    assert (one.shape, two.shape) == ((5, 4), (5, 1))
    with pytest.raises(DataError, match="2 inputs"):
        model.predict(xa)
    with pytest.raises(SpecError, match="3 losses for 2 outputs"):
        uf.Model(net, loss=["mse"] * 3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([1, 2], "2 loss_weights for 1 outputs"),
        (2.0, "loss_weights must be a list or a dict by output"),
        ([-1], r"every one of loss_weights must be a number in \[0"),
        (["a"], "every one of loss_weights"),
        ({"other": 1}, r"loss_weights names \['other'\]"),
    ],
)
def test_wrong_loss_weights_are_refused(net: uf.Graph, given: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        uf.Model(net, loss="cross_entropy", loss_weights=given)
    with pytest.raises(SpecError, match="for a model with a loss"):
        uf.Model(net, loss_weights=[1.0])


def test_a_loss_weight_scales_loss_and_gradient(net: uf.Graph, few: Any) -> None:
    sgd = uf.optimizers.SGD
    half = uf.Model(net, loss="cross_entropy", loss_weights=[0.5], optimizer=sgd(0.2))
    whole = uf.Model(net, loss="cross_entropy", optimizer=sgd(0.1))
    found, wanted = (m.fit(*few, epochs=2, verbose=0)["loss"] for m in (half, whole))
    assert found == pytest.approx([loss / 2 for loss in wanted], rel=1e-5)
    data = (few[0], few[1])
    sides = uf.parity(net, data, ["numpy"], loss_weights=[0.5], optimizers=[sgd(0.2)], steps=4)
    other = uf.parity(net, data, ["numpy"], optimizers=[sgd(0.1)], steps=4)
    (halves,), (wholes,) = sides.references.values(), other.references.values()
    assert halves == pytest.approx([loss / 2 for loss in wholes], rel=1e-5)


def test_files_without_loss_weights_still_load(model: uf.Model, few: Any, tmp_path: Any) -> None:
    path = tmp_path / "m.unifw"
    model.fit(*few, verbose=0)
    model.save(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["unifw"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    assert about.pop("loss_weights") == [1.0]
    safetensors.numpy.save_file(arrays, path, {"unifw": json.dumps(about)})
    again = uf.load(path)
    assert again.fit(*few, verbose=0) == model.fit(*few, verbose=0)
    about["loss_weights"] = [1.0, 2.0]
    safetensors.numpy.save_file(arrays, path, {"unifw": json.dumps(about)})
    with pytest.raises(SpecError, match="2 loss_weights for 1 outputs"):
        uf.load(path)


def test_save_and_load_carry_everything(model: uf.Model, few: Any, tmp_path: Any) -> None:
    model.fit(*few, epochs=2, verbose=0)
    model.save(tmp_path / "m.unifw")
    again = uf.load(tmp_path / "m.unifw")
    assert again.net == model.net
    assert again.history == model.history
    assert np.array_equal(again.predict(few[0]), model.predict(few[0]))
    assert model.fit(*few, verbose=0) == again.fit(*few, verbose=0)
    assert [p.name for p in tmp_path.iterdir()] == ["m.unifw"]


def test_float64_is_kept(net: uf.Graph, few: Any, tmp_path: Any) -> None:
    model = uf.Model(net, loss="cross_entropy", dtype="float64")
    model.fit(*few, verbose=0)
    model.save(tmp_path / "m.unifw")
    again = uf.load(tmp_path / "m.unifw")
    assert again.predict(few[0]).dtype == np.float64
    assert np.array_equal(again.weights["dense.weight"], model.weights["dense.weight"])


def test_a_failed_save_leaves_the_old_file(
    model: uf.Model, tmp_path: Any, monkeypatch: Any
) -> None:
    path = tmp_path / "m.unifw"
    model.save(path)
    old = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        model.save(path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["m.unifw"]


def test_strided_weights_are_saved_right(model: uf.Model, tmp_path: Any) -> None:
    weights = model.weights
    weights["dense.weight"] = np.asfortranarray(weights["dense.weight"])
    model.load_weights(weights)
    stored = model.checkpoint()
    stored.weights["dense.weight"] = np.asfortranarray(stored.weights["dense.weight"])
    checkpoint.write(tmp_path / "m.unifw", stored)
    read = checkpoint.read(tmp_path / "m.unifw").weights["dense.weight"]
    assert np.array_equal(read, weights["dense.weight"])


def damaged(path: Any, model: uf.Model) -> dict[str, bytes]:
    model.save(path)
    whole = path.read_bytes()
    foreign = safetensors.numpy.save({"a": np.zeros(2)})
    other = safetensors.numpy.save({"a": np.zeros(2)}, {"unifw": json.dumps({"format": 99})})
    empty = safetensors.numpy.save({}, {"unifw": json.dumps({"format": 1})})
    return {
        "truncated": whole[: len(whole) // 2],
        "cut in the header": whole[:20],
        "empty": b"",
        "pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94.",
        "foreign": foreign,
        "newer": other,
        "hollow": empty,
    }


@pytest.mark.parametrize(
    "kind",
    ["truncated", "cut in the header", "empty", "pickle", "foreign", "newer", "hollow"],
)
def test_damaged_files_are_refused(model: uf.Model, tmp_path: Any, kind: str) -> None:
    path = tmp_path / "m.unifw"
    path.write_bytes(damaged(path, model)[kind])
    with pytest.raises(FileError, match=r"m\.unifw"):
        uf.load(path)


def test_missing_files_and_folders_are_told(model: uf.Model, tmp_path: Any) -> None:
    with pytest.raises(FileError, match="there is no file"):
        uf.load(tmp_path / "none.unifw")
    with pytest.raises(FileError, match="cannot write"):
        model.save(tmp_path / "none" / "m.unifw")


def test_weights_that_do_not_fit_change_nothing(model: uf.Model) -> None:
    before = model.weights
    bad = dict(before)
    bad["dense.weight"] = bad["dense.weight"].T
    bad["extra.weight"] = np.zeros(3)
    del bad["dense.bias"]
    with pytest.raises(WeightsError) as caught:
        model.load_weights(bad)
    for said in ("dense.bias (10,) is missing", "extra.weight is not in the net", "(10, 144)"):
        assert said in str(caught.value)
    with pytest.raises(WeightsError, match="rows differ in length"):
        model.load_weights(before | {"dense.bias": [[1.0], [1.0, 2.0]]})
    with pytest.raises(WeightsError, match="dict of arrays"):
        model.load_weights([1.0])  # type: ignore[arg-type]
    bad = before | {"dense.bias": np.full(10, np.nan)}
    with pytest.raises(WeightsError, match="not finite"):
        model.load_weights(bad)
    assert all(np.array_equal(v, before[k]) for k, v in model.weights.items())


def test_unknown_device_lists_those_that_are_there(net: uf.Graph) -> None:
    with pytest.raises(DeviceUnavailable, match=r"no device 'gpu:0' here; there are: cpu"):
        uf.Model(net, device="gpu:0")
    with pytest.raises(SpecError, match="device"):
        uf.Model(net, device="")


def test_fine_tuning_takes_the_weights_of_the_net_before(model: uf.Model, few: Any) -> None:
    model.fit(*few, verbose=0)
    tuned = uf.Model(
        model.net.frozen("conv*", "batch*"), loss="cross_entropy", weights=model.weights
    )
    tuned.fit(*few, verbose=0)
    changed = {k for k, v in tuned.weights.items() if not np.array_equal(v, model.weights[k])}
    assert changed == {"dense.weight", "dense.bias"}
    again = tuned.to("numpy")
    assert again.net == tuned.net
    assert {name.split("/")[0] for name in again.session.state()} == changed


# ------------------------------------------------------------------------ backends


def test_a_missing_framework_says_how_to_get_it(net: uf.Graph, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(registry.backend("paddle")), "distributions", ("no-such-thing",))
    with pytest.raises(NotInstalled, match=r"pip install 'unifw\[paddle\]'"):
        uf.Model(net, backend="paddle")
    assert issubclass(NotInstalled, ImportError)


def test_a_framework_of_another_version_is_refused_with_advice(
    net: uf.Graph, monkeypatch: Any
) -> None:
    monkeypatch.setattr(type(registry.backend("numpy")), "tested", ">=90")
    with pytest.raises(VersionUnsupported, match=r"tested with NumPy >=90; .* is installed"):
        uf.Model(net)


def test_frameworks_that_clash_are_refused(net: uf.Graph, monkeypatch: Any) -> None:
    backend = type(registry.backend("numpy"))
    monkeypatch.setattr(backend, "clashes", ("json",))
    monkeypatch.setattr(backend, "module", "pyclbr")
    with pytest.raises(Clash, match=r"NumPy cannot be imported after json"):
        uf.Model(net, isolate=False)


def test_a_broken_framework_is_told_from_a_missing_one(net: uf.Graph, monkeypatch: Any) -> None:
    backend = type(registry.backend("numpy"))
    monkeypatch.setattr(backend, "module", "this")
    monkeypatch.setitem(__import__("sys").modules, "this", None)
    monkeypatch.setattr(backend, "check", lambda self: None)
    with pytest.raises(NotInstalled, match="whole"):
        uf.Model(net)


def test_what_a_backend_lacks_is_refused_before_training(net: uf.Graph, monkeypatch: Any) -> None:
    from unifw.backends.numpy.rules import rules
    from unifw.rules import Reason

    monkeypatch.delitem(rules._builders, L.BatchNorm)
    rules.lacks(L.BatchNorm, Reason.FRAMEWORK, "NumPy 0.1")
    monkeypatch.setattr(type(registry.backend("numpy")), "dtypes", ("float16",))
    with pytest.raises(Unsupported) as caught:
        uf.Model(net)
    assert "backend 'numpy' cannot run this net" in str(caught.value)
    assert "batch_norm (BatchNorm): the framework has none: NumPy 0.1" in str(caught.value)
    assert "dtype float32: it computes in float16" in str(caught.value)
    del rules._gaps[L.BatchNorm]


def test_two_packages_with_one_name_are_told(monkeypatch: Any) -> None:
    class Point:
        name, value = "mine", "a:B"

    class Other(Point):
        value = "c:D"

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point, Other])
    with pytest.raises(BackendError, match="two installed packages claim 'mine'"):
        registry.backend_names()


# ------------------------------------------------------------------------ progress


def test_nothing_is_shown_when_piped_and_lines_on_request(
    model: uf.Model, few: Any, capsys: Any
) -> None:
    model.fit(*few)
    model.fit(*few, verbose=0)
    assert capsys.readouterr().out == ""
    model.fit(*few, verbose=2)
    assert capsys.readouterr().out.startswith("epoch 3/3  loss ")


def test_a_bar_is_shown_on_a_terminal(model: uf.Model, few: Any, monkeypatch: Any) -> None:
    from io import StringIO

    from rich.console import Console

    told = StringIO()
    monkeypatch.setattr(progress, "terminal", lambda: Console(file=told, force_terminal=True))
    model.fit(*few, epochs=2)
    assert "epoch 2/2" in told.getvalue()
    assert "steps" in told.getvalue()
