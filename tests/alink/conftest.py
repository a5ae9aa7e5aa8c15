from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Loaded before there are py4j's objects: pytest's summary asks for it, and what the garbage collector calls
# while a module is parsed ends Python 3.11.7 with a SystemError.
import hypothesis  # noqa: F401
import numpy as np
import pytest

from unifw import demo
from unifw.backends.alink import gateway
from unifw.backends.alink.jars import jars
from unifw.backends.alink.java import find_java
from unifw.isolate import environments

# Beside what a job's JVM needs, Flink's own processes want this one on Java 17.
EXPORT = "--add-exports=java.base/sun.net.util=ALL-UNNAMED"
CONF = """
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: localhost
taskmanager.bind-host: localhost
taskmanager.host: localhost
rest.address: localhost
rest.bind-address: localhost
rest.port: {rest}
rest.bind-port: {rest}
taskmanager.numberOfTaskSlots: 1
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 128m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
heartbeat.interval: 1000
heartbeat.timeout: 10000
slot.request.timeout: 20000
io.tmp.dirs: {folder}
"""


@pytest.fixture(autouse=True)
def home() -> Path:
    """Where environments lie: here the real one is wanted, which tox has made."""
    return environments.root()


@pytest.fixture(scope="session", autouse=True)
def _no_jvm_is_left() -> Iterator[None]:
    yield
    gateway.dismiss()


@pytest.fixture(scope="session")
def flat() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits as vectors, and their classes."""
    x, y = demo.digits()
    return x.reshape(len(x), -1), y


def wait_for(what: Callable[[], Any], seconds: float = 180) -> Any:
    """Return what is asked for as soon as it is true."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    message = f"still not so after {seconds} s"
    raise AssertionError(message)


class Flink:
    """A standalone cluster on this machine: a JobManager and TaskManagers of a slot each, all JVMs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rest, rpc = free_port(), free_port()
        text = CONF.format(rest=self.rest, rpc=rpc, folder=folder)
        (folder / "flink-conf.yaml").write_text(text, "utf-8")
        self.processes: list[subprocess.Popen[bytes]] = []
        try:
            self.start("entrypoint.StandaloneSessionClusterEntrypoint", "-Xmx256m")
            for _ in range(2):
                self.add()
        except BaseException:
            self.close()
            raise

    def add(self) -> None:
        """Start another TaskManager, and wait until its slot is there."""
        before = self.slots
        self.start("taskexecutor.TaskManagerRunner", "-Xmx512m", "-XX:MaxDirectMemorySize=300m")
        wait_for(lambda: self.slots == before + 1)

    def start(self, name: str, *options: str) -> None:
        opens = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in gateway.OPENS]
        # Flink's jars alone: those of Alink come with each job.
        path = os.pathsep.join(jar for jar in jars() if not Path(jar).name.startswith("alink_"))
        command = [
            find_java(), *options, *opens, EXPORT, "-cp", path, f"org.apache.flink.runtime.{name}",
            "--configDir", str(self.folder),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    @property
    def slots(self) -> int:
        """How many there are, on the machines that the cluster knows and does not miss yet."""
        return int((self.overview() or {}).get("slots-total", 0))

    @property
    def working(self) -> int:
        """How many tasks run at present."""
        jobs = (self.overview("jobs/overview") or {}).get("jobs", [])
        return sum(int(job["tasks"]["running"]) for job in jobs)

    def overview(self, what: str = "overview") -> dict[str, Any] | None:
        """Return what the cluster tells of itself, if it is there."""
        try:
            with urllib.request.urlopen(
                f"http://localhost:{self.rest}/{what}", timeout=5
            ) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return None

    def kill_one(self) -> None:
        """Kill the youngest TaskManager, as a machine that falls over would, and wait until it is missed.

        Its job may fail before: its slot counts until the cluster's own heartbeat is missed.
        """
        before = self.slots
        process = self.processes.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: self.slots == before - 1)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session", name="wait_for")
def _wait_for() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(scope="session")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    made = Flink(tmp_path_factory.mktemp("flink"))
    yield made
    made.close()
