"""One contender in a process of its own: python -m benchmarks.child FRAMEWORK VARIANT TASK.

It says, a JSON line each on what was its standard output, what it is and how long its import and its first
step took; then it does what the lines on its standard input ask for, until they end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["main"]

MANY = 256
SHORT, LONG = 0.05, 0.5


def seconds(action: Callable[[], Any]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def resident(field: str) -> float:
    """Return a field of the process's memory in MiB: ``VmRSS`` now, ``VmHWM`` at its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


class Measured:
    """A contender, what it is given, and how it is timed.

    Parameters
    ----------
    framework, variant, task : str
        Names of a module in ``benchmarks.contenders``, of one of its variants, and of a task.
    """

    def __init__(self, framework: str, variant: str, task: str) -> None:
        self._imported = seconds(lambda: self._imports(framework, variant))
        from benchmarks.tasks import task as find

        self._task = find(task)
        x, y = self._task.data(self._task.batch)
        self._first = seconds(lambda: self._begin(variant, x, y))
        if hasattr(self._contender, "settle"):
            self._contender.settle(x, y)
        self._steps = 1
        self._rows: tuple[Any, ...]
        self._calibrate()
        self._many = self._task.data(MANY)[0]
        self._calls: dict[int, int] = {}

    def _imports(self, framework: str, variant: str) -> None:
        self._module = import_module(f"benchmarks.contenders.with_{framework}")
        if framework == "unifw":
            self._module.load(variant)

    def _begin(self, variant: str, x: Any, y: Any) -> None:
        self._contender = self._module.contender(self._task, variant)
        self._contender.train(x, y)

    def _calibrate(self) -> None:
        """Let a measurement of training last for a good while, and warm up meanwhile."""
        while True:
            self._rows = ()  # none is to lie beside the next
            self._rows = self._task.data(self._steps * self._task.batch)
            taken = seconds(lambda: self._contender.train(*self._rows))
            if taken > LONG or self._steps >= 4096:
                break
            self._steps = min(4096, max(self._steps + 1, round(self._steps * 1.2 * LONG / taken)))

    def about(self) -> dict[str, Any]:
        """Return what it is, and what was measured on the way."""
        import numpy as np

        return {
            "version": getattr(self._module, "VERSION", ""), "python": sys.version.split()[0],
            "numpy": np.__version__, "import": self._imported, "first": self._first,
        }  # fmt: skip

    def train(self) -> dict[str, float]:
        """Return the time of one training step."""
        return {"train": seconds(lambda: self._contender.train(*self._rows)) / self._steps}

    def predict(self, rows: int) -> dict[str, float]:
        """Return the time of one prediction of so many rows."""
        x = self._many[:rows]
        if rows not in self._calls:
            self._contender.predict(x)  # may have to be compiled
            self._calls[rows] = 1
        while True:
            calls = self._calls[rows]
            taken = seconds(partial(self._repeat, x, calls))
            if taken > SHORT:
                return {f"predict-{rows}": taken / calls}
            self._calls[rows] *= 2

    def _repeat(self, x: Any, calls: int) -> None:
        for _ in range(calls):
            self._contender.predict(x)

    def memory(self) -> dict[str, float]:
        """Return the process's peak memory less its data, of which there is more where steps are quick."""
        data = sum(array.nbytes for array in self._rows) / 2**20
        return {"peak": resident("VmHWM") - data}


def main() -> None:
    """Measure until nothing more is asked for."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what frameworks print is not for the parent

    def tell(found: dict[str, Any]) -> None:
        told.write(json.dumps(found) + "\n")
        told.flush()

    measured = Measured(*sys.argv[1:4])
    tell(measured.about() | {"threads": threading.active_count()})
    for line in sys.stdin:
        request = json.loads(line)
        tell(getattr(measured, request["do"])(*request.get("with", ())))


if __name__ == "__main__":
    main()
