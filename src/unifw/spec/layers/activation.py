"""Activations: formulas applied value by value, or along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.initializers import Constant
from unifw.spec.layers.base import Layer, Part, Shape, channels
from unifw.spec.layers.merge import axis_index
from unifw.spec.layers.weighted import Weighted

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "HardSigmoid",
    "HardSwish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
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


class ReLU6(Layer):
    """``min(max(x, 0), 6)`` (Krizhevsky, 2010); the gradient at 0 and at 6 is 0."""


@dataclass(frozen=True, repr=False)
class Hardtanh(Layer):
    """``min(max(x, min_value), max_value)``; the gradient at either bound is 0.

    ``Clip`` computes the same values with a gradient of 1 at the bounds.

    Parameters
    ----------
    min_value, max_value : float
        The bounds; default -1 and 1.
    """

    min_value: float = -1.0
    max_value: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        low = check.number("min_value", self.min_value)
        high = check.number("max_value", self.max_value)
        if not low < high:
            raise self.refuse(f"min_value must be below max_value, got {low:g} and {high:g}")
        self.normalise(min_value=low, max_value=high)


@dataclass(frozen=True, repr=False)
class PReLU(Weighted):
    """``x`` if ``x > 0`` else ``weight * x`` with learnt slopes (He et al., 2015).

    The gradient at 0 is that of the negative side, the slope.

    Parameters
    ----------
    shared : bool
        Whether one slope serves all channels; default ``False``: one per channel, the first axis
        after the batch.
    weight_init : str or Initializer
        How the slopes begin; default ``Constant(0.25)``.
    weight_regularizer, weight_constraint : optional
        As of ``Dense``'s bias; a norm is that of all slopes.

    Notes
    -----
    Weight: ``weight`` ``(channels,)``, or ``(1,)`` if shared.
    """

    shared: bool = False
    weight_init: Any = Constant(0.25)  # noqa: RUF009 - a frozen value

    def __post_init__(self) -> None:
        super().__post_init__()
        check.flag("shared", self.shared)

    def out_shape(self, *shapes: Shape) -> Shape:
        channels(shapes[0])
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        count = 1 if self.shared else channels(shapes[0])
        return {"weight": self.part("weight", (count,), (1, 1), (0,))}


@dataclass(frozen=True, repr=False)
class ELU(Layer):
    """``x`` if ``x > 0`` else ``alpha * (exp(x) - 1)`` (Clevert et al., 2016); default alpha 1."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(alpha=check.number("alpha", self.alpha, least=0, open_=True))


class SELU(Layer):
    """``scale * (x if x > 0 else alpha * (exp(x) - 1))`` (Klambauer et al., 2017).

    ``scale`` is 1.0507009873554805, ``alpha`` 1.6732632423543772. The gradient at 0 is that of the
    negative side, ``scale * alpha``.
    """


@dataclass(frozen=True, repr=False)
class CELU(Layer):
    """``x`` if ``x > 0`` else ``alpha * (exp(x / alpha) - 1)`` (Barron, 2017).

    The gradient at 0 is 1 from both sides.

    Parameters
    ----------
    alpha : float
        The value that ``-CELU`` tends to for small ``x``; default 1.
    """

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


@dataclass(frozen=True, repr=False)
class HardSigmoid(Layer):
    """``min(max(slope * x + offset, 0), 1)``; the gradient at both kinks is 0.

    The defaults give ``relu6(x + 3) / 6``, as in PyTorch, MobileNetV3 (Howard et al., 2019) and Keras
    3. Keras 2 has ``slope=0.2``, and so has the ONNX operator when it is told nothing.

    Parameters
    ----------
    slope, offset : float
        Default 1/6 and 0.5; the slope is positive.
    """

    slope: float = 1 / 6
    offset: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            slope=check.number("slope", self.slope, least=0, open_=True),
            offset=check.number("offset", self.offset),
        )


class HardSwish(Layer):
    """``x * relu6(x + 3) / 6`` (Howard et al., 2019); the gradient is 0 at -3 and 1 at 3."""


@dataclass(frozen=True, repr=False)
class Softplus(Layer):
    """``log(1 + exp(beta * x)) / beta`` (Dugas et al., 2001), exact for large values as well.

    Parameters
    ----------
    beta : float
        How closely it follows ReLU; default 1.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(beta=check.number("beta", self.beta, least=0, open_=True))


class Softsign(Layer):
    """``x / (1 + abs(x))`` (Turian et al., 2009); the gradient at 0 is 1 from both sides."""


class Sigmoid(Layer):
    """``1 / (1 + exp(-x))``."""


class LogSigmoid(Layer):
    """``-log(1 + exp(-x))``, the logarithm of the sigmoid, without overflow."""


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

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(axis=check.axis("axis", self.axis))

    def out_shape(self, *shapes: Shape) -> Shape:
        axis_index(self.axis, len(shapes[0]))
        return shapes[0]


class LogSoftmax(Softmax):
    """``x - log(sum(exp(x)))`` along an axis (default -1, the last; the batch is 0)."""


@dataclass(frozen=True, repr=False)
class GLU(Layer):
    """``a * sigmoid(b)``, where ``a`` and ``b`` are the two halves of an axis (Dauphin et al., 2017).

    Parameters
    ----------
    axis : int
        Counted with the batch as 0; default -1, the last. For images and series gate the channels
        with ``axis=1``. The axis must be even, and comes out half as long.
    """

    axis: int = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(axis=check.axis("axis", self.axis))

    def out_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        place = axis_index(self.axis, len(shape))
        if shape[place] % 2:
            message = f"axis {self.axis} is {shape[place]} long, which has no two halves"
            raise ShapeError(message)
        return (*shape[:place], shape[place] // 2, *shape[place + 1 :])
