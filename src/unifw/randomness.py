"""Randomness that is ours, so that every backend sees the same: shuffles, masks and noise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec.graph import Graph
from unifw.spec.initializers import random_state
from unifw.spec.layers import Dropout, GaussianNoise, Noise, SpatialDropout

__all__ = ["quick_masks", "random_masks", "shuffled", "step_seed"]

Array = npt.NDArray[Any]
# (number of raw draws of 64 bits) -> the draws
Source = Callable[[int], Array]


def shuffled(rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order of the rows in an epoch, fixed by seed and epoch number."""
    order: npt.NDArray[np.int64] = random_state("shuffle", seed, epoch).permutation(rows)
    return order


def random_masks(
    graph: Graph, seed: int, step: int, rows: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the random numbers of each node that needs some in this training step, by its name.

    They have the shape ``(rows, *layer.noise_shape(...))``: for dropout 0 or ``1 / (1 - rate)``, by
    which the input is multiplied; for noise what is added to it. They depend on the seed, the node's
    name and the step alone. The raw output of the Philox bit generator is used, which NumPy keeps
    unchanged from release to release.
    """
    return {
        placed.name: _drawn(
            placed.layer, (rows, *placed.layer.noise_shape(placed.in_shape)),
            f"{seed}/{placed.name}/{step}",
        )
        for placed in graph
        if isinstance(placed.layer, Noise)
    }  # fmt: skip


def quick_masks(
    graph: Graph, seed: int, step: int, rows: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Return what ``random_masks`` does, as quickly as NumPy can: another stream, which may change.

    They depend on the seed, the step and the place of the node.
    """
    found = {}
    for place, placed in enumerate(graph):
        layer = placed.layer
        if isinstance(layer, Noise):
            shape = (rows, *layer.noise_shape(placed.in_shape))
            generator = np.random.Generator(np.random.SFC64([seed, step, place]))
            found[placed.name] = QUICK[type(layer)](layer, shape, generator)
    return found


def step_seed(seed: int, step: int) -> int:
    """Return a seed of 31 bits for one step, for generators that belong to a whole process."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0] >> 1)


def _drawn(layer: Noise, shape: tuple[int, ...], key: str) -> npt.NDArray[np.float32]:
    kind, draw = DRAWS[type(layer)]
    digest = hashlib.sha256(f"{kind}/{key}".encode()).digest()
    philox = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    drawn = draw(layer, int(np.prod(shape)), lambda n: np.asarray(philox.random_raw(n)))
    return drawn.astype(np.float32, copy=False).reshape(shape)


def _kept(layer: Any, size: int, source: Source) -> Array:
    """Return 0 for the share that is dropped, and for the rest what it is multiplied by."""
    draws = source((size + 1) // 2).astype("<u8", copy=False).view("<u4")[:size]
    keep = draws >= np.uint32(min(round(layer.rate * 2**32), 2**32 - 1))
    return np.asarray(keep * np.float32(1 / (1 - layer.rate)))


def _normal(layer: Any, size: int, source: Source) -> Array:
    """Return normal numbers by the method of Box and Muller; those of NumPy may change."""
    half = (size + 1) // 2
    uniform = (source(2 * half) >> np.uint64(11)) * 2.0**-53
    radius = np.sqrt(-2 * np.log1p(-uniform[:half]))
    angle = 2 * np.pi * uniform[half:]
    drawn = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return np.asarray(layer.std * drawn[:size])


# What each kind of noise is called in its key, and how it is drawn.
DRAWS: Mapping[type[Noise], tuple[str, Callable[[Any, int, Source], Array]]] = MappingProxyType(
    {
        Dropout: ("dropout", _kept),
        SpatialDropout: ("spatial_dropout", _kept),
        GaussianNoise: ("gaussian_noise", _normal),
    }
)


def _quickly_kept(
    layer: Any, shape: tuple[int, ...], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    kept = generator.random(shape, dtype=np.float32) >= np.float32(layer.rate)
    return kept * np.float32(1 / (1 - layer.rate))


def _quickly_normal(
    layer: Any, shape: tuple[int, ...], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(layer.std)


QUICK: Mapping[type[Noise], Callable[[Any, tuple[int, ...], Any], npt.NDArray[np.float32]]] = (
    MappingProxyType(
        {
            Dropout: _quickly_kept,
            SpatialDropout: _quickly_kept,
            GaussianNoise: _quickly_normal,
        }
    )
)
