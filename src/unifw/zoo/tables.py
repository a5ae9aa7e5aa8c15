"""Recommenders: nets for tables of categories and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import dense

__all__ = ["deepfm", "wide", "wide_and_deep"]


def wide(vocabulary: int, fields: int) -> Graph:
    """Return sparse logistic regression: the logit is the bias and the sum of ``values * weights[fields]``.

    Inputs are ``fields``, ``(n, fields)`` indices below ``vocabulary``, and ``values``, ``(n, fields)``: the
    numbers in those columns, as ``unifw.sparse.padded`` makes them of a sparse matrix. The output is one
    logit, for ``"binary_cross_entropy"``, or any number, for ``"mse"``.

    Parameters
    ----------
    vocabulary : int
        Columns of the matrix, and one for padding.
    fields : int
        The most numbers in a row.

    Notes
    -----
    Weights: ``wide.weight`` ``(vocabulary, 1)`` and ``bias.weight`` ``(1, 1)``, all zero at first.
    """
    inputs, given = _sparse(fields, values=True)
    sums = L.Sum(1, keepdims=True)(_looked_up(vocabulary, 1, "zeros", "wide", inputs[0], given))
    # A row that is added to the only position is a bias.
    biased = L.PositionalEmbedding(1, weight_init="zeros", name="bias")(sums)
    return Graph(inputs, L.Flatten()(biased), "wide")


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
    """
    hidden = check.counts("hidden", hidden)
    inputs, _, x, linear = _read(vocabulary, fields, numbers, embedding, values=False)
    x = _deep(x, hidden)
    return Graph(inputs, L.Add()(L.Dense(1, name="logit")(x), *linear), "wide_and_deep")


def deepfm(  # noqa: PLR0913 - each with a default
    vocabulary: int,
    fields: int,
    numbers: int = 0,
    *,
    embedding: int = 10,
    hidden: Sequence[int] = (400, 400, 400),
    dropout: float = 0.5,
    values: bool = False,
) -> Graph:
    """Return DeepFM (Guo et al., 2017): a factorisation machine and a deep net that share vectors.

    Inputs and output are those of ``wide_and_deep``. Each two fields meet in the product of their
    vectors; the sum over all pairs is ``sum((sum of vectors)^2 - sum of vectors^2) / 2``.

    Parameters
    ----------
    vocabulary, fields, numbers : int
        As for ``wide_and_deep``.
    embedding : int
        Length of a value's vector; default 10.
    hidden : sequence of int
        Units of the deep part; default ``(400, 400, 400)``.
    dropout : float
        Rate after each of its layers; default 0.5.
    values : bool
        Whether there is an input ``values``, ``(n, fields)``, by which vectors and weights are multiplied, as
        for ``wide``; default ``False``: all are 1.

    Notes
    -----
    Numbers go into the linear and the deep part; they have no vectors. To let them meet fields,
    make fields of them: intervals.
    """
    hidden = check.counts("hidden", hidden)
    inputs, vectors, x, linear = _read(vocabulary, fields, numbers, embedding, values=values)
    pairs = (L.Sum(1)(vectors) ** 2 - L.Sum(1)(vectors**2)) / 2
    x = _deep(x, hidden, dropout)
    met = L.Sum(1, keepdims=True)(pairs)
    return Graph(inputs, L.Add()(L.Dense(1, name="logit")(x), met, *linear), "deepfm")


def _sparse(fields: int, *, values: bool) -> tuple[list[Symbol], Symbol | None]:
    """Return the inputs, and the values in a column, if there are any."""
    indices = Input(fields, "int", name="fields")
    if not check.flag("values", values):
        return [indices], None
    given = Input(fields, name="values")
    return [indices, given], L.Reshape((fields, 1))(given)


def _looked_up(  # noqa: PLR0913 - a table, and what is looked up in it
    vocabulary: int, size: int, begin: str, name: str, indices: Symbol, values: Symbol | None
) -> Symbol:
    rows: Symbol = L.Embedding(vocabulary, size, weight_init=begin, name=name)(indices)
    return rows if values is None else rows * values


def _read(
    vocabulary: int, fields: int, numbers: int, embedding: int, *, values: bool
) -> tuple[list[Symbol], Symbol, Symbol, list[Symbol]]:
    """Return the inputs, the fields' vectors, all that goes into the deep part, and linear sums."""
    inputs, scaled = _sparse(fields, values=values)
    vectors = _looked_up(vocabulary, embedding, "normal", "deep", inputs[0], scaled)
    weights = _looked_up(vocabulary, 1, "zeros", "wide", inputs[0], scaled)
    x, linear = L.Flatten()(vectors), [L.Sum(1)(weights)]
    if check.count("numbers", numbers, least=0):
        given = Input(numbers, name="numbers")
        inputs.append(given)
        x = L.Concatenate()(x, given)
        linear.append(L.Dense(1, bias=False, weight_init="zeros", name="wide_numbers")(given))
    return inputs, vectors, x, linear


def _deep(x: Symbol, hidden: Sequence[int], dropout: float = 0.0) -> Symbol:
    for number, units in enumerate(hidden, 1):
        x = dense(x, f"hidden{number}", units, L.ReLU())
        x = L.Dropout(dropout)(x) if dropout else x
    return x
