"""What an initializer is: a frozen value that gives the first numbers of a weight."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from unifw.spec.value import Value

__all__ = ["Initializer", "Shape", "random_state"]

Shape = tuple[int, ...]


def random_state(*key: object) -> np.random.RandomState:
    """Return a generator that depends on ``key`` alone, the same in every process and NumPy."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4").astype(np.uint32))


@dataclass(frozen=True, repr=False)
class Initializer(Value):
    """Base of all initializers."""

    family: ClassVar[str] = "initializer"

    def fits(self, shape: Shape) -> None:
        """Raise ``ShapeError`` if no weight of ``shape`` can begin so; asked when a net is built."""

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        """Return float64 numbers of ``shape``; ``fans`` are the units going in and out."""
        raise NotImplementedError

    def sample(self, shape: Shape, fans: tuple[int, int], *key: object) -> npt.NDArray[np.float32]:
        """Return the first weights of ``shape`` (float32), fixed by ``key`` (seed, weight name)."""
        drawn = np.asarray(self.draw(random_state(*key), shape, fans), dtype=np.float32)
        return np.ascontiguousarray(np.broadcast_to(drawn, shape))
