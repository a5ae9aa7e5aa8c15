"""Time exported files beside each other: ``race.py RUNNER INPUTS ROUNDS MODEL [MODEL ...]``.

``RUNNER`` is as for ``drive.py``; ``INPUTS`` an ``.npz`` of inputs by name. Prints the median seconds of a call
for each model, on one line; the models take turns, so that what slows one slows all.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from pathlib import Path

import numpy as np


def main(runner: str, inputs: str, rounds: str, *models: str) -> None:
    """Do what the command line says."""
    spec = importlib.util.spec_from_file_location("drive", Path(__file__).with_name("drive.py"))
    if spec is None or spec.loader is None:
        raise SystemExit("drive.py is missing")
    drive = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drive)
    with np.load(inputs, allow_pickle=False) as stored:
        given = dict(stored)
    kind = drive.runtime_of(runner)
    runtimes = [kind(model) for model in models]
    taken: list[list[float]] = [[] for _ in models]
    for _ in range(int(rounds) + 1):
        for runtime, times in zip(runtimes, taken, strict=True):
            started = time.perf_counter()
            runtime.predict(given)
            times.append(time.perf_counter() - started)
    print(*(statistics.median(times[1:]) for times in taken))  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main(*sys.argv[1:])
