"""Losses of classes: one of several, one of two sides, or a sequence of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unifw.spec import check
from unifw.spec.losses.base import Loss, Outputs, Targets

__all__ = [
    "CTC",
    "NLL",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalFocal",
    "CategoricalHinge",
    "CrossEntropy",
    "Hinge",
    "KLDiv",
    "SquaredHinge",
]


@dataclass(frozen=True, repr=False)
class CrossEntropy(Loss):
    """``-sum(t * log_softmax(logits))`` over the classes.

    Parameters
    ----------
    label_smoothing : float
        ``e`` in ``t = (1 - e) * onehot + e / classes``, in [0, 1); default 0.
    axis : int
        The class axis, the batch being 0; default 1, as for ``(n, classes)`` and
        ``(n, classes, height, width)``; -1 for ``(n, time, classes)``.

    Notes
    -----
    Targets are class numbers, or probabilities (one-hot) in the shape of the logits.
    """

    targets: ClassVar[Targets] = Targets.CLASSES

    label_smoothing: float = 0.0
    axis: int = 1

    def __post_init__(self) -> None:
        smoothing = check.number("label_smoothing", self.label_smoothing, least=0, below=1)
        self.normalise(label_smoothing=smoothing)
        self.check_axis()

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOGITS


@dataclass(frozen=True, repr=False)
class NLL(Loss):
    """``-sum(t * y)`` over the classes, of outputs ``y`` that are log-probabilities.

    For a net that ends in ``LogSoftmax``: the two together are ``CrossEntropy`` of logits.

    Parameters
    ----------
    axis : int
        The class axis, the batch being 0; default 1.

    Notes
    -----
    Targets are class numbers, or probabilities (one-hot) in the shape of the outputs.
    """

    targets: ClassVar[Targets] = Targets.CLASSES

    axis: int = 1

    def __post_init__(self) -> None:
        self.check_axis()

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOG_PROBABILITIES


@dataclass(frozen=True, repr=False)
class KLDiv(Loss):
    """``sum(t * (log(t) - y))`` over the classes, of log-probabilities ``y``; ``0 * log(0) = 0``.

    Parameters
    ----------
    from_logits : bool
        Whether outputs are logits, of which ``log_softmax`` is taken first; default ``False``.
    axis : int
        The class axis, the batch being 0; default 1.

    Notes
    -----
    Targets are probabilities in the shape of the outputs. PyTorch's ``KLDivLoss`` with
    ``reduction="batchmean"``, for outputs of shape ``(n, classes)``.
    """

    targets: ClassVar[Targets] = Targets.PROBABILITIES

    from_logits: bool = False
    axis: int = 1

    def __post_init__(self) -> None:
        check.flag("from_logits", self.from_logits)
        self.check_axis()

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOGITS if self.from_logits else Outputs.LOG_PROBABILITIES


@dataclass(frozen=True, repr=False)
class CategoricalFocal(Loss):
    """``-alpha * sum(t * (1 - p)**gamma * log(p))`` over the classes, ``p = softmax(logits)``.

    Parameters
    ----------
    gamma : float
        How much less those count that are right already, at least 0; default 2.
    alpha : float
        A factor; default 0.25. To weigh classes differently, ``fit`` takes ``class_weight``.
    axis : int
        The class axis, the batch being 0; default 1.

    Notes
    -----
    Lin et al., 2017, for several classes, as Keras has it. Targets are class numbers, or probabilities
    (one-hot) in the shape of the logits.
    """

    targets: ClassVar[Targets] = Targets.CLASSES

    gamma: float = 2.0
    alpha: float = 0.25
    axis: int = 1

    def __post_init__(self) -> None:
        self.normalise(
            gamma=check.number("gamma", self.gamma, least=0),
            alpha=check.number("alpha", self.alpha, least=0, open_=True),
        )
        self.check_axis()

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOGITS


@dataclass(frozen=True, repr=False)
class CategoricalHinge(Loss):
    """``max(0, 1 + max((1 - t) * y) - sum(t * y))`` over the classes, as Keras has it.

    The true class itself is among the first maximum, as a zero. Where several share that maximum, they share
    its gradient evenly; where the whole is exactly 0, the gradient is 0.

    Parameters
    ----------
    axis : int
        The class axis, the batch being 0; default 1.

    Notes
    -----
    Targets are class numbers, or probabilities (one-hot) in the shape of the outputs.
    """

    targets: ClassVar[Targets] = Targets.CLASSES

    axis: int = 1

    def __post_init__(self) -> None:
        self.check_axis()


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(Loss):
    """``max(x, 0) - x * t + log(1 + exp(-|x|))`` of logits ``x`` and targets ``t`` in [0, 1]."""

    targets: ClassVar[Targets] = Targets.SHARES

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOGITS


@dataclass(frozen=True, repr=False)
class BinaryFocal(Loss):
    """``-alpha * t * (1 - p)**gamma * log(p) - (1 - alpha) * (1 - t) * p**gamma * log(1 - p)``.

    Here ``p = sigmoid(x)`` of logits ``x``; targets ``t`` lie in [0, 1] (Lin et al., 2017).

    Parameters
    ----------
    gamma : float
        How much less those count that are right already, at least 0; default 2.
    alpha : float
        What targets of 1 weigh, those of 0 weighing ``1 - alpha``; in (0, 1), default 0.25.
    """

    targets: ClassVar[Targets] = Targets.SHARES

    gamma: float = 2.0
    alpha: float = 0.25

    def __post_init__(self) -> None:
        self.normalise(
            gamma=check.number("gamma", self.gamma, least=0),
            alpha=check.number("alpha", self.alpha, least=0, below=1, open_=True),
        )

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOGITS


@dataclass(frozen=True, repr=False)
class Hinge(Loss):
    """``max(0, 1 - t * y)``; the gradient at exactly 0 is 0.

    Targets are 1 on the one side, and 0 or -1 on the other: 0 counts as -1.
    """

    targets: ClassVar[Targets] = Targets.SIGNS


@dataclass(frozen=True, repr=False)
class SquaredHinge(Loss):
    """``max(0, 1 - t * y) ** 2``.

    Targets are 1 on the one side, and 0 or -1 on the other: 0 counts as -1.
    """

    targets: ClassVar[Targets] = Targets.SIGNS


@dataclass(frozen=True, repr=False)
class CTC(Loss):
    """``-log p(labels)``: the sum over all alignments of labels with time (Graves et al., 2006).

    Outputs are logits of shape ``(n, time, classes)``; an alignment names one class per step, and the labels
    are what is left of it when repeats are merged and then blanks are left out.

    Parameters
    ----------
    blank : int
        The class that stands for no label; default 0.

    Notes
    -----
    Targets are class numbers other than ``blank``, of shape ``(n, at most)``, each row filled up with -1 at
    its end. A row of labels needs as many steps as it has labels, and one more between two equal ones. Every
    sample uses all steps. A sample's loss is not divided by its number of labels.
    """

    targets: ClassVar[Targets] = Targets.LABELS

    blank: int = 0

    def __post_init__(self) -> None:
        self.normalise(blank=check.count("blank", self.blank, least=0))

    @property
    def outputs(self) -> Outputs:
        return Outputs.LOGITS

    def misfit(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 2:
            return "must have shape (n, time, classes)"
        if shape[1] < 2 or self.blank >= shape[1]:
            return f"has {shape[1]} classes, among which class {self.blank} shall be the blank"
        return ""
