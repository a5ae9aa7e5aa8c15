"""Paddle's dense layers in large batches, whose way back is written out: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.testing.cases import LAYERS, ROWS
from unifw.testing.compare import judge_gradients

FIRST = uf.Sequential([L.Dense(4), L.ReLU(), L.Dense(2)], input_shape=(3, 5))
CASES = {
    case.name: (case.probed, case.probed_inputs()) for case in LAYERS if type(case.layer) is L.Dense
}
CASES["nothing-before-it-learns"] = (FIRST, (np.ones((ROWS, 3, 5), np.float32),))


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have every batch count as large; one number for each dense layer that is gone through so."""
    registry.backend("paddle").load()
    from unifw.backends.paddle import dense

    rows: list[int] = []
    given = dense.Product.apply
    monkeypatch.setattr(dense, "MANY", 0)
    monkeypatch.setattr(dense.Product, "apply", lambda x, *w: rows.append(len(x)) or given(x, *w))
    return rows


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str, used: list[int]) -> None:
    graph, inputs = CASES[name]
    judge_gradients("paddle", graph, inputs)
    biased = [p for p in graph if isinstance(p.layer, L.Dense) and p.layer.bias]
    assert len(used) == len(biased)
