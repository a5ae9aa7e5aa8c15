"""What all optimizers have in common, and the operations their formulas are written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from unifw.spec import check
from unifw.spec.value import Value

__all__ = ["Ops", "Optimizer", "PlainOps", "Rate", "Updated"]

Rate = float
Updated = tuple[Any, tuple[Any, ...]]


class Ops(Protocol):
    """What an optimizer's formula needs beyond ``+ - * /``.

    The last three may write their result over their first argument, which is not used again.
    """

    def sqrt(self, x: Any) -> Any:
        """Return the square root, value by value."""

    def maximum(self, x: Any, y: Any) -> Any:
        """Return the larger, value by value."""

    def abs(self, x: Any) -> Any:
        """Return the size, value by value."""

    def sign(self, x: Any) -> Any:
        """Return -1, 0 or 1, value by value."""

    def norm_ratio(self, x: Any, y: Any) -> Any:
        """Return the norm of one array over that of another, or 1 where either is zero."""

    def gather(self, slot: Any, keep: float, grad: Any) -> Any:
        """Return ``slot * keep + grad``."""

    def blend(self, slot: Any, keep: float, new: Any) -> Any:
        """Return ``slot * keep + new * (1 - keep)``."""

    def descend(self, weight: Any, step: Any, rate: Any) -> Any:
        """Return ``weight - step * rate``."""


class PlainOps:
    """The last three in plain arithmetic, for a framework that has nothing quicker."""

    @staticmethod
    def gather(slot: Any, keep: float, grad: Any) -> Any:
        return slot * keep + grad

    @staticmethod
    def blend(slot: Any, keep: float, new: Any) -> Any:
        return slot * keep + new * (1 - keep)

    @staticmethod
    def descend(weight: Any, step: Any, rate: Any) -> Any:
        return weight - step * rate


@dataclass(frozen=True, repr=False)
class Optimizer(Value):
    """Base of all optimizers.

    Parameters
    ----------
    learning_rate : float
        The rate.
    clip_norm : float, optional
        Scales all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all
        of them together (as ``torch.nn.utils.clip_grad_norm_``).
    clip_value : float, optional
        Cuts every value of the gradients to ``[-clip_value, clip_value]``.
    """

    family: ClassVar[str] = "optimizer"
    # Whether the formula needs each weight as a whole, for example for its norm.
    whole: ClassVar[bool] = False

    learning_rate: Rate
    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        rate = check.number("learning_rate", self.learning_rate, least=0)
        self.normalise(learning_rate=rate)
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None:
                self.normalise(**{name: check.number(name, value, least=0, open_=True)})
        if self.clip_norm is not None and self.clip_value is not None:
            raise self.refuse("clip_norm and clip_value exclude each other; choose one")

    def _check(self, **least_and_below: tuple[float, float]) -> None:
        for name, (least, below) in least_and_below.items():
            self.normalise(
                **{name: check.number(name, getattr(self, name), least=least, below=below)}
            )

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for each weight, all starting from zero."""
        return ()

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        """Return the numbers that ``update`` needs in this step.

        Parameters
        ----------
        step : int
            Number of the step, from 1.
        rate : float
            The learning rate in this step.

        Notes
        -----
        They are worked out here in float64 and always in this order and number, so a compiled step
        may take them as one small array.
        """
        del step
        return (rate,)

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        """Return the new weight and the new slots; value by value unless ``whole``, so any shape will do.

        Parameters
        ----------
        ops : Ops
            The framework's own operations.
        weight, grad : array
            A weight and its (clipped) gradient.
        slots : tuple of array
            Its state, in the order of ``slots``.
        coef : sequence
            What ``coefficients`` gave, as numbers or scalar tensors.
        """
        raise NotImplementedError
