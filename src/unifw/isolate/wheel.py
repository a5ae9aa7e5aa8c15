"""The unifw that runs here, packed to be installed elsewhere: the very same code, released or not."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import zipfile
from pathlib import Path

import unifw
from unifw.errors import EnvironmentFailed

__all__ = ["write_wheel"]

# https://packaging.python.org/en/latest/specifications/binary-distribution-format/
WHEEL = "Wheel-Version: 1.0\nGenerator: unifw\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path:
    """Write a wheel of this unifw into a folder and return its path.

    Raises
    ------
    EnvironmentFailed
        If unifw is not installed here, but merely found on the path.
    """
    try:
        installed = importlib.metadata.distribution("unifw")
    except importlib.metadata.PackageNotFoundError as err:
        message = "unifw is not installed here, and cannot be handed on:  pip install unifw"
        raise EnvironmentFailed(message) from err
    root = Path(unifw.__file__).parent
    files = {
        f"unifw/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    about = f"unifw-{installed.version}.dist-info"
    for name in ("METADATA", "entry_points.txt"):
        files[f"{about}/{name}"] = (installed.read_text(name) or "").encode()
    files[f"{about}/WHEEL"] = WHEEL.encode()
    lines = [f"{name},{_digest(content)},{len(content)}" for name, content in files.items()]
    record = f"{about}/RECORD"
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    target = folder / f"unifw-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.rstrip(b"=").decode()
