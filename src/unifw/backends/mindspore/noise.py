"""Dropout and noise drawn within the compiled step, for models that need not agree with other backends.

Each operation has a generator of its own, which begins when the step is compiled, and is seeded by the model's
seed and the place of its node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import mindspore
from mindspore import ops

from unifw.backends.mindspore.cells import Parts, Rule
from unifw.backends.mindspore.rules import rules
from unifw.randomness import step_seed
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["drawing"]


class Drawn(Rule):
    """Base of the rules that draw."""

    def build(self, placed: Placed, parts: Parts, *, training: bool) -> None:
        del parts
        self.layer, self.in_training = placed.layer, training

    def begin(self, first: int, second: int) -> None:
        """Take two seeds; 0 and 0 would mean another one in each process."""


class Dropout(Drawn):
    # Not ops.Dropout: of equal seeds it drops other values in every third pass (mindspore 2.10, CPU).
    def begin(self, first: int, second: int) -> None:
        self.uniform, self.rate = ops.UniformReal(first, second), self.layer.rate
        self.scale = 1 / (1 - self.rate)

    def kept(self, shape: Any) -> Any:
        """Return 0 for what is dropped, and for the rest what it is multiplied by."""
        return ops.cast(self.uniform(shape) >= self.rate, mindspore.float32) * self.scale

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0]
        return x * self.kept(x.shape) if self.in_training else x


class SpatialDropout(Dropout):
    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0]
        if not self.in_training:
            return x
        kept = self.kept((x.shape[0], x.shape[1]))
        return x * ops.reshape(kept, (x.shape[0], x.shape[1]) + (1,) * (x.ndim - 2))


class Noise(Drawn):
    def begin(self, first: int, second: int) -> None:
        self.normal, self.std = ops.StandardNormal(first, second), self.layer.std

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        x = inputs[0]
        return x + self.normal(x.shape) * self.std if self.in_training else x


CELLS: dict[type[L.Noise], type[Drawn]] = {
    L.Dropout: Dropout, L.SpatialDropout: SpatialDropout, L.GaussianNoise: Noise,
}  # fmt: skip


def drawing(seed: int) -> Rules:
    """Return the table for a training step whose dropout and noise begin with ``seed``."""
    table, places = Rules("backend 'mindspore' with its own generator"), count(1)
    for kind, cell in CELLS.items():
        table(kind)(_seeded(cell, seed, places))
    table.adopt(rules, lambda rule: rule)
    return table


def _seeded(cell: type[Drawn], seed: int, places: Iterator[int]) -> Callable[..., Drawn]:
    def built(placed: Placed, parts: Parts, *, training: bool) -> Drawn:
        made, place = cell(placed, parts, training=training), next(places)
        made.begin(step_seed(seed, place), place)
        return made

    return built
