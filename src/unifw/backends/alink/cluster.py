"""Where jobs run: on a Flink of the JVM's own, or on a cluster that is there already."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unifw.backends.alink.jars import FLINK, jars
from unifw.errors import BackendError, SpecError

__all__ = ["Cluster", "address", "connect"]

SECONDS = 10


@dataclass(frozen=True)
class Cluster:
    """Where, and on how many slots.

    Attributes
    ----------
    address : str
        ``host:port`` of the REST endpoint of a cluster's JobManager; empty for a Flink of the JVM's own.
    parallelism : int
        How many slots a job takes.
    """

    address: str = ""
    parallelism: int = 1

    @property
    def where(self) -> str:
        """Where that is, for error messages; begins with a blank, or is empty."""
        return f" on the cluster at {self.address}" if self.address else ""

    def check(self) -> None:
        """Raise what a job would only tell after minutes: no cluster, another Flink, too few slots.

        Raises
        ------
        BackendError
        """
        if not self.address:
            return
        told = _overview(self.address)
        version, slots = str(told.get("flink-version")), int(told.get("slots-total", 0))
        if version.rpartition(".")[0] != FLINK.rpartition(".")[0]:
            message = (
                f"the cluster at {self.address} runs Flink {version}; Alink's jars are for {FLINK}"
            )
            raise BackendError(message)
        if slots < self.parallelism:
            message = (
                f"the cluster at {self.address} has {slots} slots, fewer than parallelism="
                f"{self.parallelism}; start more TaskManagers, or ask for less"
            )
            raise BackendError(message)


def address(name: str, value: Any) -> str:
    """Return ``value`` if it is ``host:port``."""
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host and port.isascii() and port.isdigit() and 0 < int(port) < 65536 and "/" not in host:
        return f"{host}:{int(port)}"
    message = f"{name} must be the host:port of a Flink JobManager's REST endpoint, got {value!r}"
    raise SpecError(message)


def _overview(address: str) -> dict[str, Any]:
    # No proxy: a cluster's JobManager is not behind that of the web.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/overview", timeout=SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as err:
        message = f"there is no Flink cluster at {address}: {err}"
        raise BackendError(message) from err
    return told


def connect(jvm: Any, array: Callable[[Any, list[Any]], Any], cluster: Cluster) -> Any:
    """Return Alink's environment for jobs on a cluster; ``array`` makes a Java array of a class and values."""
    settings = jvm.org.apache.flink.configuration.Configuration()
    # As PyAlink has it: Flink's own defaults are too small for iterations on several slots.
    for size in ("taskmanager.memory.managed.size", "taskmanager.memory.network.min"):
        settings.setString(size, f"{64 * cluster.parallelism}m")
    batch = jvm.org.apache.flink.api.java.ExecutionEnvironment
    stream = jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    bridge = jvm.org.apache.flink.table.api.bridge.java
    if cluster.address:
        host, _, port = cluster.address.rpartition(":")
        shipped = [jar for jar in jars() if Path(jar).name.startswith("alink_core")]
        names = array(jvm.java.lang.String, shipped)
        made = batch.createRemoteEnvironment(host, int(port), settings, names)
        streams = stream.createRemoteEnvironment(host, int(port), settings, names)
    else:
        # Else its server of files listens on all interfaces.
        for name in ("jobmanager.bind-host", "taskmanager.bind-host", "rest.bind-address"):
            settings.setString(name, "localhost")
        made = batch.createLocalEnvironment(settings)
        streams = stream.createLocalEnvironment(cluster.parallelism, settings)
    made.setParallelism(cluster.parallelism)
    streams.setParallelism(cluster.parallelism)
    # Jobs are batches; but Alink's environment wants the other kind as well.
    old = jvm.org.apache.flink.table.api.EnvironmentSettings.newInstance().useOldPlanner()
    return jvm.com.alibaba.alink.common.MLEnvironment(
        made,
        bridge.BatchTableEnvironment.create(made),
        streams,
        bridge.StreamTableEnvironment.create(streams, old.inStreamingMode().build()),
    )
