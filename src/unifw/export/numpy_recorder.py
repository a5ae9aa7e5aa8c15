"""A net as a program: instructions over numbered values, in the words of ``runners/run_numpy.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.export.evaluation import evaluation
from unifw.export.symbolic import Symbolic
from unifw.formulas.functional import Formula
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Placed

__all__ = ["Recorder", "record", "rules"]

Array = npt.NDArray[Any]


class Value(Symbolic):
    """A value of the program, by its number."""

    __slots__ = ("number", "recorder")

    def __init__(self, recorder: Recorder, number: int) -> None:
        self.recorder, self.number = recorder, number

    def binary(self, word: str, first: Any, second: Any) -> Value:
        return self.recorder.say(word, first, second)


class Recorder:
    """Writes down what is done with values; the vocabulary is that of ``Functional``.

    Values are numbered: first the inputs, then the arrays, then what each instruction gives. As arrays are
    found on the way, they have negative numbers here, and get their places in ``program``.

    Parameters
    ----------
    inputs : int
        How many inputs the net has.
    """

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._arrays: dict[str, Array] = {}
        self._said: list[tuple[str, list[Any], list[Any]]] = []

    # -------------------------------------------------------------------- writing down

    def say(self, word: str, *operands: Any, arguments: Sequence[Any] = ()) -> Value:
        """Add an instruction and return its value; operands are values, or numbers."""
        told = [x.number if isinstance(x, Value) else [float(x)] for x in operands]
        self._said.append((word, told, list(arguments)))
        return Value(self, self._inputs + len(self._said) - 1)

    def array(self, name: str, array: Array) -> Value:
        """Keep an array under a name, once, and return its value."""
        self._arrays.setdefault(name, np.array(array, np.float32, order="C"))
        return Value(self, -1 - list(self._arrays).index(name))

    def arrays(self) -> Mapping[str, Array]:
        """Return the arrays in the order of their numbers."""
        return self._arrays

    def program(self) -> list[list[Any]]:
        """Return the instructions: word, operands (numbers of values, or ``[number]``), arguments."""
        return [[word, [self.place(x) for x in told], rest] for word, told, rest in self._said]

    def place(self, number: Any) -> Any:
        """Return the number that a value has in the file, or a number in brackets as it is."""
        if isinstance(number, list) or 0 <= number < self._inputs:
            return number
        return self._inputs - 1 - number if number < 0 else number + len(self._arrays)

    # -------------------------------------------------------------------- the vocabulary

    def constant(self, array: Array) -> Value:
        made = np.asarray(array, np.float32)
        for name, held in self._arrays.items():
            if name.startswith("/") and np.array_equal(held, made):
                return self.array(name, held)
        return self.array(f"/{len(self._arrays)}", made)

    def exp(self, x: Value) -> Value:
        return self.say("exp", x)

    def log(self, x: Value) -> Value:
        return self.say("log", x)

    def sqrt(self, x: Value) -> Value:
        return self.say("sqrt", x)

    def tanh(self, x: Value) -> Value:
        return self.say("tanh", x)

    def sigmoid(self, x: Value) -> Value:
        return self.say("sigmoid", x)

    def softplus(self, x: Value) -> Value:
        return self.say("softplus", x)

    def erf(self, x: Value) -> Value:
        return self.say("erf", x)

    def where(self, condition: Value, x: Any, y: Any) -> Value:
        return self.say("where", condition, x, y)

    def detach(self, x: Value) -> Value:
        return x

    def matmul(self, x: Value, y: Value) -> Value:
        return self.say("matmul", x, y)

    def softmax(self, x: Value, axis: int) -> Value:
        return self.say("softmax", x, arguments=[axis])

    def sum(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self.say("sum", x, arguments=[axes, keepdims])

    def mean(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self.say("mean", x, arguments=[axes, keepdims])

    def amax(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self.say("amax", x, arguments=[axes, keepdims])

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self.say("reshape", x, arguments=[shape])

    def per_channel(self, x: Value, spatial: tuple[int, ...]) -> Value:
        return self.reshape(x, (1, -1, *(1 for _ in spatial)))

    def transpose(self, x: Value, order: tuple[int, ...]) -> Value:
        return self.say("transpose", x, arguments=[order])

    def concat(self, xs: Sequence[Value], axis: int) -> Value:
        return self.say("concat", *xs, arguments=[axis])

    def cut(self, x: Value, axis: int, start: int, stop: int, step: int) -> Value:
        return self.say("cut", x, arguments=[axis, start, stop, step])

    def pad(self, x: Value, pads: tuple[tuple[int, int], ...], value: float) -> Value:
        return self.say("pad", x, arguments=[pads, value])

    def zeros(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self.say("zeros", x, arguments=[shape])

    def to_float(self, x: Value) -> Value:
        return self.say("to_float", x)

    def one_hot(self, x: Value, size: int) -> Value:
        return self.say("one_hot", x, arguments=[size])

    def rows(self, x: Value, table: Value) -> Value:
        """Return the rows of a table that whole numbers name."""
        return self.say("rows", x, table)


rules = Rules("format 'numpy'")


@rules(L.Embedding)
def embedding(placed: Placed, f: Recorder) -> Any:
    """Look rows up."""
    del placed
    return lambda inputs, parts: f.rows(inputs[0], parts[0])


rules.adopt(evaluation, lambda formula: formula)


def record(graph: Graph, weights: Mapping[str, Array]) -> tuple[Recorder, list[int]]:
    """Return a net as a program, and which of its values are the outputs."""
    recorder = Recorder(len(graph.inputs))
    values = {node.name: Value(recorder, number) for number, node in enumerate(graph.inputs)}
    for placed in graph:
        formula: Formula = rules.find(placed.layer)
        inputs = tuple(values[source] for source in placed.sources)
        parts = tuple(
            recorder.array(full, weights[full])
            for full in (placed.weights[p] for p in placed.parts)
        )
        values[placed.name] = formula(placed, recorder)(inputs, parts)
    return recorder, [recorder.place(values[name].number) for name in graph.outputs]
