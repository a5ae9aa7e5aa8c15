"""A few rows go through MegEngine's own LSTM: the same numbers, by the weights of that moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.testing.compare import opened

TIME, FEATURES = 7, 3


def evaluated(backend: str, net: uf.Graph, x: Any) -> Any:
    with opened(backend, net) as session:
        return session.forward((x,))[0]


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"reverse": True},
        {"return_sequences": True},
        {"return_sequences": True, "reverse": True},
        {"layers": 2, "bidirectional": True},
        {"layers": 3, "return_sequences": True, "bidirectional": True},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_few_rows(rows: int, options: dict[str, Any]) -> None:
    net = uf.Sequential([L.LSTM(5, **options)], input_shape=(TIME, FEATURES))
    x = np.random.RandomState(0).standard_normal((rows, TIME, FEATURES)).astype(np.float32)
    assert np.allclose(evaluated("megengine", net, x), evaluated("numpy", net, x), atol=1e-6)


@pytest.mark.parametrize(("rows", "wanted"), [(1, 3), (3, 3), (4, 0)])
def test_which_rows_are_few(rows: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.backend("megengine").load()
    from unifw.backends.megengine import recurrent

    calls: list[int] = []
    kernel = recurrent.Kernel.__call__
    monkeypatch.setattr(
        recurrent.Kernel, "__call__", lambda *given: calls.append(1) or kernel(*given)
    )
    layers = [L.LSTM(5, bidirectional=True, return_sequences=True), L.LSTM(5)]
    net = uf.Sequential(layers, input_shape=(TIME, FEATURES))
    evaluated("megengine", net, np.ones((rows, TIME, FEATURES), np.float32))
    assert len(calls) == wanted


def test_few_rows_of_some_length() -> None:
    x = np.random.RandomState(0).standard_normal((2, TIME, FEATURES)).astype(np.float32)
    series, length = uf.Input((TIME, FEATURES)), uf.Input((), "int")
    net = uf.Graph([series, length], L.LSTM(5)(series, length))
    found = []
    for backend in ("megengine", "numpy"):
        with opened(backend, net) as session:
            found.append(session.forward((x, np.array([3, 7])))[0])
    assert np.allclose(*found, atol=1e-6)


def test_weights_that_have_changed() -> None:
    net = uf.Sequential([L.LSTM(5)], input_shape=(TIME, FEATURES))
    x = np.ones((1, TIME, FEATURES), np.float32)
    with opened("megengine", net) as session:
        before = session.forward((x,))[0]
        weight = session.native.weight("lstm.recurrent_weight")
        weight *= 2.0
        after = session.forward((x,))[0]
        weights = session.weights()
    with opened("numpy", net, weights=weights) as session:
        assert np.allclose(after, session.forward((x,))[0], atol=1e-6)
    assert not np.allclose(after, before, atol=1e-3)
