"""Losses value by value, and those that compare whole vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unifw.spec import check
from unifw.spec.losses.base import Loss, Outputs, Targets

__all__ = [
    "MAE",
    "MSE",
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "Poisson",
    "SmoothL1",
    "Triplet",
]


@dataclass(frozen=True, repr=False)
class MSE(Loss):
    """``(y - t) ** 2``."""


@dataclass(frozen=True, repr=False)
class MAE(Loss):
    """``|y - t|``; the gradient at 0 is 0."""


@dataclass(frozen=True, repr=False)
class Huber(Loss):
    """``d**2 / 2`` where ``d = |y - t| <= delta``, else ``delta * (d - delta / 2)`` (Huber, 1964).

    Parameters
    ----------
    delta : float
        Where the square turns into a line; default 1.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        self.normalise(delta=check.number("delta", self.delta, least=0, open_=True))


@dataclass(frozen=True, repr=False)
class SmoothL1(Loss):
    """``d**2 / (2 * beta)`` where ``d = |y - t| <= beta``, else ``d - beta / 2`` (Girshick, 2015).

    It is ``Huber(beta)`` divided by ``beta``; PyTorch's form.

    Parameters
    ----------
    beta : float
        Where the square turns into a line; default 1.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        self.normalise(beta=check.number("beta", self.beta, least=0, open_=True))


@dataclass(frozen=True, repr=False)
class LogCosh(Loss):
    """``log(cosh(y - t))``, worked out as ``d + softplus(-2 * d) - log(2)``, which cannot overflow."""


@dataclass(frozen=True, repr=False)
class Poisson(Loss):
    """``exp(y) - t * y``: the negative log-likelihood of counts, without the term of ``t`` alone.

    Parameters
    ----------
    log_input : bool
        Whether outputs are logarithms of rates; default ``True``. Otherwise they are rates, which
        must not be negative (let the net end in ``Softplus``), and the loss is
        ``y - t * log(y + 1e-7)``.

    Notes
    -----
    Targets are counts, or other numbers that are not negative. PyTorch's default; ``log_input=False``
    is the form of Keras.
    """

    targets: ClassVar[Targets] = Targets.COUNTS

    log_input: bool = True

    def __post_init__(self) -> None:
        check.flag("log_input", self.log_input)

    @property
    def outputs(self) -> Outputs:
        return Outputs.VALUES if self.log_input else Outputs.RATES


@dataclass(frozen=True, repr=False)
class CosineSimilarity(Loss):
    """``1 - cos(y, t)`` of the vectors along an axis: 0 for one direction, 2 for opposite ones.

    A vector shorter than 1e-12 has no direction: its cosine counts as 0, and so does the gradient.

    Parameters
    ----------
    axis : int
        Along which the vectors lie, the batch being 0; default 1.

    Notes
    -----
    PyTorch's ``CosineEmbeddingLoss`` of pairs that belong together. Keras's ``CosineSimilarity`` is
    this minus 1, with the same gradient.
    """

    axis: int = 1

    def __post_init__(self) -> None:
        self.check_axis()


@dataclass(frozen=True, repr=False)
class Triplet(Loss):
    """``max(0, |a - p| - |a - n| + margin)``, Euclidean, of an anchor and two others.

    An output of shape ``(3, ...)`` holds the anchor ``a``, ``p`` that shall be near it and ``n`` that
    shall be far: let one net embed three inputs, and stack the results. There is nothing to compare
    with, so targets are zeros of shape ``(n,)``; anything else is refused.

    Parameters
    ----------
    margin : float
        How much farther ``n`` shall be than ``p``; default 1.

    Notes
    -----
    The form of PyTorch's ``TripletMarginLoss`` (Balntas et al., 2016). Where two vectors are equal, the
    gradient of their distance is 0.
    """

    targets: ClassVar[Targets] = Targets.ZEROS

    margin: float = 1.0

    def __post_init__(self) -> None:
        self.normalise(margin=check.number("margin", self.margin, least=0, open_=True))

    def misfit(self, shape: tuple[int, ...]) -> str:
        if len(shape) > 1 and shape[0] == 3:
            return ""
        return "must have shape (n, 3, ...): anchor, near and far, each a vector"
