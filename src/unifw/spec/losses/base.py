"""What all losses have in common, and what a loss says of the outputs and targets that it takes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, ClassVar

from unifw.spec import check
from unifw.spec.value import Value

__all__ = ["Loss", "Outputs", "Targets", "along_classes"]


class Outputs(enum.Enum):
    """What a loss takes the outputs for."""

    VALUES = "values"
    LOGITS = "logits"
    LOG_PROBABILITIES = "log-probabilities"
    RATES = "rates, which are not negative"


class Targets(enum.Enum):
    """What a loss compares the outputs with. All but the last three have the shape of the outputs."""

    NUMBERS = "numbers"
    COUNTS = "numbers that are not negative"
    SHARES = "numbers in [0, 1]"
    SIGNS = "0 and 1, or -1 and 1"
    PROBABILITIES = "numbers that are not negative and sum to 1 over the classes"
    CLASSES = "class numbers, without the class axis, or probabilities in the shape of the outputs"
    LABELS = "class numbers of shape (n, at most), each row filled up with -1"
    ZEROS = "a zero per sample: there is nothing to compare with"

    @property
    def one_class(self) -> bool:
        """Whether each place has one class of several, along the loss's axis."""
        return self in (Targets.CLASSES, Targets.PROBABILITIES)

    @property
    def two_sided(self) -> bool:
        """Whether each value is on one of two sides, independently of the others."""
        return self in (Targets.SHARES, Targets.SIGNS)


@dataclass(frozen=True, repr=False)
class Loss(Value):
    """Base of all losses.

    Attributes
    ----------
    targets : Targets
        What the outputs are compared with.
    """

    family: ClassVar[str] = "loss"
    targets: ClassVar[Targets] = Targets.NUMBERS

    @property
    def axis(self) -> Any:
        """The axis of those that take several values together, the batch being 0; else ``None``."""
        return None

    @property
    def outputs(self) -> Outputs:
        """What the outputs are taken for."""
        return Outputs.VALUES

    def place(self, rank: int) -> int:
        """Return where its axis is, among ``rank`` axes with the batch; for those that have one."""
        place: int = self.axis % rank
        return place

    def misfit(self, shape: tuple[int, ...]) -> str:
        """Return why outputs of this shape cannot be judged; empty if they can."""
        if self.axis is None:
            return ""
        if not -len(shape) <= self.axis <= len(shape):
            return f"has no axis {self.axis}"
        size = shape[self.place(len(shape) + 1) - 1]
        if self.targets.one_class and size == 1:
            return (
                "has a single class, whose loss says nothing; use binary_cross_entropy, or two "
                "classes"
            )
        return ""

    def check_axis(self) -> None:
        """Refuse an axis that can be none; only for use in ``__post_init__``."""
        self.normalise(axis=check.axis("axis", self.axis))


def along_classes(loss: Loss, rank: int) -> tuple[int, tuple[int, ...]]:
    """Return the class axis, and the order of axes that takes it from the last place to its own.

    ``rank`` counts the axes of the outputs with the batch.
    """
    axis = loss.place(rank)
    rest = list(range(rank - 1))
    return axis, (*rest[:axis], rank - 1, *rest[axis:])
