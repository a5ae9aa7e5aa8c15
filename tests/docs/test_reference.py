"""The reference has every public name, and both languages have the same pages."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import unifw

DOCS = Path(__file__).parents[2] / "docs"
# Modules that users import from beside those that unifw itself holds.
MORE = (
    "unifw.backend",
    "unifw.export",
    "unifw.export.angel",
    "unifw.rules",
    "unifw.backends.alink.ak",
)


def public() -> dict[str, str]:
    """Return each public name, and where what it names is defined."""
    modules = {
        f"unifw.{name}": value for name, value in vars(unifw).items() if name in unifw.__all__
    }
    found = {
        name: where(value) for name, value in modules.items() if not isinstance(value, ModuleType)
    }
    places = [n for n, value in modules.items() if isinstance(value, ModuleType)]
    for place in [*places, *MORE]:
        module = importlib.import_module(place)
        for name in module.__all__:
            if name.isupper():
                continue  # catalogues, which the page tells of in a sentence
            found[f"{place}.{name}"] = where(getattr(module, name)) or f"{place}.{name}"
    return {name: place for name, place in found.items() if place}


def where(value: object) -> str:
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    return ""


@pytest.mark.parametrize("page", [DOCS / "api.md", DOCS / "zh" / "api.md"], ids=["en", "zh"])
def test_the_reference_is_complete(page: Path) -> None:
    shown = set(re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    missing = {
        name: place
        for name, place in public().items()
        if not {place, place.rpartition(".")[0], name, name.rpartition(".")[0]} & shown
    }
    assert not missing


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"])
def test_links_beside_the_pages_lead_somewhere(name: str) -> None:
    text = (DOCS.parent / name).read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)}
    inside = {link for link in links if link and "://" not in link}
    assert inside
    assert {link for link in inside if not (DOCS.parent / link).exists()} == set()


def test_both_languages_have_the_same_pages() -> None:
    def names(folder: Path) -> set[str]:
        return {path.name for path in folder.glob("*.md")}

    assert names(DOCS) == names(DOCS / "zh")
