"""Every layer on its own: what it gives, and the gradients of its inputs and weights."""

from __future__ import annotations

import numpy as np
import pytest

from unifw.data import Data
from unifw.testing.cases import LAYERS, LayerCase
from unifw.testing.compare import FORWARD, REFERENCE, apart, judge_gradients, opened
from unifw.testing.held import HELD

each_layer = pytest.mark.parametrize("case", [*LAYERS, *HELD], ids=lambda case: case.name)


@each_layer
def test_layer_forward(backend: str, case: LayerCase) -> None:
    with opened(backend, case.graph) as session:
        (found,) = session.forward(case.inputs())
    with opened(REFERENCE[0], case.graph, dtype=REFERENCE[1]) as reference:
        (wanted,) = reference.forward(Data(case.inputs()).cast(REFERENCE[1]).xs)
    assert found.dtype == np.float32
    assert apart(found, wanted) <= FORWARD


@each_layer
def test_layer_gradients(backend: str, case: LayerCase) -> None:
    judge_gradients(backend, case.probed, case.probed_inputs())
