"""How weights begin: the exact numbers, their statistics, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import initializers
from unifw import layers as L
from unifw.errors import FileError, ShapeError, SpecError
from unifw.initializers import (
    FromArray,
    Identity,
    Orthogonal,
    TruncatedNormal,
    VarianceScaling,
    initializer,
    random_state,
)
from unifw.weights import initial

# The first bytes of the SHA-256 of weights of shape (24, 7, 3): equal on every NumPy and machine.
EXACT = {
    "uniform": "6244b26d7d063a7c",
    "normal": "a947cb966d274fce",
    "truncated_normal": "c6b9793b10a0a096",
    "variance_scaling": "c4917597fcb32929",
    "glorot_uniform": "4dd3222f06c8b692",
    "glorot_normal": "ce53cb6e2e8be18d",
    "he_uniform": "1d6fd6deda327b5c",
    "he_normal": "36a8a7f1c81f67ed",
    "lecun_uniform": "1b354c23faffea58",
    "lecun_normal": "96128bb51f4fb205",
    "orthogonal": "611afec2d5667d71",
}
MORE = {
    Orthogonal(1.5): "43d9adb2b2465df1",
    TruncatedNormal(1.0, 0.5): "aa0bcb20ebe0068b",
    VarianceScaling(2.0, "fan_out", "uniform"): "c35946b67a2b0ec7",
}


@pytest.mark.parametrize("given", [*EXACT, *MORE], ids=str)
def test_the_numbers_are_these(given: Any) -> None:
    drawn = initializer(given).sample((24, 7, 3), (21, 72), 0, "w")
    assert drawn.dtype == np.float32
    assert drawn.flags.c_contiguous
    wanted = EXACT[given] if isinstance(given, str) else MORE[given]
    assert hashlib.sha256(drawn.astype("<f4").tobytes()).hexdigest()[:16] == wanted


# ------------------------------------------------------------------------ orthogonal


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 3), (3, 7), (64, 64), (6, 4, 3, 3)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape: Any) -> None:
    drawn = Orthogonal(2.0).sample(shape, (1, 1), 0, "w").astype(np.float64) / 2
    matrix = drawn.reshape(shape[0], -1)
    shorter = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    assert shorter @ shorter.T == pytest.approx(np.eye(len(shorter)), abs=1e-6)


@pytest.mark.parametrize("shape", [(5, 7), (7, 5)])
def test_orthogonal_is_the_q_of_a_qr_with_positive_diagonal(shape: Any) -> None:
    normal = random_state(0, "w").standard_normal(shape).astype(np.float32).astype(np.float64)
    q, r = np.linalg.qr(normal if shape[0] > shape[1] else normal.T)
    q *= np.sign(np.diag(r))
    wanted = q if shape[0] > shape[1] else q.T
    assert Orthogonal().sample(shape, (1, 1), 0, "w") == pytest.approx(wanted, abs=1e-6)


def added(terms: list[float]) -> float:
    while len(terms) > 1:
        half = (len(terms) + 1) // 2
        rest = terms[half:]
        terms = [a + b for a, b in zip(terms, rest, strict=False)] + terms[len(rest) : half]
    return terms[0]


def test_orthogonal_is_plain_arithmetic_to_the_last_bit() -> None:
    # Python's floats know no BLAS, no SIMD and no threads.
    normal = random_state(0, "w").standard_normal((6, 11)).astype(np.float32)
    rows = normal.astype(np.float64).tolist()
    for _ in range(2):
        for k in range(len(rows)):
            length = math.sqrt(added([x * x for x in rows[k]]))
            rows[k] = row = [x / length for x in rows[k]]
            for j in range(k + 1, len(rows)):
                share = added([x * y for x, y in zip(rows[j], row, strict=True)])
                rows[j] = [x - share * y for x, y in zip(rows[j], row, strict=True)]
    found = Orthogonal().draw(random_state(0, "w"), (6, 11), (1, 1))
    assert np.array_equal(found, rows)


def test_every_orthogonal_matrix_is_as_likely() -> None:
    # Without the positive diagonal the first entries would all have the sign that LAPACK prefers.
    drawn = np.array([Orthogonal().sample((3, 3), (1, 1), n) for n in range(600)])
    assert np.abs(drawn.mean(axis=0)).max() < 0.08
    assert (drawn**2).mean(axis=0) == pytest.approx(np.full((3, 3), 1 / 3), abs=0.05)
    turned = np.linalg.det(drawn.astype(np.float64))
    assert abs(turned.mean()) < 0.12


# ------------------------------------------------------------------------ others


def test_truncated_normal_ends_at_two_deviations() -> None:
    drawn = TruncatedNormal(3.0, 0.5).sample((300, 200), (1, 1), 0, "w")
    assert 0.999 < np.abs(drawn - 3).max() <= 1
    assert drawn.mean() == pytest.approx(3, abs=0.01)
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    std = math.sqrt(1 - 4 * density / math.erf(math.sqrt(2)))
    assert drawn.std() == pytest.approx(0.5 * std, rel=0.01)
    # Those that were inside at once are the normal's own numbers.
    normal = random_state(0, "w").standard_normal((300, 200))
    inside = np.abs(normal) <= 2
    assert drawn[inside] == pytest.approx(3 + 0.5 * normal[inside], rel=1e-6)


@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
@pytest.mark.parametrize(("mode", "units"), [("fan_in", 50), ("fan_out", 8), ("fan_avg", 29)])
def test_variance_scaling_has_that_variance(distribution: str, mode: str, units: int) -> None:
    drawn = VarianceScaling(3.0, mode, distribution).sample((300, 200), (50, 8), 0, "w")
    assert drawn.var() == pytest.approx(3 / units, rel=0.02)
    assert abs(drawn.mean()) < 0.01
    most = {"truncated_normal": 2 / 0.8796256, "uniform": 3**0.5}.get(distribution, 6)
    largest = np.abs(drawn).max() / (3 / units) ** 0.5
    assert 0.6 * most < largest <= most * (1 + 1e-6)


@pytest.mark.parametrize(
    ("special", "general"),
    [
        ("glorot_uniform", VarianceScaling(1, "fan_avg", "uniform")),
        ("glorot_normal", VarianceScaling(1, "fan_avg", "untruncated_normal")),
        ("he_uniform", VarianceScaling(2, "fan_in", "uniform")),
        ("he_normal", VarianceScaling(2, "fan_in", "untruncated_normal")),
        ("lecun_uniform", VarianceScaling(1, "fan_in", "uniform")),
        ("lecun_normal", VarianceScaling(1, "fan_in", "untruncated_normal")),
    ],
)
def test_the_named_ones_are_cases_of_the_general_one(special: str, general: Any) -> None:
    one, other = (i.sample((6, 5), (6, 5), 0, "w") for i in (initializer(special), general))
    assert np.array_equal(one, other)


def test_identity_passes_values_through() -> None:
    x = np.random.RandomState(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    layers: list[L.Layer] = [
        L.Conv2D(3, 3, padding="same", weight_init="identity"),
        L.Dense(5, weight_init=Identity(2.0)),
    ]
    found = uf.Model(uf.Sequential(layers, input_shape=(3, 5, 5))).predict(x)
    assert found == pytest.approx(2 * x)
    assert Identity().sample((2, 4), (2, 4)).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


# ------------------------------------------------------------------------ from arrays


def test_an_array_is_where_the_weight_begins() -> None:
    table = np.random.RandomState(0).standard_normal((7, 3))
    net = uf.Sequential([L.Embedding(7, 3, weight_init=FromArray(table))], input_shape=4)
    for seed in (0, 1):
        begun = initial(net, seed)["embedding.weight"]
        assert np.array_equal(begun, table.astype(np.float32))
    again = uf.Graph.from_json(net.to_json())
    assert again == net
    assert hash(again) == hash(net)
    assert np.array_equal(initial(again, 0)["embedding.weight"], table.astype(np.float32))


def test_an_array_is_a_frozen_value() -> None:
    given = np.array([[1.0, 2.0], [3.0, 0.1]], dtype=np.float32)
    kept = FromArray(given)
    given[...] = 0
    kept.values[...] = 0
    assert kept == FromArray([[1, 2], [3, np.float32(0.1)]])
    assert kept != FromArray([1, 2, 3, np.float32(0.1)])
    assert hash(kept) == hash(kept.replace())
    assert eval(repr(kept), vars(initializers).copy()) == kept  # noqa: S307 - our own text
    assert repr(FromArray(np.zeros((100, 3)))) == "FromArray(<float32 of shape (100, 3)>)"
    assert FromArray(np.asfortranarray([[1, 2], [3, 4]])) == FromArray([[1, 2], [3, 4]])


def test_what_does_not_fit_is_refused_when_the_net_is_built() -> None:
    table = FromArray(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"dense\.weight.*has shape \(4, 3\).*given \(2, 3\)"):
        uf.Sequential([L.Dense(3, weight_init=table)], input_shape=4)
    for kind in ("orthogonal", "identity"):
        with pytest.raises(ShapeError, match=r"conv\.bias cannot begin so: .*at least two axes"):
            uf.Sequential([L.Conv1D(3, 2, bias_init=kind, name="conv")], input_shape=(1, 4))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: FromArray([1.0, np.nan]), "not finite"),
        (lambda: FromArray([1e60]), "not finite"),
        (lambda: FromArray([[1.0], [1.0, 2.0]]), "differ in length"),
        (lambda: FromArray([True]), "real numbers, got bool"),
        (lambda: FromArray(["a"]), "real numbers"),
        (lambda: FromArray([1j]), "real numbers"),
        (lambda: FromArray("zeros"), "holds no array"),
        (lambda: FromArray("2:AAAA"), "holds no array"),
        (lambda: FromArray("2:????"), "holds no array"),
        (lambda: TruncatedNormal(std=-1), "std"),
        (lambda: Orthogonal(math.inf), "gain"),
        (lambda: VarianceScaling(0), "scale"),
        (lambda: VarianceScaling(mode="fan_inn"), "Did you mean 'fan_in'"),
        (lambda: VarianceScaling(distribution="normal"), "Did you mean"),
        (lambda: initializer("orthogonl"), "Did you mean 'orthogonal'"),
        (lambda: initializer(Orthogonal), r"write Orthogonal\(\)"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make()


def test_a_damaged_array_in_a_stored_net_is_refused() -> None:
    net = uf.Sequential([L.Dense(2, weight_init=FromArray(np.ones((2, 2))))], input_shape=2)
    data = json.loads(net.to_json())
    for text in ("2x2:AAAA", "1x4:AACAPwAAgD8AAIA/AACAPw=="):
        data["nodes"][0]["layer"]["weight_init"]["array"] = text
        with pytest.raises(FileError, match="damaged"):
            uf.Graph.from_json(json.dumps(data))


@pytest.mark.parametrize("name", initializers.CATALOGUE)
def test_every_initializer_prints_as_it_is_written_and_travels_as_json(name: str) -> None:
    kind: Any = initializers.CATALOGUE[name]
    made = kind(np.ones((3, 2))) if kind is FromArray else kind()
    assert eval(repr(made), vars(initializers).copy()) == made  # noqa: S307 - our own text
    net = uf.Sequential([L.Dense(2, weight_init=made)], input_shape=3)
    assert uf.Graph.from_json(net.to_json()) == net
