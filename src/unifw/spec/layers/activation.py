"""Activations: formulas applied value by value, or along one axis."""

from __future__ import annotations

from dataclasses import dataclass

from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape
from unifw.spec.layers.merge import axis_index

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


class ReLU(Layer):
    """``max(x, 0)``; the gradient at 0 is 0."""


@dataclass(frozen=True, repr=False)
class LeakyReLU(Layer):
    """``x`` if ``x > 0`` else ``negative_slope * x`` (Maas et al., 2013); default slope 0.01."""

    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(negative_slope=check.number("negative_slope", self.negative_slope, least=0))


@dataclass(frozen=True, repr=False)
class ELU(Layer):
    """``x`` if ``x > 0`` else ``alpha * (exp(x) - 1)`` (Clevert et al., 2016); default alpha 1."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(alpha=check.number("alpha", self.alpha, least=0, open_=True))


@dataclass(frozen=True, repr=False)
class GELU(Layer):
    """``x * Phi(x)`` (Hendrycks & Gimpel, 2016).

    Parameters
    ----------
    approximate : {"none", "tanh"}
        ``"none"`` (default): ``x / 2 * (1 + erf(x / sqrt(2)))``. ``"tanh"``:
        ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))``.
    """

    approximate: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check.choice("approximate", self.approximate, ("none", "tanh"))


class SiLU(Layer):
    """``x * sigmoid(x)``, also called swish (Ramachandran et al., 2017)."""


class Mish(Layer):
    """``x * tanh(log(1 + exp(x)))`` (Misra, 2019)."""


class Sigmoid(Layer):
    """``1 / (1 + exp(-x))``."""


class Tanh(Layer):
    """``tanh(x)``."""


@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` along an axis.

    Parameters
    ----------
    axis : int
        Counted with the batch as 0; default -1, the last.
    """

    axis: int = -1

    def out_shape(self, *shapes: Shape) -> Shape:
        axis_index(self.axis, len(shapes[0]))
        return shapes[0]


class LogSoftmax(Softmax):
    """``x - log(sum(exp(x)))`` along an axis (default -1, the last; the batch is 0)."""
