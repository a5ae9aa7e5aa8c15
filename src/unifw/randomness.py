"""Randomness that is ours, so that every backend sees the same: shuffles and dropout masks."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from unifw.spec.graph import Graph
from unifw.spec.initializers import random_state
from unifw.spec.layers import Dropout

__all__ = ["dropout_masks", "shuffled"]


def shuffled(rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order of the rows in an epoch, fixed by seed and epoch number."""
    order: npt.NDArray[np.int64] = random_state("shuffle", seed, epoch).permutation(rows)
    return order


def dropout_masks(
    graph: Graph, seed: int, step: int, rows: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Return, for each Dropout node, what its input is multiplied by in this training step.

    Each mask has shape ``(rows, *shape)`` and holds 0 or ``1 / (1 - rate)``. It depends on the seed,
    the node's name and the step alone. The raw output of the Philox bit generator is used, which
    NumPy keeps unchanged from release to release.
    """
    return {
        placed.name: _mask(placed.layer.rate, (rows, *placed.in_shape), seed, placed.name, step)
        for placed in graph
        if isinstance(placed.layer, Dropout)
    }


def _mask(
    rate: float, shape: tuple[int, ...], seed: int, name: str, step: int
) -> npt.NDArray[np.float32]:
    digest = hashlib.sha256(f"dropout/{seed}/{name}/{step}".encode()).digest()
    size = int(np.prod(shape))
    raw = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw((size + 1) // 2)
    draws = np.asarray(raw).astype("<u8", copy=False).view("<u4")[:size]
    keep = draws >= np.uint32(min(round(rate * 2**32), 2**32 - 1))
    return (keep * np.float32(1 / (1 - rate))).reshape(shape)
