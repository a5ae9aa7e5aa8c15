"""In float64, where a backend computes in it: everything as the reference, nearly to the last digit."""

from __future__ import annotations

import numpy as np
import pytest

from unifw import demo, registry
from unifw.data import Data
from unifw.errors import Unsupported
from unifw.randomness import random_masks
from unifw.testing.cases import LAYERS, LOSSES, OPTIMIZERS, ROWS, LayerCase, LossCase
from unifw.testing.compare import (
    CROSS_ENTROPY,
    MSE,
    REFERENCE,
    apart,
    curve,
    digits,
    gradients,
    judged,
    opened,
    reference_curve,
)
from unifw.testing.held import HELD
from unifw.weights import initial

# Single precision anywhere on the way would show as 1e-8 or more.
EXACT = 1e-9
NET, STEPS = demo.NETS["mlp"], 6
in_doubles = pytest.mark.parametrize("dtype", ["float64"])


@in_doubles
@pytest.mark.parametrize("case", [*LAYERS, *HELD], ids=lambda case: case.name)
def test_layer_in_doubles(backend: str, case: LayerCase, dtype: str) -> None:
    graph = case.probed
    target = np.random.RandomState(1).standard_normal((ROWS, *graph.out_shapes[0]))
    batch = Data(case.probed_inputs(), (target,)).cast(dtype)
    masks = random_masks(graph, 0, 1, ROWS)
    with opened(backend, graph, MSE, dtype=dtype) as session:
        (found_out,), (loss, found) = session.forward(batch.xs), gradients(session, batch, masks)
    with opened(REFERENCE[0], graph, MSE, dtype=REFERENCE[1]) as reference:
        (wanted_out,), (wanted_loss, wanted) = (
            reference.forward(batch.xs), gradients(reference, batch, masks),
        )  # fmt: skip
    assert found_out.dtype == np.float64
    assert apart(found_out, wanted_out) <= EXACT
    assert apart(loss, wanted_loss) <= EXACT
    judged(found, wanted, EXACT)


@in_doubles
@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
def test_loss_in_doubles(backend: str, case: LossCase, dtype: str) -> None:
    batch = Data(case.inputs(), (case.target(),)).cast(dtype)
    with opened(backend, case.graph, (case.loss,), dtype=dtype) as session:
        loss, found = gradients(session, batch)
    with opened(REFERENCE[0], case.graph, (case.loss,), dtype=REFERENCE[1]) as reference:
        wanted_loss, wanted = gradients(reference, batch)
    assert apart(loss, wanted_loss) <= EXACT
    judged(found, wanted, EXACT)


def test_optimizers_in_doubles_or_the_reason(backend: str) -> None:
    known = registry.backend(backend)
    if "float64" not in known.dtypes:
        with pytest.raises(Unsupported) as caught, opened(backend, NET, dtype="float64"):
            pass
        assert known.narrow
        assert known.narrow in str(caught.value)
        assert "'paddle'" in str(caught.value)
        return
    first = initial(NET, 0)
    for name, optimizer in OPTIMIZERS.items():
        with opened(
            backend, NET, (CROSS_ENTROPY,), optimizer, weights=first, dtype="float64"
        ) as session:
            found = curve(session, digits().cast("float64"), STEPS)
            assert {value.dtype for value in session.state().values()} <= {np.dtype("float64")}
        wanted = reference_curve(NET, optimizer, CROSS_ENTROPY, STEPS)
        assert np.max(np.abs(found - wanted) / wanted) <= EXACT, name
