"""What all optimizers have in common, and the operations their formulas are written in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Protocol

from unifw.spec import check, schedules
from unifw.spec.optimizers.groups import Group
from unifw.spec.value import Value

__all__ = ["Ops", "Optimizer", "PlainOps", "Rate", "Updated"]

Rate = float | schedules.Schedule
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
    learning_rate : float or Schedule
        The rate, or how it changes from step to step: see ``unifw.schedules``.
    clip_norm : float, optional
        Scales all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all
        of them together (as ``torch.nn.utils.clip_grad_norm_``).
    clip_value : float, optional
        Cuts every value of the gradients to ``[-clip_value, clip_value]``.
    groups : sequence of Group
        Weights with another rate or decay, by name; a weight belongs to the first group that fits.
    ema : float, optional
        In (0, 1). Keeps the running average ``a = ema * a + (1 - ema) * w`` of the weights after each
        update, from zero; ``model.ema_weights`` gives it, divided by ``1 - ema ** updates``.
    accumulate : int
        Takes one update in so many batches, default 1, with the mean of their gradients. Each batch
        counts the same, however many rows or whatever weights it has; clipping applies to the mean.
        Batches are counted over the ends of epochs, so the last ones of an epoch may wait for the
        first ones of the next.
    """

    family: ClassVar[str] = "optimizer"
    # Whether the formula needs each weight as a whole, for example for its norm.
    whole: ClassVar[bool] = False
    # Whether each step takes all rows of the data.
    full_batch: ClassVar[bool] = False

    learning_rate: Rate
    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    groups: tuple[Group, ...] = field(default=(), kw_only=True)
    ema: float | None = field(default=None, kw_only=True)
    accumulate: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        self.normalise(learning_rate=schedules.rate(self.learning_rate))
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None:
                self.normalise(**{name: check.number(name, value, least=0, open_=True)})
        if self.clip_norm is not None and self.clip_value is not None:
            raise self.refuse("clip_norm and clip_value exclude each other; choose one")
        self.normalise(accumulate=check.count("accumulate", self.accumulate))
        if self.ema is not None:
            self.normalise(ema=check.number("ema", self.ema, least=0, below=1, open_=True))
        self._check_groups()

    def _check_groups(self) -> None:
        groups = (self.groups,) if isinstance(self.groups, Group) else self.groups
        if not isinstance(groups, (tuple, list)) or not all(isinstance(g, Group) for g in groups):
            raise self.refuse(f"groups must be a sequence of Group, got {self.groups!r}")
        self.normalise(groups=tuple(groups))
        decays = any(each.name == "weight_decay" for each in fields(self))
        for group in self.groups:
            if group.weight_decay is not None and not decays:
                raise self.refuse(f"it has no weight decay that {group!r} could change")

    def _check(self, **least_and_below: tuple[float, float]) -> None:
        for name, (least, below) in least_and_below.items():
            self.normalise(
                **{name: check.number(name, getattr(self, name), least=least, below=below)}
            )

    @property
    def plateau(self) -> schedules.ReduceOnPlateau | None:
        """What of the learning rate depends on the course of training."""
        rate = self.learning_rate
        return rate.plateau if isinstance(rate, schedules.Schedule) else None

    def rate(self, step: int, reductions: int = 0) -> float:
        """Return the learning rate of a step; ``reductions`` are those of ``plateau``."""
        rate = self.learning_rate
        if not isinstance(rate, schedules.Schedule):
            return rate
        try:
            found = rate.at(step, reductions)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.refuse(f"the learning rate of step {step} is beyond all numbers: {rate!r}")
        return found

    @cached_property
    def is_plain(self) -> bool:
        """Whether nothing is asked for beyond the formula, at one rate."""
        scheduled = isinstance(self.learning_rate, schedules.Schedule)
        return not (self.groups or self.extras or scheduled or self.full_batch)

    def numbers(self, steps: int, reductions: int) -> tuple[float, ...]:
        """Return the coefficients of a step, whatever is asked for: those of ``variants`` in a row.

        Parameters
        ----------
        steps : int
            Number of the batch, from 1; that of the update follows from ``accumulate``.
        reductions : int
            How many times ``plateau`` has reduced the rate.
        """
        update = -(-steps // self.accumulate)
        rate = self.rate(update, reductions)
        found = (variant.coefficients(update, rate * factor) for variant, factor in self.variants)
        return tuple(number for numbers in found for number in numbers)

    @cached_property
    def variants(self) -> tuple[tuple[Optimizer, float], ...]:
        """The optimizer itself, then what each group makes of it, and what the rate is multiplied by."""
        plain = self.replace(groups=())
        found = [(plain, 1.0)]
        for group in self.groups:
            changed = {} if group.weight_decay is None else {"weight_decay": group.weight_decay}
            found.append((plain.replace(**changed), group.rate))
        return tuple(found)

    def parted(self, coefficients: Any) -> list[Any]:
        """Return the coefficients of each of ``variants``, out of those of all in a row."""
        width = len(coefficients) // len(self.variants)
        starts = range(0, len(coefficients), width)
        return [coefficients[start : start + width] for start in starts]

    def places(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return for each weight, by its full name, which of ``variants`` it follows.

        Raises
        ------
        SpecError
            If a group is that of no weight.
        """
        found = tuple(
            next((n for n, group in enumerate(self.groups, start=1) if group.holds(name)), 0)
            for name in names
        )
        for number, group in enumerate(self.groups, start=1):
            if number not in found:
                taken = any(map(group.holds, names))
                why = "earlier groups hold all" if taken else "no trained weight has such a name;"
                what = "that it fits" if taken else f"there are {', '.join(names)}"
                raise self.refuse(f"{group!r} changes nothing: {why} {what}")
        return found

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the formula keeps for each weight, all starting from zero."""
        return ()

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the arrays that options keep for each weight, all starting from zero."""
        average = ("average",) if self.ema is not None else ()
        return (*average, "accumulated") if self.accumulate > 1 else average

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of all arrays kept for each weight."""
        return (*self.slots, *self.extras)

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

    def check_steps(self, first: int, last: int, reductions: int) -> None:
        """Refuse, before training begins, what a step from ``first`` to ``last`` would refuse.

        Raises
        ------
        SpecError
            If a rate of the schedule does not go with the formula.
        """

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
