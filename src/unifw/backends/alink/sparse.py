"""``uf.zoo.wide`` on Alink: a linear model on sparse vectors, in which index and number make an entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw import zoo
from unifw.spec import layers as L
from unifw.spec.graph import Graph

__all__ = ["NAMES", "SparseRows", "is_wide"]

Array = npt.NDArray[Any]

# What a linear model calls its weights, and the net.
NAMES = {"weight": "wide.weight", "bias": "bias.weight"}


def is_wide(graph: Graph) -> bool:
    """Return whether it is a net as ``uf.zoo.wide`` makes them, whatever is said about its weights."""
    sizes = [p.layer.num_embeddings for p in graph if isinstance(p.layer, L.Embedding)]
    fields = graph.in_shapes[0]
    if len(sizes) != 1 or len(fields) != 1:
        return False
    return _structure(graph) == _structure(zoo.wide(sizes[0], fields[0]))


def _structure(graph: Graph) -> tuple[Any, ...]:
    nodes = [(node.name, _bare(node.layer), node.sources, node.owner) for node in graph.nodes]
    return graph.inputs, nodes, graph.outputs


def _bare(layer: Any) -> Any:
    if not isinstance(layer, (L.Embedding, L.PositionalEmbedding)):
        return layer
    return layer.replace(
        weight_init="zeros", weight_regularizer=None, weight_constraint=None, trainable=True
    )


@dataclass(frozen=True)
class SparseRows:
    """Rows by the indices and the numbers of their entries, each of shape ``(n, fields)``.

    Attributes
    ----------
    indices, numbers : ndarray
        As ``uf.sparse.padded`` makes them; those of one index are added up. A number of 0, as that of the
        padding, adds nothing to a logit: it is left out.
    size : int
        The length of a row written out, which the weights have too.
    """

    indices: Array
    numbers: Array
    size: int

    def __len__(self) -> int:
        return len(self.indices)

    def texts(self) -> Iterator[str]:
        """Give the rows as Alink writes sparse vectors: ``$6$2:0.5 4:1.0``."""
        rows = zip(self.indices.tolist(), self.numbers.astype(np.float64).tolist(), strict=True)
        for indices, numbers in rows:
            sums: dict[int, float] = {}
            for index, number in zip(indices, numbers, strict=True):
                if number:
                    sums[index] = sums.get(index, 0.0) + number
            entries = " ".join(f"{index}:{sums[index]!r}" for index in sorted(sums))
            yield f"${self.size}${entries}"
