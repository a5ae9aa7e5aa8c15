"""Runs pairs of ncnn files, by their card, in float32 on one thread."""

from __future__ import annotations

import json
import os
from typing import Any

import ncnn
import numpy as np


class Runtime:
    """See ``drive.py``."""

    about = f"ncnn {ncnn.__version__}"

    def __init__(self, path: str) -> None:
        with open(f"{path}.json", encoding="utf-8") as file:  # noqa: PTH123 - a path in plain words
            card = json.load(file)
        self.inputs = [
            (port["name"], tuple(port["shape"]), port["dtype"]) for port in card["inputs"]
        ]
        self._outputs = [
            (port["name"], tuple(port["shape"]), port["dtype"]) for port in card["outputs"]
        ]
        self.outputs = [name for name, *_ in self._outputs]
        self._net = ncnn.Net()
        options = self._net.opt
        options.num_threads = 1
        # Half precision, which is on by default, costs 2e-4 in a Dense on a PC, and more on a phone.
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_packed = options.use_bf16_storage = False
        if self._net.load_param(path) != 0:
            raise ValueError(f"ncnn cannot read {path}")
        weights = f"{os.path.splitext(path)[0]}.bin"  # noqa: PTH122 - as above
        if self._net.load_model(weights) != 0:
            raise ValueError(f"ncnn cannot read {weights}")

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs, row by row, as ncnn has no batch."""
        given = [
            np.ascontiguousarray(arrays[name], np.int32 if kind == "int" else np.float32)
            for name, _, kind in self.inputs
        ]
        rows = [self._row([array[row] for array in given]) for row in range(len(given[0]))]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    def _row(self, given: list[Any]) -> list[Any]:
        # Copied, as a layer that works in place crashes on the memory of an array (ncnn 1.0.20261020).
        kept = [np.atleast_1d(array) for array in given]
        with self._net.create_extractor() as run:
            for place, array in enumerate(kept):
                run.input(f"in{place}", ncnn.Mat(array).clone())
            return [self._read(run, place) for place in range(len(self.outputs))]

    def _read(self, run: Any, place: int) -> Any:
        code, found = run.extract(f"out{place}")
        if code != 0:
            raise ValueError(f"ncnn cannot work out output {self.outputs[place]!r}: {code}")
        _, shape, kind = self._outputs[place]
        array = np.array(found)
        if kind == "int":
            array = array.view(np.int32).astype(np.int64)
        return array.reshape(shape)
