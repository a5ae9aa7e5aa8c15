"""A race: every contender of a task in its own process, measured in turn, round by round."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unifw.isolate import environments

__all__ = ["ENTRANTS", "Entrant", "Result", "entrants", "race"]

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ("torch", "keras", "paddle", "mindspore", "megengine")


@dataclass(frozen=True)
class Entrant:
    """Who takes part.

    Attributes
    ----------
    framework : str
        Whose process it is.
    variant : str
        ``"unifw"``, or a way of writing the loop by hand.
    threads : bool
        Whether a thread for each core is asked for by the environment.
    """

    framework: str
    variant: str
    threads: bool = False

    @property
    def name(self) -> str:
        """As tables call it."""
        return f"{self.framework} {self.variant}"

    @property
    def arguments(self) -> tuple[str, str]:
        """What ``benchmarks.child`` is told."""
        if self.variant == "unifw":
            return "unifw", self.framework
        return self.framework, self.variant


def _written(framework: str, *variants: str) -> tuple[Entrant, ...]:
    return tuple(Entrant(framework, v, v.endswith("-threads")) for v in variants)


ENTRANTS = (
    *_written("torch", "eager"),
    *_written("keras", "fit"),
    *_written("numpy", "unifw"),
    *_written("paddle", "unifw", "eager", "eager-threads", "to_static-threads", "static-threads", "fit"),
    *_written("mindspore", "unifw", "eager", "graph", "fit"),
    *_written("megengine", "unifw", "eager", "trace"),
)  # fmt: skip


@dataclass
class Result:
    """What was measured of one entrant in one task.

    Attributes
    ----------
    entrant, task : str
        Names.
    about : dict
        Versions, and the times of import and first step in seconds.
    times : dict of str to list of float
        Seconds, one of each round, of a training step and of predictions.
    peak : float
        Of its memory, in MiB.
    problem : str
        Its last words, if it failed.
    """

    entrant: str
    task: str
    about: dict[str, Any] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    peak: float = 0.0
    problem: str = ""

    def median(self, what: str) -> float:
        """Return the median of all rounds, in seconds."""
        return statistics.median(self.times[what])


def entrants(wanted: Sequence[str], pythons: Mapping[str, str]) -> dict[Entrant, str]:
    """Return who can take part here, and the interpreter of each.

    Parameters
    ----------
    wanted : sequence of str
        Names of frameworks.
    pythons : mapping of str to str
        Interpreters by framework; where none is given, this one if the framework is here, else
        that of its environment (``unifw env create``).
    """
    found = {}
    for framework in wanted:
        python = pythons.get(framework) or _python(framework)
        if python is None:
            way = "pip install " if framework in ("torch", "keras") else "unifw env create "
            message = f"{framework} is not here. Try:  {way}{framework}, or --python {framework}=…"
            raise SystemExit(message)
        found |= {e: python for e in ENTRANTS if e.framework == framework}
    return found


def _python(framework: str) -> str | None:
    if find_spec(framework) is not None:
        return sys.executable
    made = environments.find(framework) if framework not in ("torch", "keras") else None
    return None if made is None else made.python


class Runner:
    """An entrant at work."""

    def __init__(self, entrant: Entrant, task: str, python: str) -> None:
        self.result = Result(entrant.name, task)
        self._words = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        variables = dict(os.environ) | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])
        }
        if entrant.threads:
            variables["OMP_NUM_THREADS"] = str(os.cpu_count())
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [python, "-W", "ignore", "-m", "benchmarks.child", *entrant.arguments, task],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words,
            encoding="utf-8", env=variables,
        )  # fmt: skip
        self.result.about = self._heard()
        self._rest()

    def _rest(self) -> None:
        """Stop all its threads: some frameworks' wait for work by spinning, while others are measured."""
        if not self.result.problem:
            self._process.send_signal(signal.SIGSTOP)

    def ask(self, verb: str, *given: Any) -> dict[str, Any]:
        """Return the answer to a request; nothing once it has failed."""
        if self.result.problem:
            return {}
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.write(json.dumps({"do": verb, "with": given}) + "\n")
        self._process.stdin.flush()
        found = self._heard()
        self._rest()
        return found

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self._process.wait()
        self._words.seek(0)
        self.result.problem = "\n".join(self._words.read().strip().splitlines()[-4:]) or "it died"
        return {}

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._words.close()


def race(
    task: str, found: Mapping[Entrant, str], rounds: int, report: Callable[[str], None]
) -> list[Result]:
    """Measure all entrants in a task.

    Parameters
    ----------
    task : str
        Its name.
    found : mapping of Entrant to str
        Who takes part, and in which interpreter.
    rounds : int
        How many times each is measured, in turn.
    report : callable
        Told what goes on.
    """
    for python in set(found.values()):
        # As what is installed is: else a first step would be the time of compiling Python.
        sources = (str(ROOT / "src"), str(ROOT / "benchmarks"))
        subprocess.run([python, "-m", "compileall", "-q", *sources], check=True)  # noqa: S603 - ours
    with ExitStack() as stack:
        runners = []
        for entrant, python in found.items():
            report(f"{task}: {entrant.name} starts")
            runner = Runner(entrant, task, python)
            stack.callback(runner.close)
            runners.append(runner)
        for number in range(rounds):
            report(f"{task}: round {number + 1} of {rounds}")
            # In another order each time: none has the same neighbour before it in all rounds.
            for runner in random.Random(number).sample(runners, len(runners)):  # noqa: S311
                for verb, *given in (("train",), ("predict", 1), ("predict", 256)):
                    for what, taken in runner.ask(verb, *given).items():
                        runner.result.times.setdefault(what, []).append(taken)
        for runner in runners:
            runner.result.peak = runner.ask("memory").get("peak", 0.0)
        return [runner.result for runner in runners]
