"""Every loss: its value and the gradient of the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unifw.data import Data
from unifw.testing.cases import (
    LOSSES,
    LossCase,
)
from unifw.testing.compare import (
    FORWARD,
    GRADIENT,
    REFERENCE,
    gradients,
    judged,
    opened,
)

each_loss = pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)


def loss_on(backend: str, dtype: str, case: LossCase, shares: Any) -> tuple[float, dict[str, Any]]:
    batch = Data(case.inputs(), (case.target(),), shares).cast(dtype)
    with opened(backend, case.graph, (case.loss,), dtype=dtype) as session:
        return gradients(session, batch)


@each_loss
@pytest.mark.parametrize("weighted", [False, True], ids=["mean", "weighted"])
def test_loss(backend: str, case: LossCase, weighted: bool) -> None:  # noqa: FBT001 - a parameter
    shares = np.array([0.1, 0.0, 0.4, 0.3, 0.2], dtype=np.float32) if weighted else None
    loss, found = loss_on(backend, "float32", case, shares)
    wanted_loss, wanted = loss_on(*REFERENCE, case, shares)
    assert abs(loss - wanted_loss) <= FORWARD * max(1, abs(wanted_loss))
    judged(found, wanted, GRADIENT)
