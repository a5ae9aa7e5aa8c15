"""What importing unifw brings along, and which way imports may point."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unifw

SOURCE = Path(unifw.__file__).parent
HEAVY = {
    "paddle", "mindspore", "megengine", "ncnn", "MNN", "py4j", "onnx", "onnxruntime", "sklearn", "matplotlib",
    "torch",
}  # fmt: skip

# From the bottom up: a module imports only from its own layer or from those above it in this list.
LAYERS = (
    ("errors",),
    (
        "spec",
        "layers",
        "losses",
        "metrics",
        "ops",
        "optimizers",
        "schedules",
        "initializers",
        "regularizers",
        "constraints",
    ),
    ("rules", "process", "zoo"),
    ("weights", "randomness", "formulas"),
    ("measures", "arrays", "limits"),
    ("targets", "judging"),
    ("data", "sparse"),
    ("quasi_newton",),
    ("backend",),
    ("backends", "registry"),
    ("checkpoint", "progress"),
    ("export", "isolate"),
    ("runtime",),
    ("callbacks", "model"),
    ("parity",),
    ("demo",),
    ("testing", "cli"),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.strip()


def test_importing_unifw_imports_no_framework() -> None:
    loaded = python("import sys, unifw; print(*{m.split('.')[0] for m in sys.modules})").split()
    assert not HEAVY & set(loaded)


def test_asking_what_is_installed_imports_no_framework() -> None:
    code = "import sys, unifw.cli as c; c.main(['backends', '--json', '--no-devices']); print(*sys.modules)"
    assert not HEAVY & {name.split(".")[0] for name in python(code).splitlines()[-1].split()}


def test_the_backends_that_can_be_used_are_told_without_importing_them() -> None:
    told = python("import sys, unifw; print(*unifw.installed()); print(*sys.modules)").splitlines()
    names = told[0].split()
    assert names[0] == "numpy"
    assert "alink" not in names  # it has no curve to compare
    assert not HEAVY & {name.split(".")[0] for name in told[1].split()}


def test_the_package_holds_what_the_layers_list() -> None:
    found = {p.stem for p in SOURCE.glob("*.py")} | {p.name for p in SOURCE.iterdir() if p.is_dir()}
    assert found - {"__init__", "__pycache__"} == set(RANK)


def imports(path: Path) -> set[str]:
    """Return the top-level names that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "unifw":
            names |= {f"unifw.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


MODULES = sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_only_down(path: Path) -> None:
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    used = {name.split(".")[1] for name in imports(path) if name.startswith("unifw.")}
    # Names that unifw itself holds (its version) are not modules.
    assert {name for name in used & set(RANK) if RANK[name] > RANK[own]} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_framework_is_imported_by_its_own_plugin_alone(path: Path) -> None:
    owners = {
        "paddle": "paddle",
        "mindspore": "mindspore",
        "megengine": "megengine",
        "py4j": "alink",
    }
    names = {name.split(".")[0] for name in imports(path)}
    frameworks = {owner for name, owner in owners.items() if name in names}
    parts = path.relative_to(SOURCE).parts
    if "runners" in parts:  # programs for processes of their own: each imports its one runtime
        assert len(frameworks) <= 1
        return
    assert frameworks <= ({parts[1]} if parts[0] == "backends" and len(parts) > 2 else set())
