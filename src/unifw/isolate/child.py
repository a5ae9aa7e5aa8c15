"""The parent's side of one worker process: start it, ask it, and find out what became of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from unifw.errors import (
    SpecError,
    VersionMismatch,
    WorkerDied,
    WorkerError,
    WorkerTimeout,
)
from unifw.isolate.messages import build, read_error
from unifw.isolate.output import Output
from unifw.isolate.wire import Message, Wire, WireError
from unifw.isolate.worker import FOLDER, OUT_OF_MEMORY
from unifw.process import environment

__all__ = ["Child", "start_seconds"]

Arrays = Mapping[str, npt.NDArray[Any]]
Inbox = queue.SimpleQueue[Message | Exception]
Tell = Callable[[int, int], None]

# How long an interrupted worker may take to finish its step, and a closed one to leave, in seconds.
STOPPING, LEAVING = 10.0, 5.0


def start_seconds() -> float:
    """Return how long a worker may take to start and to import its framework, in seconds each.

    Default 120; the environment variable ``UNIFW_START_SECONDS`` says otherwise.
    """
    given = os.environ.get("UNIFW_START_SECONDS", "120")
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        message = f"UNIFW_START_SECONDS must be a number of seconds above 0, got {given!r}"
        raise SpecError(message)
    return seconds


class Child:
    """A worker process; see ``unifw.isolate.worker`` for what it answers.

    Parameters
    ----------
    python : str
        The interpreter to run it with, in whose environment unifw is installed.
    what : str
        What it is there for, in error messages: ``"backend 'paddle'"``.

    Attributes
    ----------
    python, what : str
        As given.
    output : Output
        What it has printed.
    pid : int
        Its process number.
    about : dict of str to str
        The versions of its unifw, Python and NumPy.
    close : callable
        Ends the process, if it still runs.

    Raises
    ------
    WorkerDied, WorkerTimeout, VersionMismatch
        If it does not start, or is not what this unifw can talk to; nothing is left running.
    """

    def __init__(self, python: str, what: str) -> None:
        self.python, self.what = python, what
        seconds = start_seconds()
        self._owner = os.getpid()
        self._numbers = itertools.count(1)
        self._awaited = 0
        self._telling = False
        folder = Path(tempfile.mkdtemp(prefix=FOLDER))
        self.output = Output(folder / "output")
        self._process = self._started(folder)
        self.pid = self._process.pid
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None  # noqa: S101 - both are pipes
        assert sink is not None  # noqa: S101
        self._wire = Wire(source, sink)
        self._inbox: Inbox = queue.SimpleQueue()
        reader = threading.Thread(
            target=_receive, args=(self._wire, self._inbox, self.output), daemon=True
        )
        self.close = weakref.finalize(
            self, _end, self._process, reader, self.output, folder, self._owner
        )
        reader.start()
        try:
            self.about = self._greeted(seconds)
        except BaseException:
            self.close()
            raise

    def _started(self, folder: Path) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - our own module, in an interpreter that was chosen
                [self.python, "-I", "-c", _program(self.python)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.output.fileno(),
                cwd=folder, env=environment(), start_new_session=True,
            )  # fmt: skip
        except OSError as err:
            self.output.close()
            shutil.rmtree(folder, ignore_errors=True)
            message = f"cannot start the interpreter {self.python} for {self.what}: {err.strerror}"
            raise WorkerDied(message) from err

    def _greeted(self, seconds: float) -> dict[str, str]:
        about = {key: str(value) for key, value in self._next(seconds, "start").about.items()}
        if about["build"] != build():
            message = (
                f"{self.python} has unifw {about['build']}, this process {build()}; both must be "
                "the same. Try:  unifw env create NAME, or install this one there"
            )
            raise VersionMismatch(message)
        return about

    @property
    def alive(self) -> bool:
        """Whether it runs and can be asked."""
        return self.close.alive and self._process.poll() is None

    @property
    def where(self) -> str:
        """Where it is, in words."""
        return f"in process {self.pid}: Python {self.about['python']}, {self.python}"

    # ------------------------------------------------------------ asking

    def ask(
        self,
        kind: str,
        about: Mapping[str, Any] | None = None,
        arrays: Arrays | None = None,
        *,
        seconds: float | None = None,
    ) -> Message:
        """Send a request and wait for its answer; see ``send`` and ``wait``."""
        return self.wait(self.send(kind, about, arrays), seconds=seconds)

    def send(
        self, kind: str, about: Mapping[str, Any] | None = None, arrays: Arrays | None = None
    ) -> int:
        """Send a request and return its number.

        Parameters
        ----------
        kind, about, arrays
            The verb and what it needs.

        Raises
        ------
        WorkerDied
            If nobody is there to hear it.
        WorkerError
            If it is in the middle of an epoch, or belongs to another process.
        """
        if os.getpid() != self._owner:
            message = f"{self.what} was opened by another process; open the model anew in this one"
            raise WorkerError(message)
        if self._telling:
            message = f"the worker of {self.what} is training: ask it between two epochs"
            raise WorkerError(message)
        if not self.close.alive:
            message = f"the process of {self.what} has been ended"
            raise WorkerDied(message, self.output.tail)
        number = next(self._numbers)
        try:
            self._wire.send(Message(kind, {**(about or {}), "id": number}, dict(arrays or {})))
        except OSError:
            raise self._died() from None
        except BaseException:
            # Half a request is on the wire: nothing more can be said over it.
            self.close()
            raise
        self._awaited = number
        return number

    def wait(
        self, number: int, *, seconds: float | None = None, tell: Tell | None = None
    ) -> Message:
        """Wait for the answer to a request.

        Parameters
        ----------
        number : int
            Of the request.
        seconds : float, optional
            How long; as long as it takes unless given.
        tell : callable, optional
            Called with (steps done, steps) when the worker says how far it is.

        Raises
        ------
        UnifwError
            What the worker raised, as if it had been raised here.
        WorkerDied, WorkerTimeout, VersionMismatch
            If there is no answer; the process has been ended then.
        """
        while True:
            got = self._next(seconds, "answer")
            if got.about.get("id") != number:
                continue  # to a request that was interrupted
            if got.kind == "progress":
                self._tell(tell, got)
                continue
            self._awaited = 0
            if got.kind == "error":
                raise read_error(got)
            return got

    def _tell(self, tell: Tell | None, got: Message) -> None:
        self._telling = True
        try:
            if tell is not None:
                tell(got.about["done"], got.about["steps"])
        finally:
            self._telling = False

    def stop(self, number: int) -> Message | None:
        """Stop a request for an epoch after its present step, and return the answer.

        ``None`` if it is over already, or does not stop within ten seconds; the process has been
        ended then.
        """
        if self._awaited != number or not self.close.alive:
            return None
        try:
            self._wire.send(Message("stop"))
            return self.wait(number, seconds=STOPPING)
        except (OSError, WorkerError):
            return None
        except BaseException:
            self.close()  # told twice to stop
            raise

    def _next(self, seconds: float | None, doing: str) -> Message:
        try:
            got = self._inbox.get(timeout=seconds)
        except queue.Empty:
            self.close()
            message = (
                f"the process of {self.what} did not {doing} within {seconds:g} s and was ended"
            )
            raise WorkerTimeout(message, self.output.tail) from None
        if isinstance(got, Message):
            return got
        if isinstance(got, WireError):
            self.close()
            message = f"what runs as {self.python} is no worker of unifw {build()}; it wrote {got}"
            raise VersionMismatch(message, self.output.tail)
        raise self._died()

    def _died(self) -> WorkerDied:
        try:
            status: int | None = self._process.wait(LEAVING)
        except subprocess.TimeoutExpired:
            status = None
        self.close()
        return WorkerDied(f"the process of {self.what} {_fate(status)}", self.output.tail)


def _program(python: str) -> str:
    """Return what to run: in this very interpreter with all that can be imported here."""
    begin = "from unifw.isolate.worker import main; main()"
    if python != sys.executable:
        return begin
    # The worker runs in a folder of its own: the empty entry of an interactive session is meant here.
    paths = [str(Path(path).absolute()) for path in sys.path]
    return f"import sys; sys.path[:] = {paths!r}; {begin}"


def _fate(status: int | None) -> str:
    if status is None:
        return "closed the wire and was ended"
    if status == OUT_OF_MEMORY:
        return "ran out of memory"
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL): by hand, or by a system that was out of memory"
    if status < 0:
        return f"crashed ({signal.Signals(-status).name})"
    return f"ended by itself (exit status {status})"


def _receive(wire: Wire, inbox: Inbox, output: Output) -> None:
    """Take in messages as they come, so that the worker never waits for a reader."""
    try:
        output.write(wire.await_greeting())
        while True:
            inbox.put(wire.receive())
    except EOFError as err:
        output.write(b"".join(err.args))
        inbox.put(err)
    except (WireError, OSError) as err:
        inbox.put(err)


def _end(
    process: subprocess.Popen[bytes],
    reader: threading.Thread,
    output: Output,
    folder: Path,
    owner: int,
) -> None:
    """End a worker and what it has started; nothing of it is worth waiting for."""
    if os.getpid() != owner:
        return  # a fork of the process that it belongs to
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    if reader.is_alive():
        reader.join(LEAVING)
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.close()
    output.close()
    shutil.rmtree(folder, ignore_errors=True)
