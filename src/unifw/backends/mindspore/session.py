"""A live net in MindSpore: cells over shared parameters, compiled once per batch size where that pays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import mindspore
import numpy as np
import numpy.typing as npt
from mindspore import Parameter, Tensor, nn

from unifw.backend import Epoch, Options, Plan, Report, Session
from unifw.backends.mindspore.compiling import PREDICTIONS, STEPS, Jit, Trial
from unifw.backends.mindspore.holding import constraints, penalties
from unifw.backends.mindspore.losses import Judged
from unifw.backends.mindspore.mixed import MixedStep, Scaled, loss_scale, mixed
from unifw.backends.mindspore.net import Body, Net
from unifw.backends.mindspore.noise import drawing
from unifw.backends.mindspore.rules import rules
from unifw.backends.mindspore.saving import save
from unifw.backends.mindspore.training import Gather, Passes, TrainStep
from unifw.data import Data
from unifw.errors import DeviceUnavailable
from unifw.spec import layers as L
from unifw.spec.graph import Graph
from unifw.weights import LOSS_SCALE, Arrays

__all__ = ["MindSporeSession"]

Array = npt.NDArray[Any]

# How many times its size a short batch is filled up to at most.
FILL = 8


class Called(nn.Cell):
    """A cell as it is called from outside.

    In each call MindSpore 2.10 sets an attribute of all cells below, one by one: 0.1 ms and more in all. So
    they are held where it does not look for them.
    """

    def __init__(self, cell: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.held = (cell,)
        self.set_train(cell.training)

    def construct(self, *arrays: Any) -> Any:
        return self.held[0](*arrays)


def _set_device(device: str) -> None:
    """Have this process use a device; MindSpore knows but one.

    Raises
    ------
    DeviceUnavailable
        If it uses another one already.
    """
    target, _, number = device.partition(":")
    wanted = ({"cpu": "CPU", "gpu": "GPU"}.get(target, "Ascend"), int(number or 0))
    used = mindspore.get_context("device_target"), mindspore.get_context("device_id")
    try:
        mindspore.set_device(*wanted)
    except RuntimeError as err:
        # Once anything has run, it refuses even the device that is in use (mindspore 2.10).
        if used != wanted:
            with suppress(RuntimeError):  # what it refuses, it has half set
                mindspore.set_device(*used)
            message = (
                f"MindSpore uses one device a process, and here it is {used[0]} {used[1]}, not {device!r}: "
                "open the model first, or with isolate=True"
            )
            raise DeviceUnavailable(message) from err


class Begun(NamedTuple):
    """An output of a batch that was filled up: its first rows count."""

    whole: Any
    rows: int


def _jit(options: Options) -> Jit:
    """Return when to compile; what that costs has been measured on CPU only."""
    told: Jit = options.settings.get("jit", "auto")
    return True if told == "auto" and options.device != "cpu" else told


def _filled_up(array: Array, size: int) -> Array:
    """Return an array of ``size`` rows."""
    rows = len(array)
    if rows == size:
        return array
    # With a row of its own: numbers as they occur, of which nothing overflows.
    return np.concatenate([array, np.repeat(array[:1], size - rows, axis=0)])


def _filled(batch: Data, masks: Mapping[str, Array], size: int) -> tuple[Data, Mapping[str, Array]]:
    """Return a batch of ``size`` rows, in which the added ones weigh nothing."""
    rows, fill = len(batch), partial(_filled_up, size=size)
    shares = np.full(rows, 1 / rows, np.float32) if batch.weights is None else batch.weights
    whole = Data(
        tuple(map(fill, batch.xs)), tuple(map(fill, batch.ys)), np.pad(shares, (0, size - rows))
    )
    return whole, {name: fill(mask) for name, mask in masks.items()}


class MindSporeSession(Session):
    """Two cells, one that trains and one that evaluates, over the same parameters."""

    draws = True

    def __init__(self, graph: Graph, options: Options) -> None:
        super().__init__(graph, options)
        # All three settings belong to the whole process. Trials leave the graph mode for single calls, whose
        # operations take 5 to 8 times as long if they do not wait for each other (mindspore 2.10, two cores).
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        _set_device(options.device)
        if options.device == "cpu":
            mindspore.runtime.launch_blocking()
        self._parameters = {
            name: Parameter(
                Tensor(np.zeros(part.shape, dtype=np.float32)),
                name=name,
                requires_grad=part.trainable,
            )
            for name, part in graph.parts.items()
        }
        self._net = Net(graph, self._parameters, rules)
        self._net.set_train(mode=False)
        self._evaluate = Called(self._net)
        self._trained = [self._parameters[n] for n, part in graph.parts.items() if part.trainable]
        drawn = rules if options.parity else drawing(options.seed)
        self._scale = loss_scale() if options.is_mixed else None
        table = drawn if self._scale is None else mixed(drawn)
        body = Body(graph, self._parameters, table, training=True)
        pulls = penalties(graph.regularizers, self._parameters)
        holds = constraints(graph.constraints, self._parameters)
        judged = Judged(body, options.losses, options.loss_weights, graph.out_shapes, pulls)
        masked = sum(isinstance(p.layer, L.Noise) for p in graph) if options.parity else 0
        counts = (len(graph.inputs), len(graph.outputs), masked)
        scored = judged if self._scale is None else Scaled(judged, self._scale)
        passes = Passes(scored, self._trained, counts)
        step = (passes, options.optimizer, self._trained, holds)
        if self._scale is None:
            self._step = TrainStep(*step)
        else:
            running = [p for p in self._parameters.values() if not p.requires_grad]
            self._step = MixedStep(self._scale, running, *step)
        self._step.set_train()
        self._advance = Called(self._step)
        self._gather: Called | None = None
        if options.optimizer.accumulate > 1:
            gather = Gather(passes, self._step.extras[-1])
            gather.set_train()
            self._gather = Called(gather)
        self._jit = _jit(options)
        is_drawn = not options.parity and any(isinstance(p.layer, L.Noise) for p in graph)
        # Generators begin anew when they are compiled.
        self._training = Trial(
            True if is_drawn and self._jit == "auto" else self._jit, STEPS, graph
        )
        self._evaluations: dict[int, Trial] = {}
        # To how many rows the batches of training are filled up; 0 for as they are.
        self._full = 0

    @property
    def native(self) -> Net:
        """The ``mindspore.nn.Cell`` with the live weights."""
        return self._net

    def tensor(self, array: Array) -> Tensor:
        # Labels of 64 bits are refused by some operations on CPU (mindspore 2.10); indices and
        # labels have been checked to fit into 32.
        kind = np.int32 if array.dtype.kind == "i" else np.float32
        return Tensor(np.ascontiguousarray(array, dtype=kind))

    def predict(self, xs: tuple[Array, ...], batch_size: int) -> Iterator[tuple[Array, ...]]:
        rows = len(xs[0])
        size = min(rows, batch_size)
        self._trial(size).expect(rows // size, size)
        yield from super().predict(xs, batch_size)

    def _trial(self, rows: int) -> Trial:
        """Return the trial of evaluations of so many rows."""
        if rows not in self._evaluations:
            self._evaluations[rows] = Trial(self._jit, PREDICTIONS, self.graph)
        return self._evaluations[rows]

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        rows = len(xs[0])
        # Each batch size is compiled for about a second. Rows do not depend on each other in
        # evaluation, so a short batch is filled up to a size that has been compiled, unless that is
        # so much larger that many such calls would cost more than compiling.
        known = (
            size
            for size, trial in self._evaluations.items()
            if rows <= size <= FILL * rows and not trial.left
        )
        size = min(known, default=rows)
        tensors = (self.tensor(_filled_up(x, size)) for x in xs)
        trial, cell = self._trial(size), self._evaluate
        outs = cell(*tensors) if trial.is_over else trial.call(cell, size, *tensors)
        whole = outs if isinstance(outs, tuple) else (outs,)
        return tuple(out.asnumpy()[:rows] for out in whole)

    def fit(self, data: Data, plan: Plan, report: Report | None = None) -> Iterator[Epoch]:
        self._training.expect(plan.steps(len(data)), plan.batch_size)
        # A short last batch would be compiled for itself, for a second or two; it is filled up with rows that
        # weigh nothing. Not where a row has a part in what becomes of the others.
        mixing = any(isinstance(p.layer, L.BatchNorm) and p.layer.trainable for p in self.graph)
        is_short = len(data) > plan.batch_size and len(data) % plan.batch_size > 0
        fills = is_short and not mixing and not self._training.left
        self._full = plan.batch_size if fills else 0
        try:
            yield from super().fit(data, plan, report)
        finally:
            self._full = 0

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        rows = len(batch.xs[0])
        if not self.options.parity:
            masks = {}  # it draws them itself; those of a session beyond a wall are not wanted
        if self._full:
            batch, masks = _filled(batch, masks, max(rows, self._full))
        arrays = (*batch.xs, *batch.ys, *masks.values())
        shares = () if batch.weights is None else (batch.weights,)
        if self._gather is not None and self.steps % self.options.optimizer.accumulate:
            cell, given = self._gather, (*arrays, *shares)
        else:
            cell, given = self._advance, (np.array(coefficients), *arrays, *shares)
        tensors, trial = map(self.tensor, given), self._training
        loss, outs = cell(*tensors) if trial.is_over else trial.call(cell, rows, *tensors)
        if len(self.options.losses) > 1:
            *outs, loss = outs
        return loss, outs if rows == len(batch.xs[0]) else [Begun(out, rows) for out in outs]

    def host(self, value: Any) -> Array:
        if isinstance(value, Begun):
            return self.host(value.whole)[: value.rows]
        return np.asarray(value.asnumpy())

    def weights(self) -> Arrays:
        return {name: value.asnumpy().copy() for name, value in self._parameters.items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        for name, value in weights.items():
            self._parameters[name].set_data(self.tensor(value))

    def save_native(self, path: str) -> None:
        save(self.graph, self._parameters, path)

    def _named_slots(self) -> dict[str, Parameter]:
        return {slot.name: slot for kind in self._step.kept.values() for slot in kind}

    def state(self) -> Arrays:
        found = {name: slot.asnumpy().copy() for name, slot in self._named_slots().items()}
        if self._scale is not None:
            found[LOSS_SCALE] = self._scale.asnumpy().astype(np.float64)
        return found

    def load_state(self, state: Mapping[str, Array]) -> None:
        if self._scale is not None:
            self._scale.set_data(self.tensor(state[LOSS_SCALE]))
        for name, slot in self._named_slots().items():
            slot.set_data(self.tensor(state[name]))
