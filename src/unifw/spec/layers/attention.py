"""Attention, and what tells it the order of a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError, SpecError
from unifw.spec import check
from unifw.spec.initializers import Normal
from unifw.spec.layers.base import Layer, Part, Shape
from unifw.spec.layers.weighted import Biased, Weighted

__all__ = ["MultiHeadAttention", "PositionalEmbedding", "SinusoidalPositions"]


@dataclass(frozen=True, repr=False)
class MultiHeadAttention(Biased):
    """Scaled dot-product attention by several heads (Vaswani et al., 2017).

    For each head ``softmax(q @ k.T / sqrt(key_dim)) @ v`` with ``q = query @ query_weight + query_bias``, and
    ``k`` and ``v`` likewise; the heads beside each other, ``@ output_weight + output_bias``.

    Parameters
    ----------
    heads : int
        How many.
    key_dim : int, optional
        Numbers by which a head compares; the query's features over ``heads`` when left out.
    value_dim : int, optional
        Numbers that a head gives; ``key_dim`` when left out.
    bias : bool
        Whether to add biases; default ``True``.
    causal : bool
        Whether a position sees only itself and those before it; default ``False``.
    masked : bool
        Whether the last input is a mask of whole numbers: 1 where a position may be seen, else 0. Its shape
        is ``(time_keys,)``, the same for all queries, or ``(time_queries, time_keys)``. A query that may see
        nothing gets the mean of all values, also of later ones if ``causal``: so pad series at their end.
        Default ``False``.
    weight_init, bias_init : str or Initializer
        How the weights begin; default ``"glorot_uniform"`` and ``"zeros"``.
    weight_regularizer, bias_regularizer : str or Regularizer, optional
        What the weights add to the training loss, all four alike.
    weight_constraint, bias_constraint : str or Constraint, optional
        What the weights are turned into after each step, all four alike.

    Notes
    -----
    Called on ``x`` (self-attention), on ``query, value``, or on ``query, value, key`` (the key is the value
    when left out), each ``(time, features)``, and on the mask after them if ``masked``. Gives
    ``(time_queries, features_query)``.

    Weights: ``query_weight`` ``(features, heads * key_dim)``, ``key_weight`` ``(features_key, heads *
    key_dim)``, ``value_weight`` ``(features_value, heads * value_dim)``, ``output_weight`` ``(heads *
    value_dim, features)``, and, unless ``bias=False``, ``query_bias``, ``key_bias``, ``value_bias``,
    ``output_bias`` in the length of their last axis.
    """

    arity = (1, 4)

    heads: int
    key_dim: int | None = None
    value_dim: int | None = None
    bias: bool = True
    causal: bool = False
    masked: bool = False
    weight_init: Any = "glorot_uniform"
    bias_init: Any = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        flags = ("bias", "causal", "masked")
        self.normalise(
            heads=check.count("heads", self.heads),
            **{name: check.flag(name, getattr(self, name)) for name in flags},
        )
        for name in ("key_dim", "value_dim"):
            if getattr(self, name) is not None:
                self.normalise(**{name: check.count(name, getattr(self, name))})

    def reads(self, count: int) -> tuple[str, ...]:
        least, most = (2, 4) if self.masked else (1, 3)
        if not least <= count <= most:
            forms = "x; query, value; or query, value, key"
            after = ", and the mask after them" if self.masked else " (masked=True adds a mask)"
            message = f"{self!r} takes {forms}{after}; got {count} input(s)"
            raise SpecError(message)
        return ("float",) * (count - self.masked) + ("int",) * self.masked

    def series(self, *shapes: Shape) -> tuple[Shape, Shape, Shape]:
        """Return the shapes of query, key and value."""
        given = shapes[: len(shapes) - self.masked]
        query, value = given[0], given[min(1, len(given) - 1)]
        return query, given[2] if len(given) > 2 else value, value

    def sizes(self, *shapes: Shape) -> tuple[int, int]:
        """Return how many numbers a head compares by, and how many it gives."""
        size = self.key_dim or shapes[0][1] // self.heads
        return size, self.value_dim or size

    def out_shape(self, *shapes: Shape) -> Shape:
        query, key, value = self.series(*shapes)
        for what, shape in (("query", query), ("value", value), ("key", key)):
            if len(shape) != 2:
                message = f"needs a {what} of shape (time, features), got {shape}"
                raise ShapeError(message)
        if key[0] != value[0]:
            message = f"needs as many keys as values, got {key[0]} and {value[0]}"
            raise ShapeError(message)
        if self.key_dim is None and query[1] % self.heads:
            message = (
                f"{query[1]} features cannot be shared out among heads={self.heads}; "
                "choose another number of heads, or give key_dim"
            )
            raise ShapeError(message)
        if self.causal and query[0] != key[0]:
            message = f"causal=True needs as many keys as queries, got {key[0]} and {query[0]}"
            raise ShapeError(message)
        fitting = ((key[0],), (query[0], key[0]))
        if self.masked and shapes[-1] not in fitting:
            message = f"needs a mask of shape {fitting[0]} or {fitting[1]}, got {shapes[-1]}"
            raise ShapeError(message)
        return query

    def index_limit(self, place: int, *shapes: Shape) -> int | None:
        return 2 if self.masked and place == len(shapes) - 1 else None

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        query, key, value = self.series(*shapes)
        keys, values = (self.heads * size for size in self.sizes(*shapes))
        widths = {
            "query": (query[1], keys),
            "key": (key[1], keys),
            "value": (value[1], values),
            "output": (values, query[1]),
        }
        parts = {
            f"{name}_weight": self.part("weight", size, size, (0,)) for name, size in widths.items()
        }
        if self.bias:
            parts |= {f"{n}_bias": self.part("bias", s[1:], s, (0,)) for n, s in widths.items()}
        return parts


def _series(shape: Shape) -> Shape:
    if len(shape) != 2:
        message = f"needs a series of shape (time, features), got {shape}"
        raise ShapeError(message)
    return shape


@dataclass(frozen=True, repr=False)
class PositionalEmbedding(Weighted):
    """``x + weight[:time]``: adds a learnt row to each position (Gehring et al., 2017).

    Parameters
    ----------
    length : int
        Rows of the table: the longest series it serves.
    weight_init : str or Initializer
        How the table begins; default ``Normal(0, 0.02)`` as in GPT-2.
    weight_regularizer, weight_constraint : optional
        As of ``Embedding``; a norm is that of a row.

    Notes
    -----
    The shape, ``(time, features)``, stays. Weight: ``weight`` ``(length, features)``.
    """

    length: int
    weight_init: Any = Normal(0.0, 0.02)  # noqa: RUF009 - a frozen value

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(length=check.count("length", self.length))

    def out_shape(self, *shapes: Shape) -> Shape:
        if _series(shapes[0])[0] > self.length:
            message = f"has rows for length={self.length} positions, fewer than in {shapes[0]}"
            raise ShapeError(message)
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        size = (self.length, shapes[0][1])
        return {"weight": self.part("weight", size, size, (1,))}


@dataclass(frozen=True, repr=False)
class SinusoidalPositions(Layer):
    """Adds waves that tell the positions apart (Vaswani et al., 2017); nothing is learnt.

    ``x[t, 2 i] + sin(t / base^(2 i / features))``, ``x[t, 2 i + 1] + cos(t / base^(2 i / features))``.

    Parameters
    ----------
    base : float
        Of the wave lengths, ``2 pi … 2 pi base``; default 10000.

    Notes
    -----
    The shape, ``(time, features)``, stays.
    """

    base: float = 10000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(base=check.number("base", self.base, least=1, open_=True))

    def out_shape(self, *shapes: Shape) -> Shape:
        return _series(shapes[0])
