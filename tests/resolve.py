"""Check that ``unifw[all]`` resolves, with uv's resolver and with pip's, to what it promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib

EVERYWHERE = {"ncnn", "onnx", "onnxruntime", "scikit-learn", "matplotlib", "paddlepaddle"}
WANTED = {
    "3.10": EVERYWHERE | {"mindspore", "megengine"},
    "3.11": EVERYWHERE | {"mindspore"},
    "3.12": EVERYWHERE | {"mindspore"},
    "3.13": EVERYWHERE,
}
# Where pip is asked: it reads markers as for the Python it runs on (3.11), whatever version it is told
# to resolve for, and only up to 3.12 do they say the same.
PIPS = {"3.10", "3.11", "3.12"}
FRAMEWORKS = {"paddlepaddle", "mindspore", "megengine"}


def requirements() -> str:
    """Return what ``unifw[all]`` requires, one line each, its extras written out."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]

    def unfolded(name: str) -> list[str]:
        lines = []
        for line in extras[name]:
            wanted = Requirement(line)
            inner = sorted(wanted.extras) if wanted.name == project["name"] else []
            lines += [further for extra in inner for further in unfolded(extra)] or [line]
        return lines

    return "\n".join([*project["dependencies"], *unfolded("all")])


def ask(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"{what} does not resolve:\n{done.stderr[-3000:]}")
    return done.stdout


def check(found: set[str], python: str, resolver: str) -> None:
    missing = WANTED[python] - found
    foreign = (FRAMEWORKS - WANTED[python]) & found
    if missing or foreign:
        sys.exit(f"{resolver} on {python}: lacks {sorted(missing)}, has {sorted(foreign)}")
    print(f"{resolver} on Python {python}: {len(found)} packages, {sorted(found & FRAMEWORKS)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        listed.write_text(requirements(), encoding="utf-8")
        for python in WANTED:
            told = ask([*UV, "--python-version", python, str(listed)], f"uv, Python {python}")
            check(set(re.findall(r"^([\w.-]+)==", told, re.MULTILINE)), python, "uv")
            if python not in PIPS:
                continue
            told = ask([*pip(python, folder), "-r", str(listed)], f"pip, Python {python}")
            packages = json.loads(told)["install"]
            check({package["metadata"]["name"].lower() for package in packages}, python, "pip")


UV = [
    sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate",
    "--python-platform", "linux",
]  # fmt: skip


def pip(python: str, folder: str) -> list[str]:
    """Return pip's command to resolve for a version of Python without installing anything."""
    install = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    if python == "3.10":
        # MegEngine needs mprop, which has no wheel: it must be asked with the interpreter at hand.
        where = [f"python{python}", "-c", "import sys; print(sys.executable)"]
        interpreter = ask(where, f"the interpreter python{python}").strip()
        return [sys.executable, "-m", "pip", "--python", interpreter, *install]
    elsewhere = ["--target", folder, "--only-binary", ":all:", "--python-version", python]
    return [sys.executable, "-m", "pip", *install, *elsewhere]


if __name__ == "__main__":
    main()
