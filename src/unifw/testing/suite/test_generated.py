"""Layers with generated arguments and shapes."""

from __future__ import annotations

from hypothesis import given

from unifw.data import Data
from unifw.testing.cases.kinds import LayerCase
from unifw.testing.compare import FORWARD, REFERENCE, apart, judge_gradients, opened
from unifw.testing.generated import cases


@given(case=cases())
def test_any_layer_gives_the_same(backend: str, case: LayerCase) -> None:
    graph, inputs = case.probed, case.probed_inputs()
    with opened(backend, graph) as session:
        (found,) = session.forward(inputs)
    with opened(REFERENCE[0], graph, dtype=REFERENCE[1]) as reference:
        (wanted,) = reference.forward(Data(inputs).cast(REFERENCE[1]).xs)
    assert apart(found, wanted) <= FORWARD
    judge_gradients(backend, graph, inputs)
