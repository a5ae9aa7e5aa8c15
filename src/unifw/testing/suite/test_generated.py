"""Layers with generated arguments and shapes."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from unifw.data import Data
from unifw.testing.cases.kinds import ROWS, LayerCase
from unifw.testing.compare import (
    FORWARD,
    GRADIENT,
    MSE,
    REFERENCE,
    apart,
    gradients,
    judged,
    opened,
)
from unifw.testing.generated import cases


@given(case=cases())
def test_any_layer_gives_the_same(backend: str, case: LayerCase) -> None:
    graph = case.probed
    target = np.random.RandomState(1).standard_normal((ROWS, *graph.out_shapes[0]))
    batch = Data(case.probed_inputs(), (target.astype(np.float32),))
    with opened(backend, graph, MSE) as session:
        (out,) = session.forward(batch.xs)
        loss, found = gradients(session, batch)
    with opened(REFERENCE[0], graph, MSE, dtype=REFERENCE[1]) as reference:
        (wanted_out,) = reference.forward(batch.cast(REFERENCE[1]).xs)
        wanted_loss, wanted = gradients(reference, batch.cast(REFERENCE[1]))
    assert apart(out, wanted_out) <= FORWARD
    assert apart(loss, wanted_loss) <= FORWARD
    judged(found, wanted, GRADIENT)
