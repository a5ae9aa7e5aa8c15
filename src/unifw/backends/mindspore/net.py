"""The net as cells of MindSpore, over shared parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import Any

from mindspore import nn

from unifw.backends.mindspore.rules import Masked
from unifw.backends.schedule import schedule
from unifw.rules import Rules
from unifw.spec.graph import Graph

__all__ = ["Body", "Net"]


class Run(nn.Cell):
    """Cells of which each reads what the one before gives, and nothing else: ``(inputs, masks) -> value``."""

    def __init__(self, cells: list[nn.Cell]) -> None:
        super().__init__(auto_prefix=False)
        self.steps = nn.CellList(cells, auto_prefix=False)

    def construct(self, inputs: Any, masks: Any) -> Any:
        for step in self.steps:
            inputs = (step(inputs, masks),)
        return inputs[0]


class Body(nn.Cell):
    """The net in one mode: ``(xs, masks) -> outputs``, all of them tuples.

    In runs: one growing tuple of all values takes the compiler twice as long (mindspore 2.10).
    """

    def __init__(
        self, graph: Graph, parameters: Mapping[str, Any], rules: Rules, *, training: bool
    ) -> None:
        super().__init__(auto_prefix=False)
        runs: list[list[nn.Cell]] = []
        sources: list[tuple[str, ...]] = []
        run_of: dict[str, int] = {}
        masked = 0
        steps = schedule(graph)
        readers = Counter(chain(graph.outputs, *(step.sources for step in steps)))
        for placed, read, target, _ in steps:
            parts = {part: parameters[full] for part, full in placed.weights.items()}
            cell = rules.find(placed.layer)(placed, parts, training=training)
            if isinstance(cell, Masked):
                cell.number, masked = masked, masked + 1
            if len(read) == 1 and readers[read[0]] == 1 and read[0] in run_of:
                run = run_of.pop(read[0])
            else:
                run = len(runs)
                runs.append([])
                sources.append(read)
            runs[run].append(cell)
            run_of[target] = run
        places = {node.name: place for place, node in enumerate(graph.inputs)}
        places |= {target: len(places) + run for target, run in run_of.items()}
        self.runs = nn.CellList([Run(cells) for cells in runs], auto_prefix=False)
        self.sources = tuple(tuple(map(places.__getitem__, read)) for read in sources)
        self.ends = tuple(places[name] for name in graph.outputs)
        self.count = len(runs)

    def construct(self, xs: Any, masks: Any) -> Any:
        values = xs
        for i in range(self.count):
            inputs: Any = ()
            for source in self.sources[i]:
                inputs += (values[source],)
            values += (self.runs[i](inputs, masks),)
        outs: Any = ()
        for end in self.ends:
            outs += (values[end],)
        return outs


class Net(nn.Cell):
    """The net as MindSpore knows it; called, it evaluates.

    Parameters
    ----------
    graph : Graph
        The description.
    parameters : mapping of str to Parameter
        The live weights by full name.
    rules : Rules
        The table of the layers.
    """

    def __init__(self, graph: Graph, parameters: Mapping[str, Any], rules: Rules) -> None:
        super().__init__(auto_prefix=False)
        self.body = Body(graph, parameters, rules, training=False)
        self.is_single = len(graph.outputs) == 1

    def construct(self, *xs: Any) -> Any:
        outs = self.body(xs, ())
        return outs[0] if self.is_single else outs
