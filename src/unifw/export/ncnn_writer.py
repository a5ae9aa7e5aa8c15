"""Gathers the layers of an ncnn net, and writes them as ``.param`` (text) and ``.bin`` (weights)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.spec.graph import Placed

__all__ = ["AXES", "Blob", "Node", "Writer", "canonical"]

Array = npt.NDArray[Any]
Dims = tuple[int, ...]

MAGIC = 7767517
AXES = 4  # that ncnn's tensors have at most; it has no batch


def canonical(shape: Dims) -> Dims:
    """Return the axes in which ncnn holds values of a shape, whose first axis, if it is 1, is the batch."""
    dims = (shape[1:] if shape[0] == 1 else shape) or (1,)
    spare = len(dims) - AXES
    return dims if spare <= 0 else (math.prod(dims[: spare + 1]), *dims[spare + 1 :])


@dataclass
class Node:
    """A layer of ncnn: its kind, name, blobs by name, parameters by number, and what the ``.bin`` has."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    params: Mapping[int, Any] = field(default_factory=dict)
    data: bytes = b""

    def __str__(self) -> str:
        told = [
            f"{key}={_told(value)}" for key, value in self.params.items() if not _several(value)
        ]
        # ncnn marks arrays by numbers below -23300.
        told += [
            f"{-23300 - key}={len(value)},{','.join(map(_told, value))}"
            for key, value in self.params.items()
            if _several(value)
        ]
        sizes = f"{len(self.inputs)} {len(self.outputs)}"
        return " ".join([self.kind, self.name, sizes, *self.inputs, *self.outputs, *told])


def _several(value: Any) -> bool:
    return isinstance(value, (tuple, list))


def _told(value: Any) -> str:
    return f"{value:.9e}" if isinstance(value, float) else str(int(value))


@dataclass
class Blob:
    """What a layer gives.

    Attributes
    ----------
    name : str
        Its name in the file.
    dims : tuple of int
        Its axes there, the outermost first.
    """

    name: str
    dims: Dims


@dataclass
class Writer:
    """Gathers layers.

    Attributes
    ----------
    weights : mapping of str to ndarray
        The net's weights by full name, in float32.
    """

    weights: Mapping[str, Array]
    nodes: list[Node] = field(default_factory=list)
    layer: str = ""
    _held: dict[tuple[Dims, bytes], Blob] = field(default_factory=dict)

    # -------------------------------------------------------------------- gathering

    def op(
        self,
        kind: str,
        inputs: Sequence[Blob],
        dims: Dims,
        params: Mapping[int, Any] | None = None,
        *,
        data: Sequence[tuple[bool, Array]] = (),
    ) -> Blob:
        """Add a layer and return what it gives.

        Parameters
        ----------
        kind : str
            Of the layer.
        inputs : sequence of Blob
            What it reads.
        dims : tuple of int
            The axes of what it gives.
        params : mapping of int to number or sequence
            Its parameters.
        data : sequence of (bool, ndarray)
            Its weights in ncnn's order, and for each whether ncnn looks for a mark of its type in front.
        """
        blob = Blob(f"b{len(self.nodes)}", dims)
        name = self.layer.encode()[:200].decode(errors="ignore")  # ncnn reads at most 255 bytes
        self.nodes.append(
            Node(
                kind, f"{name}/{kind}_{len(self.nodes)}", [x.name for x in inputs], [blob.name],
                params or {}, b"".join(_bytes(*held) for held in data),
            )
        )  # fmt: skip
        return blob

    def input(self, name: str, dims: Dims) -> Blob:
        """Add an input of the net."""
        self.nodes.append(Node("Input", name, [], [name], _sizes(dims)))
        return Blob(name, dims)

    def constant(self, array: Array, dims: Dims) -> Blob:
        """Return a constant, stored once for all layers that read it in these axes."""
        made = np.asarray(array, np.float32)
        key = (dims, made.tobytes())
        if key not in self._held:
            self._held[key] = self.op("MemoryData", [], dims, _sizes(dims), data=[(False, made)])
        return self._held[key]

    def reshaped(self, blob: Blob, dims: Dims) -> Blob:
        """Return a blob in other axes."""
        if blob.dims == dims:
            return blob
        return self.op("Reshape", [blob], dims, _sizes(dims))

    def weight(self, placed: Placed, part: str) -> Array:
        """Return a weight of a layer."""
        return self.weights[placed.weights[part]]

    # -------------------------------------------------------------------- writing

    def finish(self, outputs: Sequence[Blob]) -> tuple[str, bytes]:
        """Return both files; the net's outputs are called ``out0``, ``out1`` … there."""
        nodes = _joined(self.nodes, [blob.name for blob in outputs])
        blobs = sum(len(node.outputs) for node in nodes)
        lines = [str(MAGIC), f"{len(nodes)} {blobs}", *map(str, nodes)]
        return "\n".join(lines) + "\n", b"".join(node.data for node in nodes)


def _sizes(dims: Dims) -> dict[int, int]:
    """Return the parameters that tell of axes: 0 the width, 1 the height, 2 the channels, 11 the depth."""
    keys = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 11, 1, 0)}[len(dims)]
    return dict(sorted(zip(keys, dims, strict=True)))


def _bytes(marked: bool, array: Array) -> bytes:  # noqa: FBT001 - a pair taken apart
    return (bytes(4) if marked else b"") + np.asarray(array, "<f4").tobytes()


def _joined(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """Give outputs their names, and every reader of a blob one of its own, as ncnn wants it."""
    readers = Counter([*(name for node in nodes for name in node.inputs), *outputs])
    entries = {name for node in nodes if node.kind == "Input" for name in node.outputs}
    named = {name: f"out{place}" for place, name in enumerate(outputs)}
    split = {n for n, count in readers.items() if count > 1 or (n in entries and n in named)}
    taken: Counter[str] = Counter()

    def reading(name: str) -> str:
        if name not in split:
            return name
        taken[name] += 1
        return f"{name}_{taken[name] - 1}"

    found = []
    for node in nodes:
        if not any(name in readers for name in node.outputs) and node.kind != "Input":
            continue  # nobody wants it
        inputs = [reading(name) for name in node.inputs]
        gives = [n if n in split else named.get(n, n) for n in node.outputs]
        found.append(Node(node.kind, node.name, inputs, gives, node.params, node.data))
        found += [_split(n, readers[n]) for n in node.outputs if n in split]
    ends = {reading(name): f"out{place}" for place, name in enumerate(outputs) if name in split}
    for node in found:
        if node.kind == "Split":
            node.outputs = [ends.get(name, name) for name in node.outputs]
    return found


def _split(name: str, count: int) -> Node:
    return Node("Split", f"split_{name}", [name], [f"{name}_{place}" for place in range(count)])
