"""MegEngine's columns are made a slab of rows at a time: the same numbers, however small the slabs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.testing.cases import LAYERS
from unifw.testing.compare import FORWARD, apart, judge_gradients, opened

# Those with groups go to the framework's own.
CASES = {
    case.name: case
    for case in LAYERS
    if isinstance(case.layer, (L.Conv1D, L.Conv2D)) and case.layer.groups == 1
}


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have slabs of one row each; how many there were each time."""
    registry.backend("megengine").load()
    from unifw.backends.megengine import windows

    monkeypatch.setattr(windows, "SLAB", 1)
    found: list[int] = []
    cut = windows._stretches

    def counted(rows: int, width: int) -> Iterator[slice]:
        pieces = list(cut(rows, width))
        found.append(len(pieces))
        return iter(pieces)

    monkeypatch.setattr(windows, "_stretches", counted)
    return found


@pytest.mark.parametrize("name", CASES)
def test_every_convolution_gives_the_same(name: str, counts: list[int]) -> None:
    case = CASES[name]
    with opened("numpy", case.graph) as session:
        (wanted,) = session.forward(case.inputs())
    with opened("megengine", case.graph) as session:
        (found,) = session.forward(case.inputs())
    assert apart(found, wanted) <= FORWARD
    judge_gradients("megengine", case.probed, case.probed_inputs())
    assert min(counts) > 1


@pytest.mark.parametrize(("height", "waits"), [(4, 0), (5, 1), (9, 5)])
def test_no_more_than_three_slabs_are_ahead(
    height: int, waits: int, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from megengine import Tensor

    net = uf.Sequential([L.Conv2D(2, 3)], input_shape=(1, height, 4))
    read, reads = Tensor.numpy, [0]

    def numpy(self: Tensor) -> np.ndarray:
        reads[0] += 1
        return read(self)

    with opened("megengine", net) as session:
        monkeypatch.setattr(Tensor, "numpy", numpy)
        session.forward((np.ones((8, 1, height, 4), np.float32),))
    assert counts == [height - 2]
    assert reads == [waits + 1]  # and that of the output
