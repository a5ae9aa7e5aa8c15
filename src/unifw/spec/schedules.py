"""Schedules: learning rates that change from step to step, the same on every backend.

A schedule stands where a rate could: ``SGD(schedules.CosineDecay(0.1, 1000))``. All but ``ReduceOnPlateau``
are functions of the number of the step alone. *Steps are updates of the weights, counted from the model's
birth* over all calls of ``fit`` and all backends; an epoch has as many as ``fit`` has batches (divided by
``accumulate``). The rates are worked out in float64 outside the frameworks.

In the formulas, ``t`` is the number of updates done: 0 in the first step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from unifw.spec import check
from unifw.spec.value import Value

__all__ = [
    "CATALOGUE",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "InverseSqrt",
    "MultiStepDecay",
    "OneCycle",
    "Plateau",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "Warmup",
    "rate",
]


@dataclass(frozen=True, repr=False)
class Schedule(Value):
    """Base of all schedules.

    Parameters
    ----------
    learning_rate : float
        The rate that it starts from.
    """

    family: ClassVar[str] = "schedule"

    learning_rate: float

    def __post_init__(self) -> None:
        self._check(learning_rate=0)

    def _check(self, **least: float) -> None:
        for name, value in least.items():
            self.normalise(**{name: check.number(name, getattr(self, name), least=value)})

    def _check_counts(self, *names: str) -> None:
        for name in names:
            self.normalise(**{name: check.count(name, getattr(self, name))})

    def _check_least(self, least: float) -> None:
        if least > self.learning_rate:
            raise self.refuse(f"least {least:g} is above the learning rate {self.learning_rate:g}")

    @property
    def plateau(self) -> ReduceOnPlateau | None:
        """The part of it that looks at the course of training, if there is one."""
        return None

    def at(self, step: int, reductions: int = 0) -> float:
        """Return the rate.

        Parameters
        ----------
        step : int
            Number of the step, from 1.
        reductions : int
            How many times ``plateau`` has reduced it.
        """
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class StepDecay(Schedule):
    """``learning_rate * factor ** floor(t / every)`` (PyTorch's StepLR, counted in steps).

    Parameters
    ----------
    learning_rate : float
        The first rate.
    every : int
        Steps between two decays.
    factor : float
        Default 0.1.
    """

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_counts("every")
        self._check(factor=0)

    def at(self, step: int, reductions: int = 0) -> float:
        return float(self.learning_rate * self.factor ** ((step - 1) // self.every))


@dataclass(frozen=True, repr=False)
class MultiStepDecay(Schedule):
    """``learning_rate * factor ** (number of milestones <= t)`` (PyTorch's MultiStepLR).

    Parameters
    ----------
    learning_rate : float
        The first rate.
    milestones : sequence of int
        After how many steps the rate decays, in rising order.
    factor : float
        Default 0.1.
    """

    milestones: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.milestones
        if not isinstance(given, (tuple, list)) or not given:
            raise self.refuse(f"milestones must be a sequence of whole numbers, got {given!r}")
        counts = tuple(check.count("every milestone", value) for value in given)
        if sorted(set(counts)) != list(counts):
            raise self.refuse(f"milestones must rise, got {given!r}")
        self.normalise(milestones=counts)
        self._check(factor=0)

    def at(self, step: int, reductions: int = 0) -> float:
        return float(self.learning_rate * self.factor ** bisect_right(self.milestones, step - 1))


@dataclass(frozen=True, repr=False)
class ExponentialDecay(Schedule):
    """``learning_rate * factor ** (t / every)`` (Keras's ExponentialDecay).

    Parameters
    ----------
    learning_rate : float
        The first rate.
    factor : float
        By what the rate is multiplied within ``every`` steps.
    every : int
        Default 1.
    """

    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(factor=0)
        self._check_counts("every")

    def at(self, step: int, reductions: int = 0) -> float:
        return self.learning_rate * math.pow(self.factor, (step - 1) / self.every)


@dataclass(frozen=True, repr=False)
class CosineDecay(Schedule):
    """Half a wave from ``learning_rate`` down to ``least``, where it stays (Loshchilov & Hutter, 2017).

    ``least + (learning_rate - least) * (1 + cos(pi * min(t / steps, 1))) / 2``.

    Parameters
    ----------
    learning_rate : float
        The first rate.
    steps : int
        After how many steps it ends.
    least : float
        Default 0.
    """

    steps: int
    least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_counts("steps")
        self._check(least=0)
        self._check_least(self.least)

    def at(self, step: int, reductions: int = 0) -> float:
        return _cosine(self.learning_rate, self.least, min((step - 1) / self.steps, 1.0))


@dataclass(frozen=True, repr=False)
class CosineRestarts(Schedule):
    """``CosineDecay`` again and again (Loshchilov & Hutter, 2017; PyTorch's CosineAnnealingWarmRestarts).

    Parameters
    ----------
    learning_rate : float
        The first rate.
    steps : int
        Length of the first wave.
    growth : int
        How many times as long as the one before each further wave is; default 1.
    least : float
        Where each wave ends; default 0.
    decay : float
        By what the first rate of each further wave is multiplied; default 1.
    """

    steps: int
    growth: int = 1
    least: float = 0.0
    decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_counts("steps", "growth")
        self._check(least=0, decay=0)
        self._check_least(self.least)

    def at(self, step: int, reductions: int = 0) -> float:
        done, length, wave = step - 1, self.steps, 0
        if self.growth == 1:
            wave, done = divmod(done, length)
        while done >= length:
            done, length, wave = done - length, length * self.growth, wave + 1
        peak = self.learning_rate * self.decay**wave
        return _cosine(peak, min(self.least, peak), done / length)


@dataclass(frozen=True, repr=False)
class PolynomialDecay(Schedule):
    """``least + (learning_rate - least) * (1 - min(t / steps, 1)) ** power`` (Keras's PolynomialDecay).

    Parameters
    ----------
    learning_rate : float
        The first rate.
    steps : int
        After how many steps it ends.
    least : float
        Default 0.
    power : float
        Above 0; default 1: a straight line.
    """

    steps: int
    least: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_counts("steps")
        self._check(least=0)
        self._check_least(self.least)
        self.normalise(power=check.number("power", self.power, least=0, open_=True))

    def at(self, step: int, reductions: int = 0) -> float:
        left = 1 - min((step - 1) / self.steps, 1.0)
        return float(self.least + (self.learning_rate - self.least) * left**self.power)


@dataclass(frozen=True, repr=False)
class InverseSqrt(Schedule):
    """``learning_rate * sqrt(steps / (steps + t))``.

    ``Warmup(InverseSqrt(rate, n), n)`` is the schedule of the Transformer (Vaswani et al., 2017): a rise over
    ``n`` steps, then ``rate * sqrt(n / t)``.

    Parameters
    ----------
    learning_rate : float
        The first rate.
    steps : int
        After three times as many the rate has halved.
    """

    steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_counts("steps")

    def at(self, step: int, reductions: int = 0) -> float:
        return self.learning_rate * math.sqrt(self.steps / (self.steps + step - 1))


@dataclass(frozen=True, repr=False)
class OneCycle(Schedule):
    """Half a wave up and half a wave down (Smith & Topin, 2018, as PyTorch's OneCycleLR).

    From ``learning_rate / divisor`` at ``t = 0`` up to ``learning_rate`` at ``t = rise * steps - 1``, then
    down to ``learning_rate / divisor / last_divisor`` at ``t = steps - 1``, where it stays. Momentum is left
    alone.

    Parameters
    ----------
    learning_rate : float
        The largest rate.
    steps : int
        Length of the whole; at least 2.
    rise : float
        Share of the steps before the largest rate, in (0, 1); default 0.3.
    divisor, last_divisor : float
        At least 1; default 25 and 10000.
    """

    steps: int
    rise: float = 0.3
    divisor: float = 25.0
    last_divisor: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(steps=check.count("steps", self.steps, least=2))
        self.normalise(rise=check.number("rise", self.rise, least=0, below=1, open_=True))
        self._check(divisor=1, last_divisor=1)

    def at(self, step: int, reductions: int = 0) -> float:
        done, top, end = step - 1, self.rise * self.steps - 1, self.steps - 1
        first = self.learning_rate / self.divisor
        if done < top:
            return _cosine(first, self.learning_rate, done / top)
        past = (done - top) / (end - top)
        return _cosine(self.learning_rate, first / self.last_divisor, min(past, 1.0))


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """A straight line up to the first rate of another schedule, which begins then (Paddle's LinearWarmup).

    For ``t < steps`` it is ``start + (peak - start) * t / steps``, ``peak`` being the first rate of the
    other; from there on the other counts its steps from ``t = steps``.

    Parameters
    ----------
    learning_rate : float or Schedule
        What comes after.
    steps : int
        Length of the rise.
    start : float
        The rate of the very first step; default 0.
    """

    learning_rate: float | Schedule  # type: ignore[assignment]  # only here it may be either
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        self.normalise(learning_rate=rate(self.learning_rate))
        self._check_counts("steps")
        self._check(start=0)

    @property
    def plateau(self) -> ReduceOnPlateau | None:
        return self.learning_rate.plateau if isinstance(self.learning_rate, Schedule) else None

    def at(self, step: int, reductions: int = 0) -> float:
        done, then = step - 1, self.learning_rate
        peak = (
            then.at(max(step - self.steps, 1), reductions) if isinstance(then, Schedule) else then
        )
        return peak if done >= self.steps else self.start + (peak - self.start) * done / self.steps


class Plateau(NamedTuple):
    """How far ``ReduceOnPlateau`` has come: part of the model, and of its file.

    Attributes
    ----------
    best : float or None
        The best value so far.
    waited : int
        Epochs without a better one.
    resting : int
        Epochs of rest still to go.
    reductions : int
        How many times the rate has been reduced.
    """

    best: float | None = None
    waited: int = 0
    resting: int = 0
    reductions: int = 0


@dataclass(frozen=True, repr=False)
class ReduceOnPlateau(Schedule):
    """Multiplies the rate by ``factor`` when a number has not become better for more than ``patience`` epochs.

    As PyTorch's and Paddle's, for numbers that are not negative: better means lower than
    ``best - threshold * |best|`` (higher than the sum with ``mode="max"``); each reduction is followed by
    ``rest`` epochs that do not count. It looks at what ``history`` holds after each epoch. The rate is
    ``max(learning_rate * factor ** reductions, least)``.

    Parameters
    ----------
    learning_rate : float
        The first rate.
    factor : float
        In (0, 1); default 0.1.
    patience : int
        Default 10.
    monitor : str
        A name in ``model.history``; default ``"val_loss"``. ``fit`` refuses to begin without it.
    mode : {"min", "max"}
        Whether lower (default) or higher is better.
    threshold : float
        Default 0.0001.
    rest : int
        Default 0 (PyTorch calls it cooldown).
    least : float
        Default 0.
    """

    factor: float = 0.1
    patience: int = 10
    monitor: str = "val_loss"
    mode: str = "min"
    threshold: float = 1e-4
    rest: int = 0
    least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(factor=check.number("factor", self.factor, least=0, below=1, open_=True))
        for name in ("patience", "rest"):
            self.normalise(**{name: check.count(name, getattr(self, name), least=0)})
        if not isinstance(self.monitor, str) or not self.monitor:
            raise self.refuse(f"monitor must be a name such as 'val_loss', got {self.monitor!r}")
        check.choice("mode", self.mode, ("min", "max"))
        self._check(threshold=0, least=0)
        self._check_least(self.least)

    @property
    def plateau(self) -> ReduceOnPlateau:
        return self

    def at(self, step: int, reductions: int = 0) -> float:
        return max(self.learning_rate * self.factor**reductions, self.least)

    def seen(self, state: Plateau, value: float) -> Plateau:
        """Return the state after an epoch that ended with ``value``; one that is no number is not better."""
        resting = max(state.resting - 1, 0)
        if self._is_better(value, state.best):
            return Plateau(value, 0, resting, state.reductions)
        waited = 0 if state.resting else state.waited + 1
        if waited <= self.patience:
            return Plateau(state.best, waited, resting, state.reductions)
        return Plateau(state.best, 0, self.rest, state.reductions + 1)

    def _is_better(self, value: float, best: float | None) -> bool:
        if best is None:
            return math.isfinite(value)
        margin = self.threshold * abs(best)
        return value < best - margin if self.mode == "min" else value > best + margin


def _cosine(first: float, last: float, done: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2


def rate(given: Any) -> float | Schedule:
    """Return a learning rate, which is a number or a schedule, if it is one."""
    if isinstance(given, Schedule):
        return given
    return check.number("learning_rate, if it is no schedule,", given, least=0)


KINDS = (
    StepDecay, MultiStepDecay, ExponentialDecay, CosineDecay, CosineRestarts, PolynomialDecay,
    InverseSqrt, OneCycle, Warmup, ReduceOnPlateau,
)  # fmt: skip
CATALOGUE: Mapping[str, type[Schedule]] = MappingProxyType({kind.__name__: kind for kind in KINDS})
