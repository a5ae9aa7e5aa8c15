"""Distributions with given parameters, whatever the size of the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec import check
from unifw.spec.initializers.base import Initializer, Shape

__all__ = ["Constant", "Normal", "TruncatedNormal", "Uniform", "truncated"]


@dataclass(frozen=True, repr=False)
class Constant(Initializer):
    """Every weight is ``value``."""

    value: float = 0.0

    def __post_init__(self) -> None:
        self.normalise(value=check.number("value", self.value))

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        return np.float64(self.value)


@dataclass(frozen=True, repr=False)
class Uniform(Initializer):
    """Uniform in ``[low, high)``."""

    low: float = -0.05
    high: float = 0.05

    def __post_init__(self) -> None:
        low, high = check.number("low", self.low), check.number("high", self.high)
        if not low < high:
            raise self.refuse(f"low must be below high, got {low} and {high}")
        self.normalise(low=low, high=high)

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        return random.uniform(self.low, self.high, shape)


@dataclass(frozen=True, repr=False)
class Normal(Initializer):
    """Normal with ``mean`` and standard deviation ``std``."""

    mean: float = 0.0
    std: float = 0.05

    def __post_init__(self) -> None:
        self.normalise(
            mean=check.number("mean", self.mean), std=check.number("std", self.std, least=0)
        )

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        return random.normal(self.mean, self.std, shape)


class TruncatedNormal(Normal):
    """Normal with ``mean`` and ``std``, cut at two standard deviations (as in Keras).

    What lies beyond is drawn again, in rounds, until nothing does. ``std`` is that of the whole
    normal; that of the cut one is 0.8796 times as much.
    """

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        return self.mean + self.std * truncated(random, shape)


def truncated(random: np.random.RandomState, shape: Shape) -> npt.NDArray[np.float64]:
    """Return standard normal numbers, those beyond two drawn again in their places."""
    drawn = random.standard_normal(shape)
    beyond = np.abs(drawn) > 2
    while beyond.any():
        drawn[beyond] = random.standard_normal(np.count_nonzero(beyond))
        beyond = np.abs(drawn) > 2
    return drawn
