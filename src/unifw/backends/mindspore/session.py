"""A live net in MindSpore: cells over shared parameters, compiled once per batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mindspore
import numpy as np
import numpy.typing as npt
from mindspore import Parameter, Tensor, nn

from unifw.backend import Options, Session
from unifw.backends.mindspore.rules import Masked, rules
from unifw.backends.mindspore.training import Gather, Judged, Passes, TrainStep
from unifw.backends.mindspore.weight_ops import constraints, penalties
from unifw.backends.schedule import schedule
from unifw.data import Data
from unifw.spec import layers as L
from unifw.spec.graph import Graph
from unifw.weights import Arrays

__all__ = ["MindSporeSession", "Net"]

Array = npt.NDArray[Any]

# How many times its size a short batch is filled up to at most.
FILL = 8


class Body(nn.Cell):
    """The net in one mode: ``(xs, masks) -> outputs``, all of them tuples."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Any], *, training: bool) -> None:
        super().__init__(auto_prefix=False)
        places = {node.name: place for place, node in enumerate(graph.inputs)}
        cells = []
        masked = 0
        steps = schedule(graph)
        for placed, _, target, _ in steps:
            parts = {part: parameters[full] for part, full in placed.weights.items()}
            cell = rules.find(placed.layer)(placed, parts, training=training)
            if isinstance(cell, Masked):
                cell.number, masked = masked, masked + 1
            cells.append(cell)
            places[target] = len(places)
        self.steps = nn.CellList(cells, auto_prefix=False)
        self.sources = tuple(tuple(places[source] for source in step.sources) for step in steps)
        self.ends = tuple(places[name] for name in graph.outputs)
        self.count = len(cells)

    def construct(self, xs: Any, masks: Any) -> Any:
        values = xs
        for i in range(self.count):
            inputs = ()
            for source in self.sources[i]:
                inputs += (values[source],)  # type: ignore[assignment]  # it grows
            values += (self.steps[i](inputs, masks),)
        outs = ()
        for end in self.ends:
            outs += (values[end],)  # type: ignore[assignment]
        return outs


class Net(nn.Cell):
    """The net as MindSpore knows it; called, it evaluates.

    Parameters
    ----------
    graph : Graph
        The description.
    parameters : mapping of str to Parameter
        The live weights by full name.
    """

    def __init__(self, graph: Graph, parameters: Mapping[str, Any]) -> None:
        super().__init__(auto_prefix=False)
        self.body = Body(graph, parameters, training=False)
        self.is_single = len(graph.outputs) == 1

    def construct(self, *xs: Any) -> Any:
        outs = self.body(xs, ())
        return outs[0] if self.is_single else outs


class MindSporeSession(Session):
    """Two compiled graphs, one that trains and one that evaluates, over the same parameters."""

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        # Both settings belong to the whole process. Without the graph mode, every operation is
        # dispatched by itself, 15 to 100 times slower on CPU (mindspore 2.10).
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        target, _, number = options.device.partition(":")
        mindspore.set_device({"cpu": "CPU", "gpu": "GPU"}.get(target, "Ascend"), int(number or 0))
        self._parameters = {
            name: Parameter(
                Tensor(np.zeros(part.shape, dtype=np.float32)),
                name=name,
                requires_grad=part.trainable,
            )
            for name, part in graph.parts.items()
        }
        self._net = Net(graph, self._parameters)
        self._net.set_train(mode=False)
        self._trained = [self._parameters[n] for n, part in graph.parts.items() if part.trainable]
        body = Body(graph, self._parameters, training=True)
        pulls = penalties(graph.regularizers, self._parameters)
        holds = constraints(graph.constraints, self._parameters)
        judged = Judged(body, options.losses, options.loss_weights, graph.out_shapes, pulls)
        masked = sum(isinstance(p.layer, L.Noise) for p in graph)
        counts = (len(graph.inputs), len(graph.outputs), masked)
        passes = Passes(judged, self._trained, counts)
        self._step = TrainStep(passes, options.optimizer, self._trained, holds)
        self._step.set_train()
        self._gather: Gather | None = None
        if options.optimizer.accumulate > 1:
            self._gather = Gather(passes, self._step.extras[-1])
            self._gather.set_train()
        self._compiled: set[int] = set()

    @property
    def native(self) -> Net:
        """The ``mindspore.nn.Cell`` with the live weights."""
        return self._net

    def tensor(self, array: Array) -> Tensor:
        # Labels of 64 bits are refused by some operations on CPU (mindspore 2.10); indices and
        # labels have been checked to fit into 32.
        kind = np.int32 if array.dtype.kind == "i" else np.float32
        return Tensor(np.ascontiguousarray(array, dtype=kind))

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        rows = len(xs[0])
        # Each batch size is compiled for about a second. Rows do not depend on each other in
        # evaluation, so a short batch is filled up to a size that has been compiled, unless that is
        # so much larger that many such calls would cost more than compiling.
        known = (size for size in self._compiled if rows <= size <= FILL * rows)
        size = min(known, default=rows)
        self._compiled.add(size)
        filled = (np.concatenate([x, np.repeat(x[:1], size - rows, axis=0)]) for x in xs)
        outs = self._net(*map(self.tensor, filled))
        whole = outs if isinstance(outs, tuple) else (outs,)
        return tuple(out.asnumpy()[:rows] for out in whole)

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        arrays = (*batch.xs, *batch.ys, *masks.values())
        shares = () if batch.weights is None else (batch.weights,)
        if self._gather is not None and self.steps % self.options.optimizer.accumulate:
            loss, outs = self._gather(*map(self.tensor, (*arrays, *shares)))
        else:
            given = map(self.tensor, (np.array(coefficients), *arrays, *shares))
            loss, outs = self._step(*given)
        return loss, outs

    def host(self, value: Any) -> Array:
        return np.asarray(value.asnumpy())

    def weights(self) -> Arrays:
        return {name: value.asnumpy().copy() for name, value in self._parameters.items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        for name, value in weights.items():
            self._parameters[name].set_data(self.tensor(value))

    def _named_slots(self) -> dict[str, Parameter]:
        trained = (name for name, part in self.graph.parts.items() if part.trainable)
        return {
            f"{name}/{kind}": slot
            for place, (name, slots) in enumerate(zip(trained, self._step.slots, strict=True))
            for kind, slot in zip(
                self.options.optimizer.kept,
                (*slots, *(extra[place] for extra in self._step.extras)),
                strict=True,
            )
        }

    def state(self) -> Arrays:
        return {name: slot.asnumpy().copy() for name, slot in self._named_slots().items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        for name, slot in self._named_slots().items():
            slot.set_data(self.tensor(state[name]))
