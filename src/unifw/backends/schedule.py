"""In which order a net is computed: the walk's, but that what shrinks a value comes before what maps it."""

from __future__ import annotations

from typing import NamedTuple

from unifw.spec.graph import Graph, Placed
from unifw.spec.layers import MaxPool1D, MaxPool2D, ReLU

__all__ = ["Step", "schedule"]


class Step(NamedTuple):
    """One layer to compute: which, from the values of which names, and what its result is called.

    Attributes
    ----------
    placed : Placed
        The layer.
    sources : tuple of str
        The values it reads.
    target : str
        The value it gives.
    spent : tuple of str
        The values that nobody reads afterwards.
    """

    placed: Placed
    sources: tuple[str, ...]
    target: str
    spent: tuple[str, ...] = ()


def schedule(graph: Graph) -> tuple[Step, ...]:
    """Return the steps of a net.

    ReLU before a maximum is ReLU after it: the same values and the same gradients, ties and all, for a
    fraction of the work. So the two change places where nothing else reads the value between them.
    """
    readers: dict[str, list[Placed]] = {}
    for placed in graph:
        for source in placed.sources:
            readers.setdefault(source, []).append(placed)
    steps = {p.name: Step(p, p.sources, p.name) for p in graph}
    for relu in graph:
        after = readers.get(relu.name, [])
        if isinstance(relu.layer, ReLU) and relu.name not in graph.outputs and len(after) == 1:
            (pool,) = after
            if isinstance(pool.layer, MaxPool1D | MaxPool2D) and _sees_values(pool):
                steps[relu.name] = Step(pool, relu.sources, relu.name)
                steps[pool.name] = Step(relu, (relu.name,), pool.name)
    return tuple(_with_spent(list(steps.values()), graph.outputs))


def _with_spent(steps: list[Step], outputs: tuple[str, ...]) -> list[Step]:
    needed, found = set(outputs), []
    for step in reversed(steps):
        spent = tuple(dict.fromkeys(s for s in step.sources if s not in needed))
        needed.update(spent)
        found.append(step._replace(spent=spent))
    return found[::-1]


def _sees_values(pool: Placed) -> bool:
    """Whether no window lies wholly in the padding, whose maximum a ReLU would change."""
    window = pool.layer.window
    sides = zip(window.kernel, window.pads(pool.in_shape[1:]), strict=True)
    return all(max(pads) < size for size, pads in sides)
