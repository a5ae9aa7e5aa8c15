"""Nets as data: what is refused, what is printed, what travels as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.errors import FileError, ShapeError, SpecError, UnknownName
from unifw.spec.value import decode
from unifw.testing.cases import LAYERS, LOSSES, OPTIMIZERS, WHOLE_DATA
from unifw.testing.held import HELD
from unifw.weights import initial


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: L.Dense(0), "units must be a whole number of at least 1, got 0"),
        (lambda: L.Dense(2.5), "units"),
        (lambda: L.Conv2D(4, 3, groups=3), "groups"),
        (lambda: L.Conv2D(4, (3, 3, 3)), "kernel_size must have 2 numbers"),
        (lambda: L.Conv2D(4, 3, padding="same_"), "Did you mean 'same'"),
        (lambda: L.Conv2D(4, 3, padding=((1, 1),)), "padding must be 2 pairs"),
        (lambda: L.MaxPool2D(2, padding=2), "must be smaller than pool_size"),
        (lambda: L.Dropout(1.0), "rate"),
        (lambda: L.SpatialDropout(-0.1), "rate"),
        (lambda: L.GaussianNoise(-1), "std"),
        (lambda: L.BatchNorm(momentum=1.5), "weight of the new batch"),
        (lambda: L.Permute((1, 1)), "axes must name each of 1 … 2 once"),
        (lambda: L.Reshape((-1, -1)), "only one axis"),
        (lambda: L.GELU("tan"), "Did you mean 'tanh'"),
        (lambda: L.Hardtanh(1, 1), "min_value must be below max_value, got 1 and 1"),
        (lambda: L.GLU(0), "other than 0, the batch"),
        (lambda: L.Softmax(None), "axis must be a whole number"),
        (lambda: L.Concatenate("a"), "axis must be a whole number"),
        (lambda: L.Dense(3, bias=False, bias_init="ones"), "bias_init needs a bias"),
        (lambda: L.LSTM(3, bias=False, bias_init="ones"), "bias_init needs a bias"),
        (lambda: L.HardSigmoid(0), "slope"),
        (lambda: L.Softplus(0), "beta"),
        (lambda: L.CELU(-1), "alpha"),
        (
            lambda: L.Dot(0),
            "every one of axes must be a whole number other than 0, the batch, got 0",
        ),
        (lambda: L.Dot((1, 2, 3)), "axes must be one or two"),
        (lambda: L.Dot(1, normalize="yes"), "normalize must be True or False"),
        (lambda: L.PReLU(shared=1), "shared must be True or False"),
        (lambda: L.Dense(3, weight_init="he"), "initializer"),
        (lambda: L.Dense(3, name="a b"), "letters, digits"),
        (lambda: uf.optimizers.SGD(nesterov=True), "nesterov needs a momentum"),
        (lambda: uf.optimizers.Adam(beta1=1.0), "beta1"),
        (lambda: uf.optimizers.Adam(clip_norm=1.0, clip_value=1.0), "exclude each other"),
        (lambda: uf.losses.CrossEntropy(label_smoothing=1), "label_smoothing"),
        (lambda: uf.losses.Huber(0), "delta"),
        (lambda: uf.metrics.TopKAccuracy(0), "k must be"),
    ],
)
def test_wrong_arguments_are_refused_at_once(make: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says.replace("(", r"\(")):
        make()


@pytest.mark.parametrize(
    ("layers", "shape", "says"),
    [
        ([L.Conv2D(4, 3)], (8, 8), r"layer 0, Conv2D\(4, 3\).*input_shape=\(1, 8, 8\)"),
        ([L.Conv2D(4, 9)], (1, 8, 8), "a window of 9 does not fit into 8 along axis 1"),
        ([L.Conv2D(4, 3, groups=2)], (3, 8, 8), "groups"),
        ([L.Flatten(), L.Conv1D(4, 3)], (1, 8, 8), r"layer 1.*channels first, got \(64,\)"),
        ([L.Reshape((5, -1))], (8,), "8 values do not fit into"),
        ([L.Permute((2, 1))], (8,), "need 2 axes besides the batch"),
        ([L.GlobalAvgPool()], (8,), "needs input of shape"),
        ([L.LayerNorm(2)], (8,), "cannot normalise the last 2 axes"),
        ([L.Softmax(3)], (8,), "axis 3 is not there"),
        ([L.SpatialDropout()], (8,), r"got \(8,\); use Dropout"),
        ([L.GLU(1)], (3, 4), "axis 1 is 3 long, which has no two halves"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_layer_and_mend(
    layers: Any, shape: Any, says: str
) -> None:
    with pytest.raises(ShapeError, match=says):
        uf.Sequential(layers, input_shape=shape)


def test_wrong_graphs_are_refused() -> None:
    x, other = uf.Input(4), uf.Input(3)
    with pytest.raises(SpecError, match="does not reach any output"):
        uf.Graph([x, other], L.Dense(2)(x))
    with pytest.raises(SpecError, match="not among the inputs"):
        uf.Graph(x, L.Concatenate()(x, other))
    with pytest.raises(ShapeError, match="same shape"):
        L.Add()(x, other)
    with pytest.raises(ShapeError, match="at least two besides the batch"):
        L.MatMul()(x, other)
    with pytest.raises(ShapeError, match=r"last axis, 3, must be as long as .* one, 2"):
        L.MatMul()(uf.Input((2, 3)), uf.Input((2, 3)))
    with pytest.raises(ShapeError, match="equally long, got 4 and 3"):
        L.Dot(1)(x, other)
    with pytest.raises(SpecError, match=r"takes 2 input\(s\), got 3"):
        L.Subtract()(x, x, x)
    with pytest.raises(SpecError, match="at least 2"):
        L.Add()(x)
    with pytest.raises(SpecError, match="takes int input"):
        L.Embedding(4, 2)(x)
    with pytest.raises(SpecError, match="two nodes of the net are named 'a'"):
        uf.Graph(x, L.Dense(2, name="a")(L.Dense(3, name="a")(x)))
    with pytest.raises(ShapeError, match="shares the weights"):
        shared = L.Dense(3)
        uf.Graph(x, shared(shared(x)))
    with pytest.raises(SpecError, match="outputs must be different"):
        y = L.Dense(2)(x)
        uf.Graph(x, [y, y])
    with pytest.raises(SpecError, match=r"write Dense\(\.\.\.\)"):
        uf.Sequential([L.Dense], input_shape=4)  # type: ignore[list-item]


def test_layers_are_frozen_values() -> None:
    layer = L.Conv2D(4, 3)
    assert layer == L.Conv2D(4, (3, 3), stride=1)
    assert hash(layer) == hash(L.Conv2D(4, 3))
    assert layer.replace(filters=8) == L.Conv2D(8, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.filters = 5  # type: ignore[misc]


@pytest.mark.parametrize("case", [*LAYERS, *HELD], ids=lambda case: case.name)
def test_every_layer_prints_as_it_is_written_and_travels_as_json(case: Any) -> None:
    names = vars(L) | vars(uf.initializers) | vars(uf.regularizers) | vars(uf.constraints)
    assert eval(repr(case.layer), dict(names)) == case.layer  # noqa: S307 - our own text
    assert uf.Graph.from_json(case.graph.to_json()) == case.graph
    assert hash(uf.Graph.from_json(case.probed.to_json())) == hash(case.probed)


def test_losses_and_optimizers_print_as_they_are_written() -> None:
    values: list[Any] = [*(case.loss for case in LOSSES), *OPTIMIZERS.values()]
    names = vars(uf.losses) | vars(uf.schedules) | vars(uf.optimizers)
    assert [eval(repr(value), dict(names)) for value in values] == values  # noqa: S307


def test_the_catalogue_is_covered_by_cases() -> None:
    assert {type(case.layer).__name__ for case in LAYERS} == set(L.CATALOGUE)


def test_every_optimizer_and_schedule_has_a_case_and_travels_as_json() -> None:
    values = [*OPTIMIZERS.values(), *WHOLE_DATA.values()]
    assert {type(value).__name__ for value in values} == set(uf.optimizers.CATALOGUE)
    for value in values:
        data = json.loads(json.dumps(value.to_data()))
        again = decode(data, uf.optimizers.STORED)
        assert again == value
        assert hash(again) == hash(value)


def test_json_of_shared_weights_and_several_outputs() -> None:
    x = uf.Input(4, name="x")
    shared = L.Dense(4)
    net = uf.Graph(x, [L.ReLU()(shared(shared(x))), L.Dense(2, name="end")(x)], name="two")
    again = uf.Graph.from_json(net.to_json())
    assert again == net
    assert list(again.parts) == ["dense.weight", "dense.bias", "end.weight", "end.bias"]
    assert again["dense_1"].owner == "dense"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"unifw_graph": 99}', '{"unifw_graph": 1}', "nonsense"],
)
def test_foreign_json_is_refused(text: str) -> None:
    with pytest.raises(FileError):
        uf.Graph.from_json(text)


def test_json_with_an_unknown_layer_or_wrong_shapes_is_refused(net: uf.Graph) -> None:
    data = json.loads(net.to_json())
    data["nodes"][0]["layer"]["kind"] = "Conv9D"
    with pytest.raises(FileError, match="newer unifw"):
        uf.Graph.from_json(json.dumps(data))
    data["nodes"][0]["layer"]["kind"] = "Conv1D"
    with pytest.raises(FileError, match="damaged"):
        uf.Graph.from_json(json.dumps(data))


def test_summary_shows_names_shapes_and_counts(net: uf.Graph, capsys: Any) -> None:
    net.summary()
    told = capsys.readouterr().out
    for word in ("conv2d", "(n, 4, 6, 6)", "1,450", "1,498 trained parameters, 8 running"):
        assert word in told


def test_first_weights_depend_on_seed_and_name_alone(net: uf.Graph) -> None:
    one, other = initial(net, 0), initial(net, 1)
    assert np.array_equal(one["dense.weight"], initial(net, 0)["dense.weight"])
    assert not np.array_equal(one["dense.weight"], other["dense.weight"])
    limit = np.sqrt(6 / (144 + 10))
    assert limit * 0.95 < np.abs(one["dense.weight"]).max() <= limit
    # Frozen: NumPy keeps RandomState's stream, and files and tests rest on these numbers.
    assert one["conv2d.weight"].reshape(-1)[:2] == pytest.approx(
        [-0.03121954, 0.12987857], abs=1e-7
    )


def test_frozen_layers_are_counted_apart(net: uf.Graph, capsys: Any) -> None:
    still = net.frozen("conv*", "batch*")
    assert (still.parameter_count, still.frozen_count) == (1450, 40 + 8 + 8)
    assert (net.parameter_count, net.frozen_count) == (1498, 0)
    still.summary()
    told = capsys.readouterr().out
    assert "1,450 trained parameters, 56 frozen" in told
    assert "running" not in told
    assert list(still.parts) == list(net.parts)
    assert still.thawed("*") == net
    assert [p.layer.trainable for p in still] == [False, False, True, True, True]
    assert uf.Graph.from_json(still.to_json()) == still


def test_freezing_follows_shared_weights_and_names() -> None:
    x = uf.Input(4, name="x")
    shared, act = L.Dense(4), L.ReLU(name="act")
    net = uf.Graph(x, [act(shared(act(shared(x)))), L.Dense(2, name="end")(x)], name="two")
    still = net.frozen("dense_1")
    assert [node.name for node in still.nodes] == [node.name for node in net.nodes]
    assert uf.Graph.from_json(still.to_json()) == still
    assert still["dense"].layer is still["dense_1"].layer
    assert still["dense_1"].owner == "dense"
    assert still.frozen_count == 20
    assert not any(part.trainable for part in still["dense_1"].parts.values())
    for pattern in ("conv*", "act", ""):
        with pytest.raises(UnknownName, match="No layer with weights named"):
            net.frozen("end", pattern)
    with pytest.raises(SpecError, match="trainable must be True or False"):
        L.Dense(3, trainable=1)  # type: ignore[arg-type]
    assert L.Dense(3).replace(trainable=False) == L.Dense(3, trainable=False)
    assert repr(L.Dense(3, trainable=False)) == "Dense(3, trainable=False)"


def test_nets_stored_before_a_field_was_there_still_load(net: uf.Graph) -> None:
    data = json.loads(net.to_json())
    since = {"trainable", "weight_regularizer", "bias_regularizer", "weight_constraint",
             "bias_constraint"}  # fmt: skip
    for node in data["nodes"]:
        node["layer"] = {k: v for k, v in node["layer"].items() if k not in since}
    assert uf.Graph.from_json(json.dumps(data)) == net


def test_unknown_names_come_with_the_nearest() -> None:
    net = uf.Sequential([L.Dense(2)], input_shape=3)
    for words, near in (
        ({"backend": "padle"}, "paddle"),
        ({"loss": "crossentropy"}, "cross_entropy"),
        ({"optimizer": "adm"}, "adam"),
        ({"metrics": ["acuracy"], "loss": "mse"}, "accuracy"),
    ):
        with pytest.raises(UnknownName, match=f"Did you mean '{near}'"):
            uf.Model(net, **words)  # type: ignore[arg-type]
