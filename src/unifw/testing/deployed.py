"""Which nets of the zoo can be shipped in which format: each is written, run and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from unifw.errors import BackendError, ExportError
from unifw.export.card import card_path
from unifw.export.format import Format, format_of, formats
from unifw.testing.files import judge_format
from unifw.testing.zoo import ZOO

__all__ = ["Deployed", "deployed", "usable"]

YES, NO = "✓", "–"
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Formats",
        "about": "Made by `unifw formats --markdown en` and compared by the tests. Every net of the zoo, at a "
        "small size, was written in every format, opened by the format's own runtime in a fresh process, and "
        "compared with NumPy in float64. Which layers a format holds is in [what runs where](support.md).",
        "format": "Format", "what": "What it is", "files": "Files of `model.export(...)`", "run": "Run by",
        "smaller": "`quantize=`", "net": "Net", "gaps": "What is lacking, and why", "none": "Nothing.",
    },
    "zh": {
        "title": "导出格式",
        "about": "由 `unifw formats --markdown zh` 生成，并由测试比对。"
        "模型库中的每个网络都以小尺寸写成每一种格式，由该格式自己的运行时在全新进程中打开，"
        "并与 float64 的 NumPy 比较。各格式支持哪些层，见[支持一览](support.md)。",
        "format": "格式", "what": "是什么", "files": "`model.export(...)` 写出的文件", "run": "由谁运行",
        "smaller": "`quantize=`", "net": "网络", "gaps": "缺少什么，为什么", "none": "无。",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Deployed:
    """What was found.

    Attributes
    ----------
    formats : dict of str to Format
        The columns.
    nets : dict of str to dict of str to str
        For each net and format the reason why it cannot be shipped so, or ``""``.
    """

    formats: Mapping[str, Format]
    nets: Mapping[str, Mapping[str, str]]

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {net: dict(row) for net, row in self.nets.items()}

    @property
    def lacking(self) -> list[str]:
        """A sentence for everything that is lacking."""
        return [
            f"{net} ({name}): {why}"
            for net, row in self.nets.items()
            for name, why in row.items()
            if why
        ]

    def table(self) -> Table:
        """Return the table for a terminal."""
        shown = Table("", *self.formats)
        for net, row in self.nets.items():
            shown.add_row(net, *(NO if row[name] else YES for name in self.formats))
        return shown

    def markdown(self, language: str) -> str:
        """Return the page of the documentation in ``"en"`` or ``"zh"``."""
        words = WORDS[language]
        lines = [f"# {words['title']}", "", words["about"], ""]
        heads = ("format", "what", "files", "run", "smaller")
        lines += [f"| {' | '.join(words[head] for head in heads)} |", "|---" * len(heads) + "|"]
        for name, form in self.formats.items():
            smaller = ", ".join(f"`{how}`" for how in form.quantizations) or NO
            files = ", ".join(f"`{file}`" for file in _files(form))
            lines.append(f"| `{name}` | {form.title} | {files} | {form.run_by} | {smaller} |")
        lines += ["", f"| {words['net']} | {' | '.join(self.formats)} |"]
        lines += ["|---|" + ":-:|" * len(self.formats)]
        for net, row in self.nets.items():
            marks = " | ".join(NO if row[name] else YES for name in self.formats)
            lines.append(f"| `{net}` | {marks} |")
        lines += ["", f"## {words['gaps']}", ""]
        lines += [f"* {sentence}" for sentence in self.lacking] or [words["none"]]
        return "\n".join(lines) + "\n"


def _files(form: Format) -> list[str]:
    main = form.main(Path(f"net{form.suffixes[0]}"))
    parts = [path.name for path in form.parts(main)]
    return [*parts, card_path(main).name] if form.has_card else parts


def usable() -> list[str]:
    """Return the names of the formats that can be written and run here."""
    able = []
    for name, form in formats().items():
        try:
            form.check(runs=True)
        except (BackendError, ExportError):
            continue
        able.append(name)
    return able


def deployed(names: Sequence[str] | None = None) -> Deployed:
    """Write every net of the zoo in some formats, run it, and say what came of it.

    Parameters
    ----------
    names : sequence of str, optional
        Default all formats that can be written and run here.

    Raises
    ------
    NotInstalled
        If a format that was asked for cannot.
    """
    chosen = {name: format_of(name) for name in (usable() if names is None else names)}
    nets: dict[str, dict[str, str]] = {case.name: {} for case in ZOO}
    for name, form in chosen.items():
        form.check(runs=True)
        held = {}
        for case in ZOO:
            gaps = form.gaps(case.graph)
            nets[case.name][name] = "; ".join(gaps)
            if not gaps:
                held[case.name] = (case.graph, tuple(x[:3] for x in case.data().xs))
        with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
            found = judge_format(form, held, Path(folder))
        for net, off in found.items():
            if isinstance(off, str) or off > form.tolerance:
                nets[net][name] = off if isinstance(off, str) else f"differs by {off:.1e}"
    return Deployed(chosen, nets)
