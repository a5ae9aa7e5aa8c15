"""What came out of the races: tables, plain data, and a plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.race import Result

__all__ = ["environment", "markdown", "plot", "to_data"]

RATIOS = (
    "| task", "backend", "× best by hand", "× own fit", "× PyTorch", "predict 1, µs more", "memory ×",
    "first step × |",
)  # fmt: skip
MEASURES = (
    "| ", "step, ms", "steps/s", "predict 1, µs", "predict 256, rows/s", "first step, s", "import, s",
    "peak, MiB |",
)  # fmt: skip


def environment(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the numbers depend on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "versions": sorted({r.about["version"] for r in results if r.about.get("version")}),
    }


def to_data(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return plain data."""
    return [asdict(result) for result in results]


def _by_hand(results: Sequence[Result], framework: str) -> list[Result]:
    """Return the hand-written loops of a framework; not its own ``fit``."""
    mine = [r for r in results if r.entrant.startswith(f"{framework} ") and not r.problem]
    return [r for r in mine if r.entrant.split()[1] not in ("unifw", "fit")]


def _quickest(results: Sequence[Result], framework: str) -> Result | None:
    """Return that of them which trains in the least time."""
    return min(_by_hand(results, framework), key=lambda r: r.median("train"), default=None)


def _found(results: Sequence[Result], name: str) -> Result | None:
    return next((r for r in results if r.entrant == name and not r.problem), None)


def _ratio(top: float | None, bottom: float | None) -> str:
    return "–" if top is None or bottom is None else f"{top / bottom:.2f}"


def markdown(results: Sequence[Result]) -> str:
    """Return the tables: steps and ratios of unifw to the others by task, then all that was measured."""
    parts = [_steps(results), _ratios(results)]
    parts += [
        _whole(task, [r for r in results if r.task == task])
        for task in dict.fromkeys(r.task for r in results)
    ]
    return "\n\n".join(parts) + "\n"


def _steps(results: Sequence[Result]) -> str:
    """Return a line for each task, with the best of what was written by hand; unifw is bold."""
    entrants = list(dict.fromkeys(r.entrant for r in results))
    columns: dict[str, Callable[[Sequence[Result]], Result | None]] = {}
    for title, name in (("PyTorch", "torch eager"), ("Keras", "keras fit")):
        if name in entrants:
            columns[title] = partial(_found, name=name)
    for name in entrants:
        framework, kind = name.split()
        if kind == "unifw":
            columns[f"**{framework}**"] = partial(_found, name=name)
        if kind == "unifw" and _by_hand(results, framework):
            columns[f"{framework} by hand"] = partial(_quickest, framework=framework)
        if kind == "unifw" and f"{framework} fit" in entrants:
            columns[f"{framework} fit"] = partial(_found, name=f"{framework} fit")
    rows = [
        "| " + " | ".join(["ms a step", *columns]) + " |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for task in dict.fromkeys(r.task for r in results):
        found = [find([r for r in results if r.task == task]) for find in columns.values()]
        cells = ("–" if r is None else f"{1e3 * r.median('train'):.2f}" for r in found)
        rows.append("| " + " | ".join([f"`{task}`", *cells]) + " |")
    return "\n".join(rows)


def _ratios(results: Sequence[Result]) -> str:
    rows = [
        " | ".join(RATIOS),
        "|---|---|---|---|---|---|---|---|",
    ]
    for task in dict.fromkeys(r.task for r in results):
        mine = [r for r in results if r.task == task]
        torch = _found(mine, "torch eager")
        ours = (r for r in mine if r.entrant.endswith(" unifw") and not r.problem)
        rows += [_row(task, each, mine, torch) for each in ours]
    return "\n".join(rows)


def _row(task: str, ours: Result, mine: Sequence[Result], torch: Result | None) -> str:
    framework = ours.entrant.split()[0]
    hand = _by_hand(mine, framework)
    own = _found(mine, f"{framework} fit")

    def speed(other: float | None) -> str:
        return _ratio(other, ours.median("train"))

    call = min((r.median("predict-1") for r in hand), default=None)
    more = "–" if call is None else f"{1e6 * (ours.median('predict-1') - call):+.0f}"
    quickest = _quickest(mine, framework)
    cells = [
        task,
        framework,
        speed(quickest.median("train") if quickest else None),
        speed(own.median("train") if own else None),
        speed(torch.median("train") if torch else None),
        more,
        _ratio(ours.peak, quickest.peak if quickest else None),
        _ratio(ours.about["first"], quickest.about["first"] if quickest else None),
    ]
    return "| " + " | ".join(cells) + " |"


def _whole(task: str, mine: Sequence[Result]) -> str:
    rows = [
        f"**{task}**",
        "",
        " | ".join(MEASURES),
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in mine:
        if result.problem:
            last = result.problem.splitlines()[-1]
            rows.append(f"| {result.entrant} | fails: {last} | | | | | | |")
            continue
        step = result.median("train")
        cells = [
            result.entrant,
            f"{1e3 * step:.3f}",
            f"{1 / step:.0f}",
            f"{1e6 * result.median('predict-1'):.0f}",
            f"{256 / result.median('predict-256'):.0f}",
            f"{result.about['first']:.2f}",
            f"{result.about['import']:.2f}",
            f"{result.peak:.0f}",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw, for each task, how many steps each contender takes while PyTorch takes one."""
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(r.task for r in results))
    figure = Figure(figsize=(9, 3 * len(tasks)), layout="constrained")
    for axes, task in zip(figure.subplots(len(tasks), squeeze=False)[:, 0], tasks, strict=True):
        mine = [r for r in results if r.task == task and not r.problem][::-1]
        yard = _found(mine, "torch eager") or mine[-1]
        speeds = [yard.median("train") / r.median("train") for r in mine]
        ours = ["#c8102e" if r.entrant.endswith(" unifw") else "#9aa5b1" for r in mine]
        bars = axes.barh([r.entrant for r in mine], speeds, color=ours)
        axes.bar_label(bars, [f"{speed:.2f}" for speed in speeds], padding=3, fontsize="small")
        axes.set_title(f"{task}: training speed, {yard.entrant} = 1", loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
