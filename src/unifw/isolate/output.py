"""What a worker prints: nothing of it reaches the terminal or the wire, and all of it can be read."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Output"]

# How much goes into an error, in characters and lines, and how much is kept at all, in bytes.
SHOWN, LINES, KEPT = 2000, 20, 1 << 24


class Output:
    """What a worker prints: a file that it writes and this side reads, also after its end.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab+", buffering=0)
        self._last = b""

    def fileno(self) -> int:
        """Return the file's descriptor, for the worker to inherit."""
        return self._file.fileno()

    def write(self, text: bytes) -> None:
        """Add what the worker wrote where it should not have."""
        self._file.write(text)

    def trim(self) -> None:
        """Throw the text away if it has grown beyond all use."""
        if self._file.seek(0, os.SEEK_END) > KEPT:
            self._file.truncate(0)

    @property
    def text(self) -> str:
        """All of it."""
        if not self._file.closed:
            self._file.seek(0)
            self._last = self._file.read()
        return self._last.decode("utf-8", "replace")

    @property
    def tail(self) -> str:
        """The last of it, for an error message."""
        lines = self.text.strip()[-SHOWN:].splitlines()
        return "\n".join(f"  {line}" for line in lines[-LINES:])

    def close(self) -> None:
        """Keep the text, let go of the file."""
        _ = self.text
        self._file.close()
