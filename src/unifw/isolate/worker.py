"""The child's side of the wall: ``main`` serves one session at a time.

Requests come in on standard input and answers go out on standard output; both are taken away before a
framework is imported, so that whatever it prints lands in standard error, which the parent keeps as the
worker's output. The process ends when its parent closes the wire or dies.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import platform
import queue
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from unifw import registry
from unifw.backend import Backend, Epoch, Session
from unifw.errors import UnifwError, WorkerError
from unifw.isolate.messages import (
    build,
    epoch_message,
    error_message,
    numbered,
    read_data,
    read_options,
    read_plan,
)
from unifw.isolate.wire import Message, Wire, WireError
from unifw.spec.graph import Graph
from unifw.weights import prefixed, under

__all__ = ["FOLDER", "OUT_OF_MEMORY", "main"]

Array = npt.NDArray[Any]
About = Mapping[str, Any]
Arrays = Mapping[str, Array]

# The exit status of a worker that Python itself could not give memory to.
OUT_OF_MEMORY = 77
# How the folder begins that a worker runs in and removes when it leaves.
FOLDER = "unifw-worker-"
# How often progress is told at most, in seconds: a bar needs no more, and training must not wait.
TELL_EVERY = 0.05


class Stopped(Exception):
    """The parent has asked to stop in the middle of an epoch."""


class Server:
    """Answers the closed list of verbs, each by a method of its name.

    Parameters
    ----------
    wire : Wire
        Where to the parent is.
    """

    VERBS: ClassVar[frozenset[str]] = frozenset(
        {
            "close", "devices", "end", "epoch", "fit", "forward", "gaps", "load", "load_state", "open",
            "save_native", "state", "train", "weights",
        }
    )  # fmt: skip

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._names: set[str] = set()
        self._session: Session | None = None
        self._epochs: dict[int, Iterator[Epoch]] = {}
        self._progress = Progress(wire)
        self.stopping = threading.Event()

    def answer(self, request: Message) -> Message:
        """Do what a request asks for."""
        if request.kind not in self.VERBS:
            message = f"the worker knows no verb {request.kind!r}"
            raise WorkerError(message)
        verb: Callable[[About, Arrays], Message] = getattr(self, request.kind)
        return verb(request.about, request.arrays)

    @property
    def steps(self) -> int:
        """Optimizer steps that the session has taken."""
        return 0 if self._session is None else self._session.steps

    @property
    def _live(self) -> Session:
        if self._session is None:
            message = "the worker holds no session"
            raise WorkerError(message)
        return self._session

    def _loaded(self, name: str) -> Backend:
        """Return a backend whose framework is imported."""
        backend = registry.backend(name)
        if name not in self._names:
            backend.load()
            # A framework brings hundreds of thousands of objects that stay; MindSpore 2.10 collects garbage
            # with each compilation, a fifth of which would go into looking through them.
            gc.collect()
            gc.freeze()
            self._names.add(name)
        return backend

    def devices(self, about: About, arrays: Arrays) -> Message:
        """Return the devices of a backend."""
        backend = self._loaded(about["backend"])
        return _answer(devices=backend.devices(), version=backend.version)

    def gaps(self, about: About, arrays: Arrays) -> Message:
        """Return for each net, with its options, what a backend lacks."""
        backend = self._loaded(about["backend"])
        nets = ((Graph.from_json(text), read_options(data)) for text, data in about["nets"])
        return _answer(gaps=[backend.gaps(graph, options) for graph, options in nets])

    def open(self, about: About, arrays: Arrays) -> Message:
        """Open a session; the one before is closed."""
        self.close({}, {})
        self._session = self._loaded(about["backend"]).open(
            Graph.from_json(about["graph"]), read_options(about["options"]), arrays
        )
        return _answer(framework=self._session.framework)

    def close(self, about: About, arrays: Arrays) -> Message:
        """Close the session, if there is one."""
        self._epochs.clear()
        if self._session is not None:
            self._session.close()
        self._session = None
        return _answer()

    def forward(self, about: About, arrays: Arrays) -> Message:
        """Return the outputs for one batch."""
        outs = self._live.forward(read_data(arrays).xs)
        return Message("answer", {}, numbered("out", outs))

    def train(self, about: About, arrays: Arrays) -> Message:
        """Take one optimizer step."""
        session = self._live
        session.steps = about["steps"]
        loss, outs = session.train_batch(
            read_data(arrays), tuple(about["coefficients"]), under("mask/", arrays)
        )
        values = numbered("out", (session.host(out) for out in outs))
        return Message("answer", {}, {"loss": session.host(loss), **values})

    def fit(self, about: About, arrays: Arrays) -> Message:
        """Take in the data and the plan; the epochs are asked for one by one."""
        session, plan, data = self._live, read_plan(about["plan"]), read_data(arrays)
        self._epochs[about["run"]] = session.fit(data, plan, self._step)
        return _answer()

    def _step(self, done: int, steps: int) -> None:
        self._progress.now = (done, steps)
        if self.stopping.is_set():
            raise Stopped

    def epoch(self, about: About, arrays: Arrays) -> Message:
        """Train the next epoch; return it with the weights and state after it."""
        session = self._live
        session.steps, session.reductions = about["steps"], about["reductions"]
        self.stopping.clear()
        try:
            with self._progress.told(about["id"], wanted=about["progress"]):
                found = epoch_message(next(self._epochs[about["run"]]))
        except Stopped:
            found = _answer(stopped=True)
        held = prefixed("weights/", session.weights()) | prefixed("state/", session.state())
        return Message("answer", found.about, {**found.arrays, **held})

    def end(self, about: About, arrays: Arrays) -> Message:
        """Let go of the data of a ``fit``."""
        self._epochs.pop(about["run"], None)
        return _answer()

    def weights(self, about: About, arrays: Arrays) -> Message:
        """Return all weights."""
        return Message("answer", {}, self._live.weights())

    def load(self, about: About, arrays: Arrays) -> Message:
        """Set all weights."""
        self._live.load(arrays)
        return _answer()

    def state(self, about: About, arrays: Arrays) -> Message:
        """Return the optimizer's state."""
        return Message("answer", {}, self._live.state())

    def load_state(self, about: About, arrays: Arrays) -> Message:
        """Set the optimizer's state."""
        self._live.load_state(arrays)
        return _answer()

    def save_native(self, about: About, arrays: Arrays) -> Message:
        """Write the framework's own deployment files."""
        self._live.save_native(about["path"])
        return _answer()


