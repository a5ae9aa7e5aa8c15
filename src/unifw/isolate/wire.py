"""The wire between two processes: messages of plain data and arrays over a pair of byte streams.

A message is four bytes ``UFW1``, the length of a header (uint32, little-endian), the header (JSON:
``kind``, ``about`` and ``[name, dtype, shape]`` of each array) and the arrays' bytes one after the
other. Nothing that is received is ever run, and NumPy's own pickles, which do not cross from NumPy 2 to
NumPy 1, are not needed.

execnet would do this too; measured side by side (``benchmarks/wall.py``) it takes two to six times as
long for bytes, and as long for a round trip. Above all it starts the interpreter itself: one that hangs
blocks it for good, one that prints before it listens breaks it, and Ctrl-C reaches the worker as well.
"""

from __future__ import annotations

import json
import struct
import threading
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

__all__ = ["Message", "Wire", "WireError"]

Array = npt.NDArray[Any]

GREETING = b"\0unifw wire\n"
TAG = b"UFW1"
HEAD = struct.Struct("<4sI")
PREAMBLE = 1 << 16


class WireError(Exception):
    """What came over the wire is no message."""


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes
    ----------
    kind : str
        A verb from the caller; ``"answer"``, ``"error"`` or ``"progress"`` from the worker.
    about : dict
        Plain JSON data.
    arrays : dict of str to ndarray
        Named arrays of numbers.
    """

    kind: str
    about: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)


class Wire:
    """Sends and receives messages; several threads may send, one receives.

    Parameters
    ----------
    source, sink : binary stream
        Where messages come from and go to.
    """

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink
        self._sending = threading.Lock()

    def greet(self) -> None:
        """Say that messages begin here; whatever was written before is no part of them."""
        with self._sending:
            self._sink.write(GREETING)
            self._sink.flush()

    def await_greeting(self) -> bytes:
        """Skip what the other side wrote before its greeting, and return it.

        Raises
        ------
        EOFError
            If the stream ends first; its argument is what was written.
        WireError
            If 64 KiB have come without a greeting; its argument is how they began.
        """
        skipped = bytearray()
        while not skipped.endswith(GREETING):
            byte = self._source.read(1)
            if not byte:
                raise EOFError(bytes(skipped))
            skipped += byte
            if len(skipped) > PREAMBLE:
                raise WireError(bytes(skipped[:200]))
        return bytes(skipped[: -len(GREETING)])

    def send(self, message: Message) -> None:
        """Write a message; ``OSError`` if nobody is there to read it."""
        # Not ascontiguousarray, which makes 0-d arrays 1-d.
        solid = {name: np.asarray(array, order="C") for name, array in message.arrays.items()}
        described = [[name, array.dtype.str, array.shape] for name, array in solid.items()]
        header = json.dumps(
            {"kind": message.kind, "about": message.about, "arrays": described}
        ).encode()
        with self._sending:
            self._sink.write(HEAD.pack(TAG, len(header)) + header)
            for array in solid.values():
                if array.size:
                    self._sink.write(_bytes_of(array))
            self._sink.flush()

    def receive(self) -> Message:
        """Wait for the next message.

        Raises
        ------
        EOFError
            If the other side has closed the stream.
        WireError
            If what comes is no message.
        """
        head = bytearray(HEAD.size)
        self._fill(memoryview(head))
        tag, length = HEAD.unpack(head)
        if tag != TAG:
            raise WireError(bytes(head))
        text = bytearray(length)
        self._fill(memoryview(text))
        try:
            header = json.loads(text)
            arrays = {name: _empty(dtype, shape) for name, dtype, shape in header["arrays"]}
            message = Message(header["kind"], header["about"], arrays)
        except (ValueError, TypeError, KeyError) as err:
            raise WireError(bytes(text[:200])) from err
        for array in arrays.values():
            if array.size:
                self._fill(_bytes_of(array))
        return message

    def _fill(self, space: memoryview) -> None:
        while space:
            got = self._source.readinto(space)  # type: ignore[attr-defined]  # typeshed lacks it
            if not got:
                raise EOFError
            space = space[got:]


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _empty(dtype: str, shape: list[int]) -> Array:
    kind = np.dtype(dtype)
    if kind.kind not in "fiub":
        message = f"an array of {kind}"
        raise ValueError(message)
    return np.empty(tuple(shape), kind)
