"""NumPy works on large values a piece at a time: the same numbers, however small the pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from unifw.backends.numpy import layout, sliding
from unifw.backends.numpy.sliding import Columns, Slab
from unifw.spec import layers as L
from unifw.testing.cases import LAYERS, LayerCase
from unifw.testing.compare import judged

WINDOWED = (L.Conv1D, L.Conv2D, L.Conv3D, L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have pieces be as small as can be; how many slabs there were each time."""
    monkeypatch.setattr(layout, "BLOCK", 3)
    monkeypatch.setattr(layout, "SMALL", 1)
    monkeypatch.setattr(sliding, "SLAB", 1)
    found: list[int] = []

    def counted(kind: Any) -> Any:
        def slabs(*arguments: Any) -> Iterator[Slab]:
            found.append(0)
            for slab in kind(*arguments):
                found[-1] += 1
                yield slab

        return slabs

    for name in ("slabs", "blank"):
        monkeypatch.setattr(Columns, name, counted(getattr(Columns, name)))
    return found


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_every_layer_gives_the_same(
    case: LayerCase, graded: Any, request: pytest.FixtureRequest
) -> None:
    wanted_loss, wanted = graded(case)
    counts = request.getfixturevalue("counts")
    loss, found = graded(case)
    assert loss == pytest.approx(wanted_loss, rel=1e-12)
    judged(found, wanted, 1e-9)
    if isinstance(case.layer, WINDOWED) and set(case.layer.window.kernel) != {1}:
        assert max(counts) > 1
