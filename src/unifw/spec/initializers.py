"""How weights begin: descriptions of random distributions, and the numbers they give.

The numbers come from NumPy's frozen legacy generator (``RandomState``, whose stream never changes),
keyed by the model's seed and the weight's name, so they are equal bit for bit on every backend.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from unifw.spec import check
from unifw.spec.value import Value, named

__all__ = [
    "CATALOGUE",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Uniform",
    "initializer",
    "random_state",
]

Shape = tuple[int, ...]


def random_state(*key: object) -> np.random.RandomState:
    """Return a generator that depends on ``key`` alone, the same in every process and NumPy."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4").astype(np.uint32))


@dataclass(frozen=True, repr=False)
class Initializer(Value):
    """Base of all initializers."""

    family: ClassVar[str] = "initializer"

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        """Return float64 numbers of ``shape``; ``fans`` are the units going in and out."""
        raise NotImplementedError

    def sample(self, shape: Shape, fans: tuple[int, int], *key: object) -> npt.NDArray[np.float32]:
        """Return the first weights of ``shape`` (float32), fixed by ``key`` (seed, weight name)."""
        drawn = np.asarray(self.draw(random_state(*key), shape, fans), dtype=np.float32)
        return np.ascontiguousarray(np.broadcast_to(drawn, shape))


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


@dataclass(frozen=True, repr=False)
class _Scaled(Initializer):
    """Zero mean, variance ``gain / units``, where units are the fan-in or the mean of both fans."""

    gain: ClassVar[float] = 1.0
    both_fans: ClassVar[bool] = False
    normal: ClassVar[bool] = False

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        units = sum(fans) / 2 if self.both_fans else fans[0]
        std = math.sqrt(self.gain / max(1.0, units))
        if self.normal:
            return random.normal(0.0, std, shape)
        bound = math.sqrt(3.0) * std
        return random.uniform(-bound, bound, shape)


class GlorotUniform(_Scaled):
    """Uniform with variance 2 / (fan in + fan out) (Glorot & Bengio, 2010)."""

    both_fans = True


class GlorotNormal(_Scaled):
    """Normal with variance 2 / (fan in + fan out) (Glorot & Bengio, 2010)."""

    both_fans = True
    normal = True


class HeUniform(_Scaled):
    """Uniform with variance 2 / fan in (He et al., 2015)."""

    gain = 2.0


class HeNormal(_Scaled):
    """Normal with variance 2 / fan in (He et al., 2015)."""

    gain = 2.0
    normal = True


class LecunUniform(_Scaled):
    """Uniform with variance 1 / fan in (LeCun et al., 1998)."""


class LecunNormal(_Scaled):
    """Normal with variance 1 / fan in (LeCun et al., 1998)."""

    normal = True


CATALOGUE: Mapping[str, type[Initializer]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            Constant,
            Uniform,
            Normal,
            GlorotUniform,
            GlorotNormal,
            HeUniform,
            HeNormal,
            LecunUniform,
            LecunNormal,
        )
    }
)

_SHORT: Mapping[str, Initializer] = MappingProxyType(
    {
        "zeros": Constant(0.0),
        "ones": Constant(1.0),
        "uniform": Uniform(),
        "normal": Normal(),
        "glorot_uniform": GlorotUniform(),
        "glorot_normal": GlorotNormal(),
        "he_uniform": HeUniform(),
        "he_normal": HeNormal(),
        "lecun_uniform": LecunUniform(),
        "lecun_normal": LecunNormal(),
    }
)


def initializer(given: Any) -> Initializer:
    """Turn ``"glorot_uniform"``, ``"zeros"`` … or an instance into an initializer."""
    if isinstance(given, str) and given in _SHORT:
        return _SHORT[given]
    result: Initializer = named(
        given, Initializer, {k: type(v) for k, v in _SHORT.items()}, "initializer"
    )
    return result
