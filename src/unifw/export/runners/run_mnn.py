"""Runs MNN files, on one thread of the CPU and in full float32; names and shapes are those of the card."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def _silence() -> Iterator[None]:
    """Let nothing that is written in C reach the standard output."""
    c = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        c.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


with _silence():  # it tells what the processor can do (3.6)
    import MNN
    from MNN import expr


KINDS = {"float": np.float32, "int": np.int64}


class Runtime:
    """See ``drive.py``."""

    about = f"MNN {MNN.version()}"

    def __init__(self, path: str) -> None:
        with open(f"{path}.json", encoding="utf-8") as file:  # noqa: PTH123 - as short as it gets
            card = json.load(file)
        self.inputs = [(put["name"], tuple(put["shape"]), put["dtype"]) for put in card["inputs"]]
        self.outputs = [put["name"] for put in card["outputs"]]
        self._kinds = [KINDS[put["dtype"]] for put in card["outputs"]]
        names = [name for name, _, _ in self.inputs]
        self._net = MNN.nn.load_module_from_file(
            path, names, self.outputs, precision_mode=expr.PrecisionMode.High, thread_num=1
        )

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs."""
        given = [_value(arrays[name], kind) for name, _, kind in self.inputs]
        found = self._net.onForward(given)
        if len(found) != len(self.outputs):  # how it says that it failed
            raise RuntimeError("MNN does not compute the outputs")
        return [np.array(out.read(), kind) for out, kind in zip(found, self._kinds, strict=True)]


def _value(array: Any, kind: str) -> Any:
    dtype, as_ = (np.int32, expr.int) if kind == "int" else (np.float32, expr.float)
    array = np.ascontiguousarray(array, dtype)
    return expr.const(array, list(array.shape), expr.NCHW, as_)
