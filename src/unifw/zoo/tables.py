"""Recommenders: nets for tables of categories and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.zoo.blocks import dense

__all__ = ["wide_and_deep"]


def wide_and_deep(
    vocabulary: int,
    fields: int,
    numbers: int = 0,
    *,
    embedding: int = 32,
    hidden: Sequence[int] = (1024, 512, 256),
) -> Graph:
    """Return Wide & Deep (Cheng et al., 2016): a linear model and a deep one, trained together.

    Inputs are ``fields``, ``(n, fields)`` indices below ``vocabulary``, and, if there are numbers,
    ``numbers``, ``(n, numbers)``. The fields share one vocabulary: give each an offset, so that
    value ``v`` of field ``f`` is ``offsets[f] + v``. Crossed features are fields like others. The
    output is one logit, for ``"binary_cross_entropy"``.

    Parameters
    ----------
    vocabulary : int
        Values of all fields together.
    fields : int
        Number of fields.
    numbers : int
        How many numbers come with them; default 0.
    embedding : int
        Length of a value's vector in the deep part; default 32.
    hidden : sequence of int
        Units of the deep part; default ``(1024, 512, 256)``.

    Notes
    -----
    The wide part has a weight for each value (``wide.weight``) and takes the mean over the fields:
    the sum of a linear model but for the scale of those weights.
    """
    indices = Input(fields, "int", name="fields")
    inputs = [indices]
    vectors = L.Embedding(vocabulary, embedding, weight_init="normal", name="deep")(indices)
    x = L.Flatten()(vectors)
    linear = L.Embedding(vocabulary, 1, weight_init="zeros", name="wide")(indices)
    wide = [L.GlobalAvgPool()(L.Permute((2, 1))(linear))]
    if check.count("numbers", numbers, least=0):
        given = Input(numbers, name="numbers")
        inputs.append(given)
        x = L.Concatenate()(x, given)
        wide.append(L.Dense(1, bias=False, weight_init="zeros", name="wide_numbers")(given))
    for number, units in enumerate(hidden, 1):
        x = dense(x, f"hidden{number}", units, L.ReLU())
    return Graph(inputs, L.Add()(L.Dense(1, name="logit")(x), *wide), "wide_and_deep")
