"""Every page's Python runs from top to bottom, as a reader would paste it, and prints what the page says."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import subprocess
import sys
import unittest
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import dump_svmlight_file
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import unifw as uf
from unifw import layers as L
from unifw.export import runners
from unifw.isolate import environments

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
# What raises on purpose, which tests/test_errors_page.py runs.
RAISES = "errors.md"
# Packages that do not get on with each other in one process, and whose they are.
APART = {
    "paddle": "paddle",
    "mindspore": "mindspore",
    "megengine": "megengine",
    "megenginelite": "megengine",
}
# Blocks with these are run by tests/together/test_coming_from.py, in an environment that has them.
NOT_HERE = {"torch", "keras"}


class Printed:
    """The block of text that a block of Python must have printed, if the one follows the other."""

    def __init__(self, page: Path) -> None:
        self._text = page.read_text(encoding="utf-8")

    def after(self, end: int) -> str | None:
        found = re.compile(r"\s*```text\n(.*?)```", re.DOTALL).match(self._text, end)
        return found[1] if found else None


def alike(printed: str, wanted: str) -> bool:
    """Whether a page shows what was printed; … stands for anything."""
    words = [".*" if word == "…" else re.escape(word) for word in likeness(wanted)]
    return re.fullmatch(" ".join(words), " ".join(likeness(printed))) is not None


def likeness(printed: str) -> list[str]:
    """Return what is printed without what differs between machines: numbers, digests, widths."""
    bare = re.sub(r"sha256 \w+", "sha256", printed)
    bare = re.sub(r"[-+]?\d[\d.,]*(e[-+]\d+|\+\w+)?", "0", bare)
    return re.sub(r"[━─]+", "─", bare).split()


def imported(code: str) -> set[str]:
    """Return the packages that a block imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return {name.split(".")[0] for name in names}


def english(page: Path) -> Path:
    """Return the page in English that a page in Chinese goes with; else the page itself."""
    return page.with_name("README.md") if page.parent == ROOT else ROOT / "docs" / page.name


def blocks(page: Path) -> list[str]:
    """Return what a page runs, without its comments, and what it shows."""
    found = re.findall(
        r"^```(python|text)\n(.*?)```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [ast.dump(ast.parse(text)) if kind == "python" else text for kind, text in found]


class Reader:
    """Somebody who pastes the blocks of a page, one after the other."""

    def __init__(self, page: Path, namespace: dict[str, Any]) -> None:
        self.namespace = {"__name__": "__main__", **namespace}
        self.shown = Printed(page)

    def paste(self, example: Any) -> None:
        code = str(example.parsed)
        packages = imported(code)
        if packages & NOT_HERE:
            return
        if packages & set(APART):
            self.elsewhere(code, APART[(packages & set(APART)).pop()])
            return
        # Tracebacks name the page and its lines.
        source = "\n" * (example.line + example.parsed.line_offset) + code
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(source, example.path, "exec"), self.namespace)  # noqa: S102 - our own pages
        wanted = self.shown.after(example.region.end)
        if wanted is not None:
            assert alike(out.getvalue(), wanted), out.getvalue()

    def elsewhere(self, code: str, framework: str) -> None:
        """Run a block in the framework's environment, or in a process of this Python."""
        np.save("x.npy", self.namespace["x"][:3])
        found = environments.find(framework)
        start = "import numpy as np\nx = np.load('x.npy')\n"
        done = subprocess.run(
            [found.python if found else sys.executable, "-c", start + code],
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        assert not done.returncode, done.stderr


@pytest.fixture(scope="module")
def prepared(digits: Any) -> dict[str, Any]:
    """What pages may take for granted: real digits, and a net."""
    x, y = digits
    net = uf.Sequential(
        [
            L.Conv2D(16, 3, padding="same"), L.ReLU(), L.MaxPool2D(2),
            L.Flatten(), L.Dropout(0.2), L.Dense(10),
        ],
        input_shape=(1, 8, 8), name="digits",
    )  # fmt: skip
    x, x_test, y, y_test = x[:600], x[600:800], y[:600], y[600:800]
    names = {"uf": uf, "L": L, "np": np, "net": net, "x": x, "y": y}
    return names | {"x_test": x_test, "y_test": y_test, "xv": x_test, "yv": y_test}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != RAISES],
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_what_the_page_says_runs(
    page: Path, prepared: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    if english(page) != page and blocks(english(page)) == blocks(page):
        return  # it runs if the other does
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(runners.__file__).parent))  # what readers copy
    model = uf.Model(prepared["net"], loss="cross_entropy", metrics=["accuracy"])
    model.save("model.unifw")
    model.save("digits.unifw")
    rows = csr_matrix(np.random.default_rng(0).random((60, 9)) > 0.6, dtype=float)
    dump_svmlight_file(rows, (rows.sum(axis=1).A1 > 3).astype(int), "clicks.libsvm")
    reader = Reader(page, {**prepared, "model": model})
    python = CodeBlockParser("python", reader.paste)
    document = Sybil([python, SkipParser()], path=str(ROOT)).parse(page)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all frameworks warn of something when imported
        for example in document.examples():
            with contextlib.suppress(unittest.SkipTest):
                example.evaluate()


def test_pages_skip_little() -> None:
    skipped = [page for page in PAGES for _ in re.findall(r"<!-- skip", page.read_text("utf-8"))]
    assert len(skipped) <= 2 * 12


def test_blocks_are_known_by_their_language() -> None:
    known = {"python", "sh", "bash", "text", "toml", "json", "cpp", "mermaid", "c++", "html"}
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(fences[::2]) <= known, page
