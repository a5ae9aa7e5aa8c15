"""In which order a net is computed: the walk's, but that what shrinks a value comes before what maps it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from unifw.spec import layers as L
from unifw.spec.graph import Graph, Placed

__all__ = ["POINTWISE", "Step", "batch_last", "learning", "schedule"]


# Layers that slide a window over images or series, or take statistics over all positions: quick where the
# batch is the last axis. And layers that treat each value alike, wherever it lies.
WINDOWED = (
    L.Conv1D, L.Conv2D, L.MaxPool1D, L.MaxPool2D, L.AvgPool1D, L.AvgPool2D, L.BatchNorm, L.GlobalAvgPool,
)  # fmt: skip
POINTWISE: tuple[type[L.Layer], ...] = (
    L.ReLU, L.LeakyReLU, L.ReLU6, L.Hardtanh, L.ELU, L.SELU, L.CELU, L.GELU, L.SiLU, L.Mish, L.HardSigmoid,
    L.HardSwish, L.Softplus, L.Softsign, L.Sigmoid, L.LogSigmoid, L.Tanh, L.Affine, L.Power, L.Clip, L.Abs,
    L.Exp, L.Log, L.Add, L.Subtract, L.Multiply, L.Divide, L.Average, L.Maximum, L.Minimum,
)  # fmt: skip


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
    fraction of the work. So the two change places where nothing else reads the value between them. (No
    window of a pool lies wholly in the padding; its description sees to that.)
    """
    readers: dict[str, list[Placed]] = {}
    for placed in graph:
        for source in placed.sources:
            readers.setdefault(source, []).append(placed)
    steps = {p.name: Step(p, p.sources, p.name) for p in graph}
    for relu in graph:
        after = readers.get(relu.name, [])
        if isinstance(relu.layer, L.ReLU) and relu.name not in graph.outputs and len(after) == 1:
            (pool,) = after
            if isinstance(pool.layer, L.MaxPool1D | L.MaxPool2D | L.MaxPool3D):
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


def batch_last(steps: Iterable[Step]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which values are best held as ``(channels, *spatial, n)``, and which targets are worked out so.

    A step of ``WINDOWED`` layers on images or series takes its input so and gives its output so, if that
    still has positions; ``POINTWISE`` layers go along where all their inputs, of one shape, lie so.
    """
    held: set[str] = set()
    worked: set[str] = set()
    for step in steps:
        layer, shapes = step.placed.layer, step.placed.in_shapes
        windowed = isinstance(layer, WINDOWED) and len(shapes[0]) > 1
        along = isinstance(layer, POINTWISE) and held.issuperset(step.sources)
        if windowed or (along and len(set(shapes)) == 1):
            worked.add(step.target)
            if len(step.placed.out_shape) > 1:
                held.add(step.target)
    return frozenset(held), frozenset(worked)


def learning(steps: Iterable[Step]) -> frozenset[str]:
    """Return the values that depend on a trained weight: only they need a gradient."""
    reached: set[str] = set()
    for step in steps:
        trained = any(part.trainable for part in step.placed.parts.values())
        if trained or any(source in reached for source in step.sources):
            reached.add(step.target)
    return frozenset(reached)
