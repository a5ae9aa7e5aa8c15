"""Gathers the nodes and constants of an ONNX graph, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec.graph import Placed

__all__ = ["Writer"]

Array = npt.NDArray[Any]


@dataclass
class Writer:
    """Gathers the nodes and constants of a graph.

    Attributes
    ----------
    weights : mapping of str to ndarray
        The net's weights by full name, under which they are stored in the file, once each.
    opset : int
        Version of the operators.
    """

    weights: Mapping[str, Array]
    opset: int
    nodes: list[dict[str, Any]] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    layer: str = ""

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        (output,) = self.node(kind, inputs, 1, **attributes)
        return output

    def node(
        self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node and return the names of so many outputs; an input named ``""`` is left out."""
        number = sum(1 for node in self.nodes if node["layer"] == self.layer)
        name = f"{self.layer}/{kind}" + (f"_{number}" if number else "")
        names = (name, *(f"{name}.{place}" for place in range(1, outputs)))
        self.nodes.append(
            {"layer": self.layer, "kind": kind, "inputs": list(inputs), "outputs": list(names),
             "attributes": attributes}
        )  # fmt: skip
        return names

    def weight(self, placed: Placed, part: str) -> str:
        """Return the name of a weight of a layer, storing it."""
        full = placed.weights[part]
        self.constants[full] = _floats(self.weights[full])
        return full

    def derived(self, placed: Placed, name: str, value: Array) -> str:
        """Store what is made of a layer's weights, once for all that share them; return its name."""
        full = f"{placed.owner}.{name}"
        self.constants[full] = _floats(value)
        return full

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Store a constant of this layer and return its name."""
        full = f"{self.layer}/{name}"
        self.constants[full] = np.array(value, dtype=dtype)
        return full

    def ints(self, name: str, values: Sequence[int]) -> str:
        """Store whole numbers and return their name."""
        return self.constant(name, values, np.int64)

    def number(self, value: float) -> str:
        """Store a number, once each, and return its name."""
        return self.array(np.float32(value))

    def array(self, value: Any, dtype: Any = np.float32) -> str:
        """Store a constant of any layer, once each, and return its name."""
        made = np.array(value, dtype=dtype)
        for name, held in self.constants.items():
            if (
                name.startswith("constant")
                and held.dtype == made.dtype
                and np.array_equal(held, made)
            ):
                return name
        name = f"constant_{len(self.constants)}"
        self.constants[name] = made
        return name

    def whole(self, values: Sequence[int]) -> str:
        """Store whole numbers, once each, and return their name."""
        return self.array(values, np.int64)


def _floats(array: Array) -> Array:
    # In C order; not np.ascontiguousarray, which turns scalars into vectors.
    return np.array(array, dtype=np.float32, order="C")
