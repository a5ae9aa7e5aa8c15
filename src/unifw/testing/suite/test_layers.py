"""Every layer on its own: what it gives, and the gradients of its inputs and weights."""

from __future__ import annotations

import numpy as np
import pytest

from unifw.data import Data
from unifw.randomness import random_masks
from unifw.testing.cases import (
    LAYERS,
    ROWS,
    LayerCase,
)
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
    graph = case.probed
    target = np.random.RandomState(1).standard_normal((ROWS, *graph.out_shapes[0]))
    batch = Data(case.probed_inputs(), (target.astype(np.float32),))
    masks = random_masks(graph, 0, 1, ROWS)
    with opened(backend, graph, MSE) as session:
        loss, found = gradients(session, batch, masks)
    with opened(REFERENCE[0], graph, MSE, dtype=REFERENCE[1]) as reference:
        wanted_loss, wanted = gradients(reference, batch.cast(REFERENCE[1]), masks)
    assert apart(loss, wanted_loss) <= FORWARD
    judged(found, wanted, GRADIENT)
