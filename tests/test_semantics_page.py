"""docs/semantics.md: whatever can be described has its row, with the defaults that it has."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import unifw as uf

DOCS = Path(__file__).parents[1] / "docs"
# Under which heading each family stands, as the headings are counted from 1.
FAMILIES: dict[str, tuple[Any, tuple[str, str]]] = {
    "optimizers": (uf.optimizers, ("## Optimizers", "## 优化器")),
    "schedules": (uf.schedules, ("### Schedules", "### 学习率调度")),
    "losses": (uf.losses, ("## Losses", "## 损失")),
    "regularizers": (uf.regularizers, ("## Regularizers", "## 正则化")),
    "constraints": (uf.constraints, ("## Constraints", "## 约束")),
    "layers": (uf.layers, ("## Layers", "## 层")),
    "initializers": (uf.initializers, ("## Initializers", "## 初始化")),
    "metrics": (uf.metrics, ("## Metrics", "## 指标")),
}


def rows(language: int, family: str) -> list[list[str]]:
    """Return the cells of the tables under the family's heading."""
    heading = FAMILIES[family][1][language]
    text = (DOCS / ("", "zh")[language] / "semantics.md").read_text(encoding="utf-8")
    part = text.partition(f"\n{heading}\n")[2]
    level = heading.partition(" ")[0]
    part = re.split(rf"^#{{2,{len(level)}}} ", part, flags=re.MULTILINE)[0]
    found = re.findall(r"^\| (.*) \|$", part, re.MULTILINE)
    return [re.split(r" *\| *", row) for row in found]


def codes(cell: str) -> list[str]:
    """Return what a cell shows in code, ``Conv1D/2D`` as two."""
    found = []
    for code in re.findall("`([^`]+)`", cell):
        name, ranks, rest = re.match(r"(\w*?)(\dD(?:/\dD)*)?(\W.*)?$", code).groups()  # type: ignore[union-attr]
        found += [f"{name}{rank}{rest or ''}" for rank in (ranks or "").split("/")]
    return found


def described(language: int, family: str) -> list[str]:
    """Return what stands first in a row that goes on, or second where both cells are code alone."""
    found = []
    for first, second, *more in rows(language, family):
        if second or any(more):
            found += codes(first)
        if re.fullmatch("(`[^`]+`[,、… ]*)+", second):
            found += codes(second)
    return found


@pytest.mark.parametrize("language", [0, 1], ids=["en", "zh"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_has_its_row(family: str, language: int) -> None:
    names = {code.partition("(")[0] for code in described(language, family)}
    assert sorted(set(FAMILIES[family][0].CATALOGUE) - names) == []


@pytest.mark.parametrize("language", [0, 1], ids=["en", "zh"])
@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_those_of_the_page(family: str, language: int) -> None:
    for code in described(language, family):
        name, called, _ = code.partition("(")
        if name in FAMILIES[family][0].CATALOGUE and called and "…" not in code:
            call: Any = ast.parse(code, mode="eval").body
            expected = inspect.signature(FAMILIES[family][0].CATALOGUE[name]).parameters
            said = dict(zip(expected, call.args, strict=False)) | {
                word.arg: word.value for word in call.keywords
            }
            for argument, value in said.items():
                if not isinstance(value, ast.Name):  # that is what must be given
                    default = expected[argument].default
                    assert eval(ast.unparse(value)) == default, (code, argument)  # noqa: S307


@pytest.mark.parametrize("language", [0, 1], ids=["en", "zh"])
def test_every_row_names_its_source(language: int) -> None:
    text = (DOCS / ("", "zh")[language] / "semantics.md").read_text(encoding="utf-8")
    tables = 0
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *lines = (
            re.split(r" *\| *", line.removeprefix("| ").removesuffix(" |"))
            for line in table.splitlines()
        )
        place = next((head.index(word) for word in ("source", "出处") if word in head), None)
        if place is not None:
            tables += 1
            assert [line[0] for line in lines if not "".join(line[place : place + 1])] == []
    assert tables == 10
