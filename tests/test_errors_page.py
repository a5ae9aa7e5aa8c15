"""docs/errors.md: every class has its section, and every message is what the code above it raises."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import unifw as uf
from unifw import errors, registry

DOCS = Path(__file__).parents[1] / "docs"
LANGUAGES = ("", "zh")
# Raised as one of their kinds only.
ROOTS = {"UnifwError", "BackendError"}
KINDS = sorted(set(errors.__all__) - ROOTS)


def page(language: str) -> str:
    return (DOCS / language / "errors.md").read_text(encoding="utf-8")


def sections(language: str) -> dict[str, str]:
    _, *parts = re.split("^## ", page(language), flags=re.MULTILINE)
    return {title: text for title, _, text in (part.partition("\n") for part in parts)}


def blocks(text: str) -> list[str]:
    return re.findall(r"```(?:python|text)\n(.*?)\n```", text, re.DOTALL)


def bare(code: str) -> str:
    return re.sub(" *#.*", "", code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_class_has_a_section_from_a_to_z(language: str) -> None:
    titles = [title for title in sections(language) if title.isascii() and " " not in title]
    assert titles == sorted(errors.__all__)
    for name in KINDS:
        assert len(blocks(sections(language)[name])) == 2, name


def test_both_languages_show_the_same() -> None:
    english, chinese = (list(map(bare, blocks(page(language)))) for language in LANGUAGES)
    assert english == chinese
    rows = [len(re.findall(r"^\|", page(language), re.MULTILINE)) for language in LANGUAGES]
    assert rows[0] == rows[1]


def package(folder: Path, module: str, name: str, version: str) -> None:
    """Put a package there that is found, and has nothing in it."""
    (folder / module).mkdir()
    (folder / module / "__init__.py").touch()
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (about / "METADATA").write_text(text, encoding="utf-8")


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def broken(folder: Path) -> None:
    """Make an interpreter in which NumPy's place is taken by a device that gets lost."""
    (folder / "broken").mkdir()
    (folder / "broken" / "sitecustomize.py").write_text(
        "from unifw.backends.numpy.session import NumpySession\n"
        "def forward(*_):\n    raise RuntimeError('the device is lost')\n"
        "NumpySession.forward = forward\n",
        encoding="utf-8",
    )
    where = f"{folder / 'broken'}:{Path(uf.__file__).parents[1]}"
    # -I, the first argument, would keep out what is on the path.
    text = f'shift; PYTHONPATH={where} exec {sys.executable} "$@"'
    script(folder / "tools" / "broken-python", text)


@pytest.fixture
def here(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Make this process what the text of the section says that it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools").mkdir()
    for module in ("paddle", "mindspore"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    if name == "NotInstalled":
        monkeypatch.setattr(type(registry.backend("paddle")), "distributions", ("no-such-thing",))
    if name in {"Clash", "VersionUnsupported"}:
        package(tmp_path, "paddle", "paddlepaddle", "2.6.2")
        package(tmp_path, "mindspore", "mindspore", "2.10.0")
        monkeypatch.syspath_prepend(tmp_path)
    if name == "VersionMismatch":
        script(tmp_path / "tools" / "not-python", "exec yes rubbish")
    if name == "WorkerTimeout":
        monkeypatch.setenv("UNIFW_START_SECONDS", "120")  # so that the code's own word is undone
        script(tmp_path / "tools" / "slow-python", "exec sleep 1000")
    if name == "WorkerError":
        broken(tmp_path)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", KINDS)
def test_the_code_raises_the_message(name: str) -> None:
    code, message = blocks(sections("")[name])
    known: dict[str, Any] = {}
    exec(blocks(page(""))[0], known)  # noqa: S102 - our own page
    kind = getattr(errors, name)
    with pytest.raises(kind) as caught:
        exec(code, known)  # noqa: S102 - as above
    sys.modules.pop("paddle", None)  # what stood for it
    assert type(caught.value) is kind
    wanted = "(.|\n)+".join(map(re.escape, message.split("…")))
    # An ellipsis in a message stands for itself as well, as in "0 … 2".
    assert re.fullmatch(wanted, str(caught.value)), str(caught.value)
