"""What frameworks that run operation by operation share: the walk over a net, and names of state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from unifw.backends.schedule import schedule
from unifw.rules import Rules
from unifw.spec.graph import Graph, Placed
from unifw.spec.optimizers import Optimizer

__all__ = ["Call", "Forward", "Walk", "activation", "slot_places"]


class Call(NamedTuple):
    """What a layer gets: its weights by part, its inputs, the mode, and a dropout mask."""

    weights: Mapping[str, Any]
    inputs: tuple[Any, ...]
    training: bool
    mask: Any = None

    @property
    def x(self) -> Any:
        """The first, often the only, input."""
        return self.inputs[0]


Forward = Callable[[Call], Any]


def activation(function: Callable[[Any, Any], Any]) -> Callable[[Placed], Forward]:
    """Make a rule of a function ``(layer, x) -> y``."""

    def rule(placed: Placed) -> Forward:
        return lambda call: function(placed.layer, call.x)

    return rule


class Walk:
    """The forward pass of a net, its layers built by a table of rules.

    Parameters
    ----------
    graph : Graph
        The net.
    rules : Rules
        Layer → function of its ``Placed`` that gives a function of a ``Call``.
    weight : callable
        Full name → live weight; asked once, so a weight must stay the same object.
    """

    def __init__(self, graph: Graph, rules: Rules, weight: Callable[[str], Any]) -> None:
        self._inputs = tuple(node.name for node in graph.inputs)
        self._outputs = graph.outputs
        self._steps = [
            (step, rules.find(step.placed.layer)(step.placed)) for step in schedule(graph)
        ]
        self._weight = weight

    @cached_property
    def _weights(self) -> list[dict[str, Any]]:
        """The live weights of each step, by part."""
        return [
            {part: self._weight(full) for part, full in step.placed.weights.items()}
            for step, _ in self._steps
        ]

    def __call__(
        self, xs: Sequence[Any], *, training: bool, masks: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        """Return all outputs."""
        values = dict(zip(self._inputs, xs, strict=True))
        for (step, forward), weights in zip(self._steps, self._weights, strict=True):
            inputs = tuple([values[source] for source in step.sources])
            mask = masks.get(step.placed.name) if masks else None
            values[step.target] = forward(Call(weights, inputs, training, mask))
            del inputs
            for name in step.spent:
                del values[name]
        return tuple(values[name] for name in self._outputs)


def slot_places(trained: Sequence[str], optimizer: Optimizer) -> dict[str, tuple[int, int]]:
    """Return, for each name of optimizer state, the places of its weight and of its slot."""
    return {
        f"{name}/{slot}": (place, number)
        for place, name in enumerate(trained)
        for number, slot in enumerate(optimizer.slots)
    }
