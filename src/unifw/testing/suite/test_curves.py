"""Whole loss curves, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from unifw import optimizers
from unifw.testing.cases import (
    DEEP,
    KINKED,
    OPTIMIZERS,
    SMOOTH,
)
from unifw.testing.cases.texts import TEXTS, text
from unifw.testing.compare import (
    CROSS_ENTROPY,
    CURVE,
    REFERENCE,
    curve,
    opened,
    parted,
)
from unifw.testing.zoo import ZOO, ZooCase
from unifw.weights import initial

ZOO_CURVE, ZOO_MOVED = 1e-3, 0.1
STEPS, TEXT_STEPS = 100, 50

CURVES = [("mlp", name) for name in OPTIMIZERS] + [("lenet", name) for name in DEEP]


@pytest.mark.parametrize(("net", "optimizer"), CURVES)
def test_curve(backend: str, net: str, optimizer: str) -> None:
    assert parted(backend, SMOOTH[net], OPTIMIZERS[optimizer]) <= CURVE


def test_curve_with_relu_and_ties_in_max_pool(backend: str) -> None:
    assert parted(backend, KINKED, optimizers.SGD(0.001)) <= CURVE


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.name)
def test_curve_of_the_zoo(backend: str, case: ZooCase) -> None:
    first, rule = initial(case.graph, 0), optimizers.SGD(case.rate)
    curves, ends = [], []
    for name, dtype in ((backend, "float32"), REFERENCE):
        with opened(name, case.graph, (case.loss,), rule, weights=first, dtype=dtype) as session:
            curves.append(curve(session, case.data().cast(dtype), STEPS // 2))
            ends.append(session.weights())
    assert curves[0] == pytest.approx(curves[1], rel=ZOO_CURVE)
    # At such rates a loss says little about gradients; where the weights have gone says it.
    found, wanted = ({k: v - first[k] for k, v in end.items()} for end in ends)
    for name, moved in wanted.items():
        most = max(float(np.abs(moved).max()), 1e-5)
        assert np.abs(found[name] - moved).max() <= ZOO_MOVED * most, name


@pytest.mark.parametrize("net", TEXTS)
def test_curve_of_nets_that_read_texts(backend: str, net: str) -> None:
    graph, data, first, curves = TEXTS[net], text(320), initial(TEXTS[net], 0), []
    for name, dtype in ((backend, "float32"), REFERENCE):
        adam = optimizers.Adam(0.003)
        with opened(name, graph, (CROSS_ENTROPY,), adam, weights=first, dtype=dtype) as session:
            curves.append(curve(session, data.cast(dtype), TEXT_STEPS, 32))
    found, wanted = curves
    assert wanted[-5:].mean() < wanted[:5].mean() - 0.1  # it learns
    assert float(np.max(np.abs(found - wanted) / wanted)) <= CURVE
