"""A session on the other side of the wall: the same contract, spoken to a worker process."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from unifw.backend import Epoch, Options, Plan, Report, Session
from unifw.data import Data
from unifw.errors import BackendError, Unsupported, WorkerDied, WorkerError
from unifw.isolate import idle
from unifw.isolate.child import Child, start_seconds
from unifw.isolate.messages import (
    data_arrays,
    numbered,
    options_data,
    plan_data,
    read_epoch,
)
from unifw.isolate.wire import Message
from unifw.spec.graph import Graph
from unifw.weights import Arrays, prefixed, under

__all__ = ["RemoteSession"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Kept:
    """What a session was when it was last heard of: a new worker goes on from there."""

    weights: Arrays
    state: Arrays | None = None


class Replay:
    """Reports every step, though the worker tells only now and then how far it is.

    Parameters
    ----------
    report : callable or None
        As ``Session.fit`` takes it.

    Attributes
    ----------
    done : int
        Steps of this epoch that are known to be done.
    """

    def __init__(self, report: Report | None) -> None:
        self._report = report
        self.done = 0

    def __call__(self, done: int, steps: int) -> None:
        """Take in that ``done`` of ``steps`` are done."""
        while self.done < done:
            self.done += 1
            if self._report is not None:
                self._report(self.done, steps)


class RemoteSession(Session):
    """A session in a worker process.

    After each epoch the worker hands over weights and optimizer state. Should it die, the call that
    was waiting for it raises, and the next one starts a new worker from what was handed over last.

    Parameters
    ----------
    backend : str
        Name of the backend.
    graph, options, weights
        As for ``Backend.open``.
    python : str
        The interpreter to run it in.

    Raises
    ------
    WorkerDied, WorkerTimeout, VersionMismatch
        If the worker does not start.
    UnifwError
        Whatever ``Backend.open`` raises there.
    """

    is_remote = True

    def __init__(
        self,
        backend: str,
        graph: Graph,
        options: Options,
        weights: Mapping[str, Array],
        python: str,
    ) -> None:
        super().__init__(graph, options)
        self._backend, self._python = backend, python
        self._runs = itertools.count()
        self._closed = False
        self._kept: Kept | None = Kept(self._copies(weights))
        self._kind, self._child = self._opened(self._kept)

    def _copies(self, weights: Mapping[str, Array]) -> Arrays:
        return {name: np.array(weights[name], self.options.dtype) for name in self.graph.parts}

    def _opened(self, kept: Kept) -> tuple[idle.Kind, Child]:
        kind, child = idle.hire(self._backend, self._python)
        about = {
            "backend": self._backend,
            "graph": self.graph.to_json(),
            "options": options_data(self.options),
        }
        try:
            answer = child.ask("open", about, kept.weights, seconds=start_seconds())
            if kept.state is not None:
                child.ask("load_state", {}, kept.state)
        except Unsupported:  # it said no, and is as sound as before
            idle.retire(kind, child)
            raise
        except BaseException:
            child.close()
            raise
        self.framework = answer.about["framework"]
        return kind, child

    @property
    def where(self) -> str:  # type: ignore[override]  # it may move, when its worker has died
        """In which process it lives, in words."""
        return self._child.where

    @property
    def about(self) -> dict[str, str]:
        """The versions of unifw, Python and NumPy over there."""
        return self._child.about

    @property
    def output(self) -> str:
        """What the framework has printed in its process."""
        return self._child.output.text

    # ------------------------------------------------------------ asking

    def _worker(self) -> Child:
        """Return the worker; a new one, from where the last one was left, if that has died."""
        if self._closed:
            message = "the session has been closed"
            raise BackendError(message)
        if not self._child.close.alive:
            if self._kept is None:
                message = (
                    f"the process of backend {self._backend!r} has died since single steps were "
                    "taken; open the session anew"
                )
                raise WorkerDied(message)
            self._kind, self._child = self._opened(self._kept)
        return self._child

    def _ask(
        self,
        kind: str,
        about: Mapping[str, Any] | None = None,
        arrays: Mapping[str, Array] | None = None,
    ) -> Message:
        return self._worker().ask(kind, about, arrays)

    def _elsewhere(self) -> NoReturn:
        message = (
            f"the framework's own objects live {self.where}; they are within reach of a model "
            "that is opened with isolate=False"
        )
        raise BackendError(message)

    @property
    def native(self) -> NoReturn:
        """Refused: the framework's own object is in the other process."""
        self._elsewhere()

    def tensor(self, array: Array) -> NoReturn:  # noqa: ARG002 - refused, as native
        self._elsewhere()

    def host(self, value: Any) -> Array:
        return np.asarray(value)

    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        answer = self._ask("forward", {}, numbered("x", xs))
        return tuple(answer.arrays.values())

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        arrays = data_arrays(batch) | prefixed("mask/", masks)
        answer = self._ask("train", {"coefficients": coefficients, "steps": self.steps}, arrays)
        self._kept = None  # to hand everything over after each single step would cost too much
        loss, *outs = answer.arrays.values()
        return loss, outs

    # ------------------------------------------------------------ whole epochs

    def fit(self, data: Data, plan: Plan, report: Report | None = None) -> Iterator[Epoch]:
        child, run = self._worker(), next(self._runs)
        child.ask("fit", {"run": run, "plan": plan_data(plan)}, data_arrays(data))
        try:
            for number in range(plan.first, plan.last):
                yield self._next_epoch(child, run, number, report)
        finally:
            # Should the worker have died meanwhile, the next call that needs it tells.
            with contextlib.suppress(WorkerError):
                child.ask("end", {"run": run})

    def _next_epoch(self, child: Child, run: int, number: int, report: Report | None) -> Epoch:
        child.output.trim()
        replay = Replay(report)
        about = {
            "run": run, "steps": self.steps, "reductions": self.reductions,
            "progress": report is not None,
        }  # fmt: skip
        request = child.send("epoch", about)
        try:
            answer = child.wait(request, tell=replay)
        except WorkerError as err:
            err.epoch, err.step = number + 1, replay.done
            # It may live on, but in the middle of an epoch: a new one begins where this began.
            child.close()
            raise
        except BaseException:
            # Ctrl-C, or whatever the report raised: training stops after the step it is at.
            stopped = child.stop(request)
            if stopped is not None:
                self._keep(stopped)
            raise
        self._keep(answer)
        epoch = read_epoch(answer)
        replay(len(epoch.losses), len(epoch.losses))
        return epoch

    def _keep(self, answer: Message) -> None:
        self.steps = answer.about["steps"]
        self._kept = Kept(under("weights/", answer.arrays), under("state/", answer.arrays))

    # ------------------------------------------------------------ weights and state

    def weights(self) -> Arrays:
        if self._kept is not None:
            return self._copies(self._kept.weights)
        return self._ask("weights").arrays

    def load(self, weights: Mapping[str, Array]) -> None:
        self._ask("load", {}, weights)
        if self._kept is not None:
            self._kept = replace(self._kept, weights=self._copies(weights))

    def state(self) -> Arrays:
        if self._kept is None or self._kept.state is None:
            found = self._ask("state").arrays
            if self._kept is None:
                return found
            self._kept = replace(self._kept, state=found)
        return {name: value.copy() for name, value in (self._kept.state or {}).items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        self._ask("load_state", {}, state)
        if self._kept is not None:
            self._kept = replace(self._kept, state={k: v.copy() for k, v in state.items()})

    def save_native(self, path: str) -> None:
        # The worker runs in a folder of its own.
        self._ask("save_native", {"path": str(Path(path).resolve())})

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._child.ask("close")
        except WorkerError:
            self._child.close()
        else:
            idle.retire(self._kind, self._child)
