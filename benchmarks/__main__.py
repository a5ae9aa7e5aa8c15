"""python -m benchmarks: training and prediction, unifw beside loops written by hand. See --help."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from benchmarks.race import FRAMEWORKS, Result, entrants, race
from benchmarks.report import environment, markdown, plot, to_data
from benchmarks.tasks import TASKS, task

__all__: list[str] = []


def main() -> None:
    """Run the races and write what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--tasks", default=",".join(TASKS), help="default all: %(default)s")
    known = ",".join(("numpy", *FRAMEWORKS))
    parser.add_argument("--frameworks", default=known, help="default all: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default %(default)s")
    parser.add_argument(
        "--python", action="append", default=[], metavar="FRAMEWORK=PATH",
        help="the interpreter of a framework that is not installed here, nor by unifw env create",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path("benchmarks-out"))
    options = parser.parse_args()
    pythons = dict(given.split("=", 1) for given in options.python)
    found = entrants(options.frameworks.split(","), pythons)
    # However it ends, it ends the contenders too: they are stopped, and would never know.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    results: list[Result] = []
    for name in options.tasks.split(","):
        task(name)
    for name in options.tasks.split(","):
        results += race(name, found, options.rounds, lambda text: print(text, flush=True))
        write(results, options.rounds, options.folder)  # a run is long, and may be cut short
    print(markdown(results))
    print(f"written to {options.folder}")


def write(results: list[Result], rounds: int, folder: Path) -> None:
    """Write tables, plain data and a plot of what has been measured so far."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"environment": environment(results), "rounds": rounds, "results": to_data(results)}
    Path(folder, "results.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    Path(folder, "results.md").write_text(markdown(results), encoding="utf-8")
    plot(results, Path(folder, "results.png"))


if __name__ == "__main__":
    main()
