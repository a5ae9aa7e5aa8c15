"""Files that take their places together, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from unifw.errors import FileError

__all__ = ["land", "staged"]


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give a folder beside ``target`` to write in, which is gone when the block ends.

    Raises
    ------
    FileError
        If the folder of ``target`` is not there or cannot be written.
    """
    try:
        folder = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as err:
        message = f"cannot write {target}: {err.strerror}"
        raise FileError(message) from err
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def land(files: Sequence[Path], folder: Path) -> list[Path]:
    """Move files into ``folder``, in place of those of the same names there.

    If one cannot take its place, those before it go back and the old ones return.

    Raises
    ------
    FileError
        If that happens.
    """
    umask = os.umask(0)
    os.umask(umask)
    done: list[tuple[Path, Path | None]] = []
    for file in files:
        target = folder / file.name
        try:
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
            file.chmod(0o666 & ~umask)  # MindSpore's are for reading by their owner only
            kept = file.with_name(f"{file.name}.old") if target.exists() else None
            if kept is not None:
                target.replace(kept)
            done.append((target, kept))
            file.replace(target)
        except OSError as err:
            _undo(done)
            message = f"cannot write {target}: {err.strerror}"
            raise FileError(message) from err
    return [target for target, _ in done]


def _undo(done: list[tuple[Path, Path | None]]) -> None:
    for target, kept in reversed(done):
        if kept is None:
            target.unlink(missing_ok=True)
        else:
            kept.replace(target)
