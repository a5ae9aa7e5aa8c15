"""Layers that multiply or look up a matrix: Dense and Embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.initializers import Normal
from unifw.spec.layers.base import Part, Shape
from unifw.spec.layers.weighted import Biased, Weighted

__all__ = ["Dense", "Embedding"]


@dataclass(frozen=True, repr=False)
class Dense(Biased):
    """``y = x @ weight + bias`` over the last axis.

    Parameters
    ----------
    units : int
        Size of the last axis of the output.
    bias : bool
        Whether to add a bias; default ``True``.
    weight_init, bias_init : str or Initializer
        How the weights begin; default ``"glorot_uniform"`` and ``"zeros"``.
    weight_regularizer, bias_regularizer : str or Regularizer, optional
        What the weights add to the training loss: ``"l1"``, ``"l2"``, ``L2(0.001)`` …
    weight_constraint, bias_constraint : str or Constraint, optional
        What the weights are turned into after each step: ``"non_neg"``, ``MaxNorm(2)`` …

    Notes
    -----
    ``(..., in) -> (..., units)``. Weights: ``weight`` ``(in, units)``, ``bias`` ``(units,)``.
    """

    units: int
    bias: bool = True
    weight_init: Any = "glorot_uniform"
    bias_init: Any = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(units=check.count("units", self.units), bias=check.flag("bias", self.bias))

    def out_shape(self, *shapes: Shape) -> Shape:
        if not shapes[0]:
            message = "needs at least one axis besides the batch; use input_shape=(1,)"
            raise ShapeError(message)
        return (*shapes[0][:-1], self.units)

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        fan_in = shapes[0][-1]
        fans = (fan_in, self.units)
        parts = {"weight": self.part("weight", (fan_in, self.units), fans, (0,))}
        if self.bias:
            parts["bias"] = self.part("bias", (self.units,), fans, (0,))
        return parts


@dataclass(frozen=True, repr=False)
class Embedding(Weighted):
    """Replaces each index by a row of a table.

    Parameters
    ----------
    num_embeddings : int
        Number of rows; indices lie in ``[0, num_embeddings)``.
    embedding_dim : int
        Length of a row.
    weight_init : str or Initializer
        How the table begins; default ``Normal(0, 1)`` as in PyTorch.
    weight_regularizer : str or Regularizer, optional
        What the whole table adds to the training loss: ``"l1"``, ``"l2"``, ``L2(0.001)`` …
    weight_constraint : str or Constraint, optional
        What the table is turned into after each step: ``"non_neg"``, ``UnitNorm()`` …

    Notes
    -----
    ``(...) int -> (..., embedding_dim)``. Weight: ``weight`` ``(num_embeddings, embedding_dim)``.
    """

    takes = "int"

    num_embeddings: int
    embedding_dim: int
    weight_init: Any = Normal(0.0, 1.0)  # noqa: RUF009 - a frozen value

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            num_embeddings=check.count("num_embeddings", self.num_embeddings),
            embedding_dim=check.count("embedding_dim", self.embedding_dim),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        return (*shapes[0], self.embedding_dim)

    def index_limit(self, place: int, *shapes: Shape) -> int | None:
        del place, shapes
        return self.num_embeddings

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        del shapes
        size = (self.num_embeddings, self.embedding_dim)
        return {"weight": self.part("weight", size, size, (1,))}
