"""Mixed precision: dense layers and convolutions in half, all else in float32, and the loss multiplied.

Gradients of a loss as it is would often be too small for a half; so the loss is multiplied by a number, and
the gradients, which are float32 again where weights are, divided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.eager import Call, Forward
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.weights import FIRST_SCALE, LOSS_SCALE

__all__ = ["LossScale", "halved", "in_half"]

Array = npt.NDArray[Any]
HALVED = (
    L.Dense, L.Conv1D, L.Conv2D, L.Conv3D, L.ConvTranspose1D, L.ConvTranspose2D, L.ConvTranspose3D,
    L.SeparableConv1D, L.SeparableConv2D,
)  # fmt: skip


class LossScale:
    """The number by which the loss is multiplied: halved on an overflow, doubled when long none came.

    Attributes
    ----------
    value : float
        From 2**15 on, between 1 and 2**24.
    good : int
        Steps without an overflow since it last changed.
    """

    FIRST, LEAST, MOST, PATIENCE = FIRST_SCALE[0], 1.0, 2.0**24, 2000

    def __init__(self) -> None:
        self.value, self.good = self.FIRST, 0

    def follow(self, *, overflow: bool) -> None:
        """Take in how a step went."""
        self.good = 0 if overflow else self.good + 1
        if overflow:
            self.value = max(self.value / 2, self.LEAST)
        elif self.good == self.PATIENCE:
            self.value, self.good = min(self.value * 2, self.MOST), 0

    def divided(self, grads: Sequence[Any], host: Callable[[Any], Array]) -> list[Any] | None:
        """Return the gradients of the loss itself, or ``None`` if there was an overflow.

        The only number that is read back in a step tells it.
        """
        if not grads:
            return []
        found = [grad / self.value for grad in grads]
        # Zero times what is not finite is nan.
        zero = sum(((grad * 0.0).sum() for grad in found[1:]), start=(found[0] * 0.0).sum())
        overflow = float(host(zero)) != 0
        self.follow(overflow=overflow)
        return None if overflow else found

    def state(self) -> dict[str, Array]:
        """Return it as part of a session's state."""
        return {LOSS_SCALE: np.array([self.value, self.good], dtype=np.float64)}

    def load(self, state: Mapping[str, Array]) -> None:
        """Set it from a session's state."""
        value, good = state[LOSS_SCALE]
        self.value, self.good = float(value), int(good)


def in_half(
    rules: Rules, half: Callable[[Any], Any], single: Callable[[Any], Any], where: str
) -> Rules:
    """Return the table of mixed precision: the same rules, some of them between two casts in training.

    Parameters
    ----------
    rules : Rules
        Those of float32.
    half, single : callable
        Cast a tensor to the half, and to float32.
    where : str
        Whose rules they are, as errors name it.
    """
    return halved(rules, lambda rule: _cast(rule, half, single), where)


def halved(rules: Rules, wrap: Callable[[Any], Callable[..., Any]], where: str) -> Rules:
    """Return the same rules, those of dense layers and convolutions wrapped; ``where`` says whose they are."""
    mixed = Rules(where)
    for kind in HALVED:
        if rules.why_not(kind) is None:
            mixed(kind)(wrap(rules.of(kind)))
    mixed.adopt(rules, lambda rule: rule)
    return mixed


def _cast(
    rule: Callable[[Placed], Forward], half: Callable[[Any], Any], single: Callable[[Any], Any]
) -> Callable[[Placed], Forward]:
    def built(placed: Placed) -> Forward:
        forward = rule(placed)

        def mixed(call: Call) -> Any:
            if not call.training:
                return forward(call)
            weights = {part: half(weight) for part, weight in call.weights.items()}
            inputs = tuple(map(half, call.inputs))
            return single(forward(call._replace(weights=weights, inputs=inputs)))

        return mixed

    return built
