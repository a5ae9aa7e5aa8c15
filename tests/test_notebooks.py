"""The notebooks as they are committed. That they run is nbmake's part: see ``tox.ini``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))
# A number in an assertion about what was learned.
FLOOR = re.compile(r"^\s*assert .*[<>]=? *[\d.]", re.MULTILINE)
ABSOLUTE = re.compile(r"""["'( ](/(home|root|tmp|work|Users|usr|mnt)/|[A-Z]:\\)""")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> tuple[str, dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return text, json.loads(text)


def sources(notebook: dict[str, Any], kind: str) -> dict[str, str]:
    """Return the text of all cells of a kind by id."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == kind)
    return {cell["id"]: "".join(cell["source"]) for cell in cells}


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each
def test_it_is_stripped(path: Path) -> None:
    text, notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert text == json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    about = notebook["metadata"]
    assert about["kernelspec"]["name"] == "python3"
    assert set(about) == {"kernelspec", "language_info"}
    assert about["language_info"] == {"name": "python"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], cell["id"]
            assert cell["execution_count"] is None, cell["id"]


@each
def test_its_prose_is_in_both_languages(path: Path) -> None:
    _, notebook = read(path)
    texts = sources(notebook, "markdown")
    assert len(texts) >= 5
    for name, text in texts.items():
        assert re.search(r"[\u4e00-\u9fff]{4}", text), f"{name} has no Chinese"
        assert re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", text), f"{name} has no English"


@each
def test_where_it_trains_it_asserts_a_floor(path: Path) -> None:
    _, notebook = read(path)
    code = "\n".join(sources(notebook, "code").values())
    if ".fit(" in code or "uf.parity(" in code:
        assert FLOOR.search(code)


@each
def test_it_names_no_place_of_one_machine(path: Path) -> None:
    text, _ = read(path)
    assert not ABSOLUTE.search(text)
