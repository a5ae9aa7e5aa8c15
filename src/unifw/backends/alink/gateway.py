"""The JVM that runs Alink: a process of its own, spoken to over loopback by py4j, with a token.

It is started for the first job and serves all sessions of this process, as a JVM that has run a job is
seconds faster in the next. It ends with this process, however that ends: py4j watches the JVM's standard
input, which closes then.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from unifw.backends.alink.cluster import Cluster, connect
from unifw.backends.alink.jars import jars
from unifw.backends.alink.java import find_java, release
from unifw.errors import BackendError, WorkerDied

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway, JVMView

__all__ = ["OPENS", "Gateway", "dismiss", "gateway"]

# What Flink 1.13 reaches into by reflection, which Java 9 and later forbid unless told. Without them all
# starts well, and the first training fails with an InaccessibleObjectException.
OPENS = (
    "java.lang", "java.lang.invoke", "java.lang.ref", "java.lang.reflect", "java.net", "java.nio",
    "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch",
)  # fmt: skip
# How many of its last lines are kept, and how many an error shows.
KEPT, SHOWN = 200, 12
# How long a JVM that no longer answers may take to end, in seconds.
ENDS = 5


class Gateway:
    """A running JVM.

    Attributes
    ----------
    pid : int
        Its process number.
    """

    def __init__(self) -> None:
        from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

        program = find_java()
        opens = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENS]
        self._said: deque[str] = deque(maxlen=KEPT)
        try:
            port, token, self._process = launch_gateway(
                java_path=program, classpath=os.pathsep.join(jars()), enable_auth=True, die_on_exit=True,
                javaopts=opens if release(program) > 8 else [], return_proc=True,
                # Its output must be read, or it stops when the pipe is full.
                redirect_stdout=self._said, redirect_stderr=self._said, daemonize_redirect=True,
                # Else Ctrl-C in a terminal would end it beside Python.
                create_new_process_group=True,
            )  # fmt: skip
        except Exception as err:
            message = f"the JVM of Alink does not start: {program}"
            raise BackendError(message) from err
        parameters = GatewayParameters(port=port, auth_token=token, auto_convert=True)
        self._gateway: JavaGateway = JavaGateway(gateway_parameters=parameters)
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._environments: dict[Cluster, Any] = {}
        self.pid: int = self._process.pid

    @property
    def jvm(self) -> JVMView:
        """The doorway to all Java classes."""
        return self._gateway.jvm

    @property
    def alive(self) -> bool:
        """Whether it can still be asked, by the process that has started it."""
        return self._process.poll() is None and os.getpid() == self._owner

    def array(self, kind: Any, values: list[Any]) -> Any:
        """Return a Java array."""
        made = self._gateway.new_array(kind, len(values))
        for place, value in enumerate(values):
            made[place] = value
        return made

    @contextmanager
    def using(self, cluster: Cluster) -> Iterator[Gateway]:
        """Let what is built and run within the block run on a cluster; one thread at a time.

        Raises
        ------
        BackendError
            If a job fails; tells Java's innermost reason.
        WorkerDied
            If the JVM has ended meanwhile; tells its last words.
        """
        from py4j.protocol import Py4JError, Py4JJavaError

        with self._lock:
            try:
                self._choose(cluster)
                yield self
            except Py4JJavaError as err:
                message = f"Alink's job failed{cluster.where}: {_reason(str(err))}"
                raise BackendError(message) from None
            except (Py4JError, OSError) as err:
                raise self._lost(err) from err
            except BaseException as err:
                if not isinstance(err, Exception):
                    # Ctrl-C: the job would go on, and its answer be taken for that of the next.
                    self.close()
                raise

    def _lost(self, err: Exception) -> BackendError:
        """Return what an error of py4j's means: it tells of a JVM that has ended in several ways."""
        try:
            self._process.wait(timeout=ENDS)
        except subprocess.TimeoutExpired:
            return BackendError(f"Alink's JVM did not understand: {err}")
        self.close()
        last = "\n".join(list(self._said)[-SHOWN:])
        return WorkerDied(f"the JVM of Alink (process {self.pid}) has died: {err}", last)

    def _choose(self, cluster: Cluster) -> None:
        if cluster not in self._environments:
            self._environments[cluster] = connect(self.jvm, self.array, cluster)
        factory = self.jvm.com.alibaba.alink.common.MLEnvironmentFactory
        factory.remove(0)
        factory.setDefault(self._environments[cluster])

    def close(self) -> None:
        """End the JVM; its jobs on other machines are left to their cluster."""
        if os.getpid() != self._owner:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._gateway.close()


def _reason(text: str) -> str:
    """Return the innermost cause of a Java error."""
    causes = [line for line in text.splitlines() if line.startswith(("Caused by:", ":"))]
    return causes[-1].partition(":")[2].strip() if causes else text.strip()


_running: Gateway | None = None
_starting = threading.Lock()


def gateway() -> Gateway:
    """Return the JVM of this process, started if there is none.

    Raises
    ------
    NotInstalled, VersionUnsupported
        If there is no Java that can run it.
    BackendError
        If it does not start.
    """
    global _running  # noqa: PLW0603 - one JVM for all sessions
    with _starting:
        if _running is None or not _running.alive:
            _running = Gateway()
        return _running


@atexit.register
def dismiss() -> None:
    """End the JVM of this process, if there is one; the next job starts another."""
    global _running  # noqa: PLW0603 - as above
    with _starting:
        if _running is not None:
            _running.close()
        _running = None
