"""What frameworks that run operation by operation share: the walk over a net, and names of state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from unifw.backends.schedule import batch_last, learning, schedule
from unifw.formulas.functional import Formula, Functional
from unifw.formulas.losses import LossFormula, wanted
from unifw.formulas.weights import Held, held_by
from unifw.rules import Rules
from unifw.spec.graph import Graph, Placed
from unifw.spec.losses import Loss
from unifw.spec.optimizers import Optimizer
from unifw.spec.value import Value

__all__ = [
    "Call",
    "Forward",
    "Walk",
    "activation",
    "by_formula",
    "holding",
    "judged_by",
    "slot_places",
]


class Call(NamedTuple):
    """What a layer gets.

    Attributes
    ----------
    weights : mapping of str to tensor
        Its weights by part.
    inputs : tuple of tensor
        Its inputs.
    training : bool
        The mode.
    mask : tensor or None
        Of dropout; or the noise that is added.
    batch_last : bool
        Whether inputs are, and the output shall be, ``(channels, *spatial, n)``.
    is_first : bool
        Whether nothing before it learns, so that in training the inputs need no gradient.
    """

    weights: Mapping[str, Any]
    inputs: tuple[Any, ...]
    training: bool
    mask: Any = None
    batch_last: bool = False
    is_first: bool = False

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


def by_formula(
    functional: Callable[[], Functional],
) -> Callable[[Formula], Callable[[Placed], Forward]]:
    """Return what makes a rule of a shared formula, in the words of a framework; asked per node."""

    def wrap(formula: Formula) -> Callable[[Placed], Forward]:
        def rule(placed: Placed) -> Forward:
            applied, parts = formula(placed, functional()), tuple(placed.parts)
            return lambda call: applied(call.inputs, tuple([call.weights[p] for p in parts]))

        return rule

    return wrap


def judged_by(
    functional: Callable[[Any], Functional],
) -> Callable[[LossFormula], Callable[..., Any]]:
    """Return what makes a loss's rule of a shared formula, in the words that go with an output."""

    def wrap(formula: LossFormula) -> Callable[..., Any]:
        def rule(loss: Loss, out: Any, target: Any) -> Any:
            shape, f = tuple(out.shape[1:]), functional(out)
            if loss.targets.one_class and target.ndim < out.ndim:
                target = wanted(loss, shape, f)(target)
            return formula(loss, shape, f)(out, target)

        return rule

    return wrap


def holding(
    rules: Mapping[str, Value], functional: Functional, live: Callable[[str], Any]
) -> list[tuple[Held, Any]]:
    """Return, for each weight that is regularized or constrained, what is made of it, and the weight."""
    weights = {name: live(name) for name in rules}
    return [
        (held_by.find(rule)(rule, weights[name].ndim, functional), weights[name])
        for name, rule in rules.items()
    ]


class Turns(NamedTuple):
    """How a framework turns the axes of a value: the batch from first to last, and back."""

    last: Callable[[Any], Any]
    first: Callable[[Any], Any]


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
    turns : Turns, optional
        Given where the batch is to be the last axis for the layers that are quicker so.
    """

    def __init__(
        self,
        graph: Graph,
        rules: Rules,
        weight: Callable[[str], Any],
        turns: Turns | None = None,
    ) -> None:
        self._inputs = tuple(node.name for node in graph.inputs)
        self._outputs = graph.outputs
        self._weight, self._turns = weight, turns
        steps = schedule(graph)
        self._held, worked = batch_last(steps) if turns else (frozenset(), frozenset())
        learns = learning(steps)
        self._steps = [
            (
                step,
                rules.find(step.placed.layer)(step.placed),
                step.target in worked,
                learns.isdisjoint(step.sources),
                tuple(
                    (source, self._turn(source, step.target in worked)) for source in step.sources
                ),
            )
            for step in steps
        ]
        self._ends = tuple((name, self._turn(name, wanted=False)) for name in self._outputs)

    def _turn(self, name: str, wanted: bool) -> Callable[[Any], Any] | None:  # noqa: FBT001
        """Return what turns a value as its reader wants it: with the batch last, or first."""
        if self._turns is None or (name in self._held) is wanted:
            return None
        return self._turns.last if wanted else self._turns.first

    @cached_property
    def _weights(self) -> list[dict[str, Any]]:
        """The live weights of each step, by part."""
        return [
            {part: self._weight(full) for part, full in step.placed.weights.items()}
            for step, *_ in self._steps
        ]

    def __call__(
        self, xs: Sequence[Any], *, training: bool, masks: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        """Return all outputs."""
        values = dict(zip(self._inputs, xs, strict=True))
        for (step, forward, last, first, reads), weights in zip(
            self._steps, self._weights, strict=True
        ):
            inputs = tuple(
                [values[name] if turn is None else turn(values[name]) for name, turn in reads]
            )
            mask = masks.get(step.placed.name) if masks else None
            call = Call(weights, inputs, training, mask, last, training and first)
            values[step.target] = forward(call)
            del inputs, call
            for name in step.spent:
                del values[name]
        return tuple([values[n] if turn is None else turn(values[n]) for n, turn in self._ends])


def slot_places(trained: Sequence[str], optimizer: Optimizer) -> dict[str, tuple[int, int]]:
    """Return, for each name of optimizer state, the places of its weight and of its slot."""
    return {
        f"{name}/{slot}": (place, number)
        for place, name in enumerate(trained)
        for number, slot in enumerate(optimizer.slots)
    }
