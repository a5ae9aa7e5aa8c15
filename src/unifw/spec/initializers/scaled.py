"""Distributions whose variance follows the size of the layer, so that signals keep theirs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from unifw.spec import check
from unifw.spec.initializers.base import Initializer, Shape
from unifw.spec.initializers.plain import truncated

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
]

# The standard deviation of a standard normal that is cut at two:
# sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
CUT = 0.8796256610342398


@dataclass(frozen=True, repr=False)
class VarianceScaling(Initializer):
    """Zero mean and variance ``scale / units``, the general form of Glorot's, He's and LeCun's.

    Parameters
    ----------
    scale : float
        Default 1.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Which units: those that go in (default), those that go out, or the mean of both. Less than
        one counts as one.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        Default ``"truncated_normal"``, cut at two standard deviations and widened so that the
        variance is the one above all the same (names and defaults are Keras').
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        self.normalise(scale=check.number("scale", self.scale, least=0, open_=True))
        check.choice("mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        known = ("truncated_normal", "untruncated_normal", "uniform")
        check.choice("distribution", self.distribution, known)

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        units = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[self.mode]
        std = math.sqrt(self.scale / max(1.0, units))
        if self.distribution == "truncated_normal":
            return std / CUT * truncated(random, shape)
        if self.distribution == "untruncated_normal":
            return random.normal(0.0, std, shape)
        bound = math.sqrt(3.0) * std
        return random.uniform(-bound, bound, shape)


@dataclass(frozen=True, repr=False)
class _Named(Initializer):
    """A variance scaling that has a name of its own."""

    form: ClassVar[VarianceScaling]

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        return self.form.draw(random, shape, fans)


class GlorotUniform(_Named):
    """Uniform with variance 2 / (fan in + fan out) (Glorot & Bengio, 2010)."""

    form = VarianceScaling(1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Normal with variance 2 / (fan in + fan out) (Glorot & Bengio, 2010)."""

    form = VarianceScaling(1.0, "fan_avg", "untruncated_normal")


class HeUniform(_Named):
    """Uniform with variance 2 / fan in (He et al., 2015)."""

    form = VarianceScaling(2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Normal with variance 2 / fan in (He et al., 2015)."""

    form = VarianceScaling(2.0, "fan_in", "untruncated_normal")


class LecunUniform(_Named):
    """Uniform with variance 1 / fan in (LeCun et al., 1998)."""

    form = VarianceScaling(1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Normal with variance 1 / fan in (LeCun et al., 1998)."""

    form = VarianceScaling(1.0, "fan_in", "untruncated_normal")
