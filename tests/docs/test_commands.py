"""Each ``unifw …`` that a page shows is one that the command understands, and each has its place in a page."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from unifw import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])


def commands(page: Path) -> Iterator[list[str]]:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words[:1] == ["unifw"]:
                    yield words[1:]


SHOWN = [(page, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(
    ("page", "words"),
    SHOWN,
    ids=[f"{p.relative_to(ROOT).as_posix()}-{' '.join(w)}" for p, w in SHOWN],
)
def test_the_command_is_understood(page: Path, words: list[str]) -> None:
    cli._parser().parse_args([word for word in words if word not in (">", "docs.md")])


def every(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield all commands, subcommands last."""
    deeper = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if before:
        yield " ".join(before)
    for action in deeper:
        for name, sub in action.choices.items():
            yield from every(sub, (*before, name))


@pytest.mark.parametrize(
    "page", [ROOT / "docs" / "commands.md", ROOT / "docs" / "zh" / "commands.md"]
)
def test_the_page_of_commands_has_them_all(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [name for name in every(cli._parser()) if not re.search(rf"`unifw {name}\b", text)]
    assert not missing
