"""What runs where, read off the rules: layers and losses, on every backend and in every file format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from unifw import isolate, registry
from unifw.backend import Options
from unifw.errors import BackendError
from unifw.export import Format, formats
from unifw.isolate.place import place
from unifw.spec import layers, losses
from unifw.spec.graph import Graph
from unifw.testing.cases import LAYERS, LOSSES

__all__ = ["Support", "support"]

# For each kind, where it is lacking and why; ``""`` where it is there.
Found = dict[str, dict[str, str]]
YES, NO = "✓", "–"
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "What runs where",
        "about": "Read off the rules of every backend and format by `unifw support --markdown en`; the tests "
        "compare it. ✓: there, and judged by the conformance suite against NumPy in float64. Optimizers, "
        "schedules, metrics and initializers are written once for all backends, and run on each. "
        "Alink, which holds linear models and perceptrons and trains them by methods of its own, has "
        "[a page](alink.md) instead of a column.",
        "layer": "Layer", "loss": "Loss", "gaps": "What is lacking, and why", "none": "Nothing.",
    },
    "zh": {
        "title": "支持一览",
        "about": "由 `unifw support --markdown zh` 从各后端与各格式的规则表生成，并由测试比对。✓ 表示可用，"
        "且由一致性测试以 float64 的 NumPy 为准检验过。"
        "优化器、学习率调度、指标与初始化器只写一次，在所有后端上运行。"
        "Alink 容纳线性模型与感知机，用自己的方法训练，因此不占一列，另有[专页](alink.md)。",
        "layer": "层", "loss": "损失", "gaps": "缺少什么，为什么", "none": "无。",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Support:
    """What the chosen backends and all formats can do.

    Attributes
    ----------
    backends, formats : tuple of str
        The columns.
    layers, losses : dict of str to dict of str to str
        For each kind and column the reason why it is lacking, or ``""``.
    """

    backends: tuple[str, ...]
    formats: tuple[str, ...]
    layers: Found
    losses: Found

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"layers": self.layers, "losses": self.losses}

    @property
    def lacking(self) -> list[str]:
        """A sentence for everything that is lacking."""
        return [
            f"{kind} ({column}): {why}"
            for found in (self.layers, self.losses)
            for kind, row in found.items()
            for column, why in row.items()
            if why
        ]

    def table(self) -> Table:
        """Return the table for a terminal."""
        columns = (*self.backends, *self.formats)
        shown = Table("", *columns)
        for kind, row in {**self.layers, **self.losses}.items():
            shown.add_row(kind, *(_mark(row, column) for column in columns))
        return shown

    def markdown(self, language: str) -> str:
        """Return the page of the documentation in ``"en"`` or ``"zh"``."""
        words = WORDS[language]
        tables = (
            (words["layer"], (*self.backends, *self.formats), self.layers),
            (words["loss"], self.backends, self.losses),
        )
        lines = [f"# {words['title']}", "", words["about"], ""]
        for head, columns, found in tables:
            lines += [f"| {head} | {' | '.join(columns)} |", "|---|" + ":-:|" * len(columns)]
            for kind, row in found.items():
                marks = " | ".join(_mark(row, column) for column in columns)
                lines.append(f"| `{kind}` | {marks} |")
            lines.append("")
        lines += [f"## {words['gaps']}", ""]
        lines += [f"* {sentence}" for sentence in self.lacking] or [words["none"]]
        return "\n".join(lines) + "\n"


def _mark(row: Mapping[str, str], column: str) -> str:
    return NO if row.get(column) else YES


def support(backends: Sequence[str] | None = None) -> Support:
    """Ask backends, each in a process of its own, and all formats what they can do.

    Parameters
    ----------
    backends : sequence of str, optional
        Default all that can be used here.

    Raises
    ------
    BackendError
        If a backend that was asked for cannot be used.
    """
    chosen = tuple(_usable() if backends is None else backends)
    nets = {type(case.layer).__name__: case.graph for case in reversed(LAYERS)}
    judged = {type(case.loss).__name__: case for case in reversed(LOSSES)}
    named: Found = {kind: {} for kind in layers.CATALOGUE}
    rated: Found = {kind: {} for kind in losses.CATALOGUE}
    for name in chosen:
        asked = [(nets[kind], Options()) for kind in named]
        asked += [(judged[kind].graph, Options((judged[kind].loss,))) for kind in rated]
        answers = iter(_gaps(name, asked))
        for row in (*named.values(), *rated.values()):
            row[name] = _reason(next(answers))
    able = _writable()
    for name, made in able.items():
        for kind, row in named.items():
            row[name] = _reason(made.gaps(nets[kind]))
    return Support(chosen, tuple(able), named, rated)


def _usable() -> list[str]:
    usable = []
    for name in registry.backend_names():
        if registry.backend(name).trains_whole:  # it holds few nets, which its own page lists
            continue
        try:
            place(registry.backend(name))
        except BackendError:
            continue
        usable.append(name)
    return usable


def _writable() -> dict[str, Format]:
    able = {}
    for name, made in formats().items():
        if made.unrun:
            continue
        try:
            made.check(runs=False)
        except BackendError:
            continue
        able[name] = made
    return able


def _gaps(name: str, nets: list[tuple[Graph, Options]]) -> list[list[str]]:
    python = place(registry.backend(name), isolate=True).python
    return isolate.gaps(name, str(python), nets)


def _reason(gaps: list[str]) -> str:
    return "; ".join(gap.partition(": ")[2] for gap in gaps)
