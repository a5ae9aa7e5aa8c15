"""Runs nets that unifw wrote as one ``.npz``; needs NumPy and nothing else, so copy it next to your file.

    from run_numpy import Runtime
    y, = Runtime("digits.npz").predict({"input": x})

or ``python run_numpy.py digits.npz x.npy y.npy``. The file holds ``model.npy``, JSON text as bytes, and
``array_0.npy``, … Its program's values are numbered: the inputs, the arrays, then one by each instruction.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)


def _cut(x: Any, axis: int, start: int, stop: int, step: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small).astype(x.dtype) / (1 + small)


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _pad(x: Any, pads: Any, value: float) -> Any:
    return np.pad(x, [(0, 0)] * (x.ndim - len(pads)) + pads, constant_values=value)


def _sum(x: Any, axes: Any, keepdims: bool) -> Any:
    return x.sum(tuple(axes), np.float64, keepdims=keepdims)


def _mean(x: Any, axes: Any, keepdims: bool) -> Any:
    return x.mean(tuple(axes), np.float64, keepdims=keepdims)


# What an instruction does with its operands and arguments.
WORDS: dict[str, Any] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "erf": lambda x: np.asarray(_erf(x), np.float32),
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "softmax": _softmax,
    "where": np.where,
    "matmul": np.matmul,
    "sum": _sum,
    "mean": _mean,
    "amax": lambda x, axes, keepdims: x.max(tuple(axes), keepdims=keepdims),
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, order: x.transpose(order),
    "concat": lambda *xs: np.concatenate(xs[:-1], xs[-1]),
    "cut": _cut,
    "pad": _pad,
    "zeros": lambda x, shape: np.zeros((len(x), *shape), np.float32),
    "to_float": lambda x: x.astype(np.float32),
    "one_hot": lambda x, size: (x[..., None] == np.arange(size)).astype(np.float32),
    "rows": lambda x, table: table[x],
}


class Runtime:
    """A net, open; ``inputs`` are names, shapes without the batch, and ``"float"`` or ``"int"``."""

    about = f"NumPy {np.__version__}"

    def __init__(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as stored:
            told = json.loads(stored["model"].tobytes())
            arrays = [stored[f"array_{place}"] for place in range(len(told["arrays"]))]
        card = told["card"]
        self.inputs = [
            (port["name"], tuple(port["shape"]), port["dtype"]) for port in card["inputs"]
        ]
        self.outputs = [port["name"] for port in card["outputs"]]
        self._places, first = told["outputs"], len(self.inputs)
        self._known: dict[int, Any] = dict(enumerate(arrays, first))
        self._program, self._last = [], {}
        for place, (word, operands, arguments) in enumerate(told["program"], first + len(arrays)):
            given = [x for x in operands if isinstance(x, int)]
            self._last.update(dict.fromkeys(given, place))
            # What depends on no input is worked out once.
            if word != "zeros" and all(x in self._known for x in given):
                self._known[place] = self._said(word, operands, arguments, self._known)
            else:
                self._program.append((place, word, operands, arguments))

    def _said(self, word: str, operands: Any, arguments: Any, values: Any) -> Any:
        found = [np.float32(*x) if isinstance(x, list) else values[x] for x in operands]
        with np.errstate(all="ignore"):
            made = np.asarray(WORDS[word](*found, *arguments))
        return made.astype(np.float32) if made.dtype == np.float64 else made

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs for arrays by name, the batch first."""
        values = dict(self._known)
        for place, (name, shape, kind) in enumerate(self.inputs):
            values[place] = np.asarray(arrays[name], np.int64 if kind == "int" else np.float32)
            if values[place].shape[1:] != shape or (kind == "int" and (values[place] < 0).any()):
                raise ValueError(f"{name!r} must have shape {('n', *shape)}, and no index below 0")
        for place, word, operands, arguments in self._program:
            values[place] = self._said(word, operands, arguments, values)
            for x in operands:  # the memory of what is needed no more
                if isinstance(x, int) and self._last[x] == place and x not in self._places:
                    values.pop(x, None)
        return [values[place] for place in self._places]


if __name__ == "__main__":
    runtime = Runtime(sys.argv[1])
    given = {
        name: np.load(file) for (name, *_), file in zip(runtime.inputs, sys.argv[2:], strict=False)
    }
    for result, to in zip(runtime.predict(given), sys.argv[2 + len(given) :], strict=True):
        np.save(to, result)
