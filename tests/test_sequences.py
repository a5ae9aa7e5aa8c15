"""Layers that read series: the reference itself, against formulas written out, differences, and properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.backends.numpy.calls import Call
from unifw.backends.numpy.formula import by_formula
from unifw.backends.numpy.layout import Room
from unifw.backends.numpy.rules import rules
from unifw.data import Data
from unifw.errors import DataError, ShapeError, SpecError, UnknownName
from unifw.formulas.table import formulas
from unifw.testing.cases import ROWS, attention, recurrent, texts
from unifw.testing.cases.kinds import LayerCase
from unifw.testing.compare import apart, opened, rough_weights

EXACT = 1e-12

each_recurrent = pytest.mark.parametrize("case", recurrent.CASES, ids=lambda case: case.name)


def doubled(arrays: Any) -> tuple[Any, ...]:
    return Data(tuple(arrays)).cast("float64").xs


def forward(net: uf.Graph, weights: Any, *inputs: Any) -> Any:
    with opened("numpy", net, weights=weights, dtype="float64") as session:
        (out,) = session.forward(doubled(inputs))
    return out


def called(case: LayerCase, rule: Any) -> tuple[Any, Any, Any]:
    """Return the output of a rule of NumPy, and the gradients of inputs and weights."""
    (placed,) = case.graph.walk
    held = rough_weights(case.graph)
    weights = {part: held[full].astype(np.float64) for part, full in placed.weights.items()}
    call = Call(weights, doubled(case.inputs()), True, Room(), Room())
    y, backward = rule(placed)(call)
    y = y.copy()
    to_inputs, to_parts = backward(np.random.RandomState(2).standard_normal(y.shape))
    return y, to_inputs, to_parts


@each_recurrent
def test_numpys_own_passes_are_those_of_the_formula(case: LayerCase) -> None:
    y, to_inputs, to_parts = called(case, rules.find(case.layer))
    wanted, wanted_inputs, wanted_parts = called(case, by_formula(formulas.find(case.layer)))
    assert apart(y, wanted) <= EXACT
    assert apart(to_inputs[0], wanted_inputs[0]) <= EXACT
    assert to_parts.keys() == wanted_parts.keys()
    for part, value in wanted_parts.items():
        assert apart(to_parts[part], value) <= EXACT, part


# ------------------------------------------------------------------------ recurrence, by formulas


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def weights_of(net: uf.Graph, kind: str) -> dict[str, Any]:
    return {n.partition(".")[2]: w.astype(np.float64) for n, w in rough_weights(net).items()
            if n.startswith(kind)}  # fmt: skip


SERIES = np.random.RandomState(4).standard_normal((1, 3, 1))


def test_lstm_is_its_formula() -> None:
    net = uf.Sequential([L.LSTM(1)], input_shape=(3, 1))
    w = weights_of(net, "lstm")
    h = c = 0.0
    for x in SERIES[0, :, 0]:
        i, f, g, o = x * w["weight"][0] + h * w["recurrent_weight"][0] + w["bias"]
        c = sigmoid(f) * c + sigmoid(i) * math.tanh(g)
        h = sigmoid(o) * math.tanh(c)
    assert forward(net, rough_weights(net), SERIES).item() == pytest.approx(h, rel=EXACT)


def test_gru_is_its_formula() -> None:
    net = uf.Sequential([L.GRU(1)], input_shape=(3, 1))
    w = weights_of(net, "gru")
    h = 0.0
    for x in SERIES[0, :, 0]:
        r, z, n = x * w["weight"][0] + w["bias"]
        past = h * w["recurrent_weight"][0]
        n = math.tanh(n + sigmoid(r + past[0]) * (past[2] + w["recurrent_bias"][0]))
        z = sigmoid(z + past[1])
        h = (1 - z) * n + z * h
    assert forward(net, rough_weights(net), SERIES).item() == pytest.approx(h, rel=EXACT)


@pytest.mark.parametrize(
    ("activation", "bend"), [("tanh", math.tanh), ("relu", lambda x: max(x, 0))]
)
def test_simple_rnn_is_its_formula(activation: str, bend: Any) -> None:
    net = uf.Sequential([L.SimpleRNN(1, activation=activation)], input_shape=(3, 1))
    w = weights_of(net, "simple_rnn")
    h = 0.0
    for x in SERIES[0, :, 0]:
        h = bend((x * w["weight"] + h * w["recurrent_weight"] + w["bias"]).item())
    assert forward(net, rough_weights(net), SERIES).item() == pytest.approx(h, rel=EXACT)


@pytest.mark.parametrize("kind", [L.SimpleRNN, L.LSTM, L.GRU])
@pytest.mark.parametrize(
    "options",
    [{}, {"return_sequences": True}, {"reverse": True}, {"bidirectional": True, "layers": 2}],
    ids=str,
)
def test_a_length_is_as_if_the_series_ended_there(kind: Any, options: Any) -> None:
    time, layer = 4, kind(3, **options)
    x, lengths = uf.Input((time, 2)), uf.Input((), "int")
    net = uf.Graph([x, lengths], layer(x, lengths))
    weights = rough_weights(net)
    series = np.random.RandomState(1).standard_normal((1, time, 2))
    for length in range(time + 1):
        found = forward(net, weights, series, np.array([length]))
        assert np.isfinite(found).all()
        if layer.return_sequences:
            assert not found[:, length:].any()
            found = found[:, :length]
        if length == 0:
            assert not found.any()
            continue
        short = uf.Sequential([layer], input_shape=(length, 2))
        assert apart(found, forward(short, weights, series[:, :length])) <= EXACT


@pytest.mark.parametrize("kind", [L.SimpleRNN, L.LSTM, L.GRU])
def test_reverse_and_bidirectional_are_what_they_say(kind: Any) -> None:
    series = np.random.RandomState(1).standard_normal((2, 4, 3))

    def outs(layer: L.Layer, x: Any, weights: Any = None) -> Any:
        net = uf.Sequential([layer], input_shape=(4, 3))
        return forward(net, weights or rough_weights(net), x)

    plain, turned = (kind(2, True, reverse=reverse, name="rnn") for reverse in (False, True))
    assert apart(outs(turned, series), outs(plain, series[:, ::-1])[:, ::-1]) <= EXACT
    both = uf.Sequential([kind(2, True, True, name="rnn")], input_shape=(4, 3))
    weights = rough_weights(both)
    first = {n: w for n, w in weights.items() if not n.endswith("_0_reverse")}
    second = {n.removesuffix("_0_reverse"): w for n, w in weights.items() if n not in first}
    joined = np.concatenate([outs(plain, series, first), outs(turned, series, second)], axis=2)
    assert apart(forward(both, weights, series), joined) <= EXACT


def test_a_stack_is_one_layer_after_the_other() -> None:
    series = np.random.RandomState(1).standard_normal((2, 4, 3))
    stacked = uf.Sequential([L.GRU(2, layers=2, name="a")], input_shape=(4, 3))
    weights = rough_weights(stacked)
    apart_ = uf.Sequential([L.GRU(2, True, name="a"), L.GRU(2, name="b")], input_shape=(4, 3))
    split = {f"b.{n[2:-2]}" if n.endswith("_1") else n: w for n, w in weights.items()}
    assert split.keys() == rough_weights(apart_).keys()
    assert apart(forward(stacked, weights, series), forward(apart_, split, series)) <= EXACT


# ------------------------------------------------------------------------ attention, by formulas


def looked(w: Any, query: Any, key: Any, value: Any, heads: int, seen: Any) -> Any:
    """Return multi-head attention of one sample, worked out number by number."""
    q, k, v = (
        x @ w[f"{name}_weight"] + w[f"{name}_bias"]
        for name, x in (("query", query), ("key", key), ("value", value))
    )
    size, give = q.shape[1] // heads, v.shape[1] // heads
    mixed = np.zeros((len(q), heads * give))
    for head in range(heads):
        cut, out = slice(head * size, (head + 1) * size), slice(head * give, (head + 1) * give)
        for i in range(len(q)):
            shares = [
                math.exp(q[i, cut] @ k[j, cut] / math.sqrt(size)) if seen(i, j) else 0.0
                for j in range(len(k))
            ]
            mixed[i, out] = sum(s * v[j, out] for j, s in enumerate(shares)) / sum(shares)
    return mixed @ w["output_weight"] + w["output_bias"]


@pytest.mark.parametrize(
    ("name", "heads"),
    [("attention", 2), ("attention-options", 3), ("attention-causal", 2), ("attention-cross", 2),
     ("attention-key", 2), ("attention-mask", 2), ("attention-cross-mask", 3)],
)  # fmt: skip
def test_attention_is_its_formula(name: str, heads: int) -> None:
    case = next(case for case in attention.CASES if case.name == name)
    inputs = doubled(case.inputs())
    out = forward(case.graph, rough_weights(case.graph), *inputs)
    mask = inputs[-1] if case.layer.masked else None  # type: ignore[attr-defined]
    given = inputs if mask is None else inputs[:-1]
    w = weights_of(case.graph, "multi_head_attention")
    checked = 0
    for row in range(ROWS):
        query, value = given[0][row], given[min(1, len(given) - 1)][row]
        key = given[2][row] if len(given) > 2 else value
        if mask is not None and not mask[row].any(axis=-1).all():
            continue  # a query that sees nothing: a test of its own

        def seen(i: int, j: int, row: int = row) -> bool:
            if mask is None:
                return "causal" not in name or j <= i
            return bool(mask[row][j] if mask.ndim == 2 else mask[row][i, j])

        assert apart(out[row], looked(w, query, key, value, heads, seen)) <= EXACT
        checked += 1
    assert checked


def test_who_may_see_nothing_gets_the_mean() -> None:
    x, mask = uf.Input((3, 4)), uf.Input(3, "int")
    net = uf.Graph([x, mask], L.MultiHeadAttention(2, masked=True)(x, mask))
    weights = rough_weights(net)
    w = weights_of(net, "multi_head_attention")
    series = np.random.RandomState(0).standard_normal((1, 3, 4))
    found = forward(net, weights, series, np.zeros((1, 3), dtype=np.int64))
    mean = (series[0] @ w["value_weight"] + w["value_bias"]).mean(axis=0)
    assert apart(found[0], [mean @ w["output_weight"] + w["output_bias"]] * 3) <= EXACT


def test_positions_are_their_formulas() -> None:
    zeros = np.zeros((1, 3, 5))
    waves = forward(uf.Sequential([L.SinusoidalPositions()], input_shape=(3, 5)), {}, zeros)[0]
    for t in range(3):
        for c in range(5):
            angle = t / 10000 ** (2 * (c // 2) / 5)
            assert waves[t, c] == pytest.approx(math.cos(angle) if c % 2 else math.sin(angle))
    net = uf.Sequential([L.PositionalEmbedding(7)], input_shape=(3, 5))
    weights = rough_weights(net)
    assert apart(forward(net, weights, zeros)[0], *(w[:3] for w in weights.values())) == 0


# ------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: L.LSTM(0), SpecError, "units must be a whole number of at least 1"),
        (lambda: L.GRU(2, layers=0), SpecError, "layers"),
        (lambda: L.GRU(2, return_sequences=1), SpecError, "return_sequences must be True or False"),
        (lambda: L.LSTM(2, bidirectional=True, reverse=True), SpecError, "both directions"),
        (lambda: L.SimpleRNN(2, activation="relus"), UnknownName, "Did you mean 'relu'"),
        (lambda: L.LSTM(2, recurrent_init="he"), SpecError, "initializer"),
        (lambda: L.MultiHeadAttention(0), SpecError, "heads"),
        (lambda: L.MultiHeadAttention(2, 0), SpecError, "key_dim"),
        (lambda: L.MultiHeadAttention(2, value_dim=2.5), SpecError, "value_dim"),
        (lambda: L.MultiHeadAttention(2, causal=1), SpecError, "causal"),
        (lambda: L.PositionalEmbedding(0), SpecError, "length"),
        (lambda: L.SinusoidalPositions(1), SpecError, "base"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        make()


SEEN, WHOLE = uf.Input((4, 6)), uf.Input((4, 4), "int")


@pytest.mark.parametrize(
    ("layer", "inputs", "error", "says"),
    [
        (L.LSTM(2), (uf.Input(4),), ShapeError, r"shape \(time, features\), got \(4,\)"),
        (L.LSTM(2), (SEEN, uf.Input(2, "int")), ShapeError, r"lengths of shape \(\) or \(1,\)"),
        (L.LSTM(2), (SEEN, SEEN), SpecError, "takes int input"),
        (L.LSTM(2), (uf.Input((4, 6), "int"),), SpecError, "takes float input"),
        (L.GRU(2), (SEEN, uf.Input(1, "int"), SEEN), SpecError, "takes 1 to 2 input"),
        (L.MultiHeadAttention(4), (SEEN,), ShapeError, "6 features.*heads=4.*or give key_dim"),
        (L.MultiHeadAttention(2), (uf.Input(6),), ShapeError, "query of shape"),
        (L.MultiHeadAttention(2), (SEEN, uf.Input(6)), ShapeError, "value of shape"),
        (L.MultiHeadAttention(2), (SEEN, WHOLE), SpecError, "takes float input"),
        (L.MultiHeadAttention(2), (SEEN,) * 4, SpecError, r"query, value, key \(masked=True"),
        (L.MultiHeadAttention(2, masked=True), (SEEN,), SpecError, "the mask after them; got 1"),
        (L.MultiHeadAttention(2, masked=True), (SEEN, SEEN), SpecError, "takes int input"),
        (
            L.MultiHeadAttention(2, masked=True), (SEEN, uf.Input(5, "int")), ShapeError,
            r"mask of shape \(4,\) or \(4, 4\), got \(5,\)",
        ),
        (
            L.MultiHeadAttention(2), (SEEN, SEEN, uf.Input((3, 6))), ShapeError,
            "as many keys as values, got 3 and 4",
        ),
        (
            L.MultiHeadAttention(2, causal=True), (SEEN, uf.Input((5, 6))), ShapeError,
            "as many keys as queries, got 5 and 4",
        ),
        (L.PositionalEmbedding(3), (SEEN,), ShapeError, "length=3"),
        (L.SinusoidalPositions(), (uf.Input(3),), ShapeError, "needs a series"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(layer: Any, inputs: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        layer(*inputs)


def test_lengths_beyond_the_series_and_other_masks_are_refused() -> None:
    net = texts.TEXTS["lstm-classifier"]
    data = texts.text(4)
    with pytest.raises(DataError, match=r"lengths\) must lie in 0 … 8"):
        uf.Model(net).predict([data.xs[0], data.xs[1] + 8])
    masked = uf.Graph([SEEN, WHOLE], L.MultiHeadAttention(2, masked=True)(SEEN, WHOLE))
    with pytest.raises(DataError, match=r"must lie in 0 … 1 "):
        uf.Model(masked).predict([np.zeros((1, 4, 6), np.float32), np.full((1, 4, 4), 2)])


@pytest.mark.parametrize("net", texts.TEXTS)
def test_nets_that_read_texts_travel_and_export(net: str, tmp_path: Any) -> None:
    graph = texts.TEXTS[net]
    assert uf.Graph.from_json(graph.to_json()) == graph
    model = uf.Model(graph)
    assert model.export(tmp_path / "net.onnx").verified
    model.save(tmp_path / "net.unifw")
    inputs = list(texts.text(6).xs)
    loaded = uf.load(tmp_path / "net.unifw")
    assert np.array_equal(loaded.predict(inputs), model.predict(inputs))