class Progress:
    """Tells the parent how far an epoch is, from a thread of its own: training never waits for it.

    Attributes
    ----------
    now : tuple of int
        Steps done, and steps in the epoch.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.now = (0, 0)

    @contextmanager
    def told(self, identity: int, *, wanted: bool) -> Iterator[None]:
        """Tell progress within the block, if it is ``wanted``."""
        self.now = (0, 0)
        over = threading.Event()
        teller = threading.Thread(target=self._tell, args=(identity, over), daemon=True)
        if wanted:
            teller.start()
        try:
            yield
        finally:
            over.set()
            if wanted:
                teller.join()

    def _tell(self, identity: int, over: threading.Event) -> None:
        last = self.now
        while not over.wait(TELL_EVERY):
            if self.now != last:
                last = self.now
                about = {"id": identity, "done": last[0], "steps": last[1]}
                self._wire.send(Message("progress", about))


def _answer(**about: Any) -> Message:
    return Message("answer", about)


def _streams() -> Wire:
    """Take standard input and output for the wire; what is printed from now on is the output."""
    wire = Wire(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire


def _listen(wire: Wire, inbox: queue.SimpleQueue[Message], server: Server) -> None:
    while True:
        try:
            message = wire.receive()
        except (EOFError, OSError, WireError):
            _leave()
        if message.kind == "stop":
            server.stopping.set()
        else:
            inbox.put(message)


def _leave() -> NoReturn:
    """End at once, whatever the main thread is doing, with all that this process has started."""
    folder = Path.cwd()
    if folder.name.startswith(FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _answered(server: Server, request: Message) -> Message:
    try:
        answer = server.answer(request)
    except MemoryError:
        # What is left of the session is unknown, and there is no room to find out.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(OUT_OF_MEMORY)
    except UnifwError as err:
        answer = error_message(err)
    except Exception as err:  # noqa: BLE001 - whatever a framework raises must reach the parent
        traceback.print_exc()
        answer = error_message(WorkerError(f"{type(err).__name__}: {err}"))
    about = {"id": request.about["id"], "steps": server.steps}
    return Message(answer.kind, answer.about | about, answer.arrays)


def main() -> NoReturn:
    """Serve until the parent is gone."""
    wire = _streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    faulthandler.enable(all_threads=False)
    wire.greet()
    about = {"build": build(), "pid": os.getpid(), "python": platform.python_version()}
    wire.send(Message("hello", about | {"numpy": np.__version__}))
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    server = Server(wire)
    threading.Thread(target=_listen, args=(wire, inbox, server), daemon=True).start()
    while True:
        answer = _answered(server, inbox.get())
        try:
            wire.send(answer)
        except OSError:
            _leave()
