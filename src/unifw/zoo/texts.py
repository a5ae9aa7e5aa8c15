"""Classifiers of texts: sequences of word indices."""

from __future__ import annotations

from collections.abc import Sequence

from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input

__all__ = ["text_cnn"]


def text_cnn(  # noqa: PLR0913 - each with a default
    vocabulary: int,
    length: int,
    classes: int = 2,
    *,
    embedding: int = 300,
    filters: int = 100,
    windows: Sequence[int] = (3, 4, 5),
    dropout: float = 0.5,
) -> Graph:
    """Return Kim's convolutional net for sentences (2014): windows of words, the strongest of each.

    Parameters
    ----------
    vocabulary : int
        Number of words; inputs are indices below it.
    length : int
        Words in a text; pad shorter ones with an index of your choice.
    classes : int
        Number of logits; default 2.
    embedding : int
        Length of a word's vector; default 300.
    filters : int
        Filters of each window; default 100.
    windows : sequence of int
        Words that a filter sees; default 3, 4 and 5.
    dropout : float
        Rate before the last layer; default 0.5.

    Notes
    -----
    ``vocabulary * 300 + 360,902`` parameters with the defaults. To begin with word vectors that
    were learnt elsewhere, set ``words.weight`` in ``uf.Model(..., weights=)``.
    """
    start = Input(length, "int")
    words = L.Embedding(vocabulary, embedding, name="words")(start)
    series = L.Permute((2, 1))(words)
    strongest = [
        L.GlobalMaxPool()(
            L.ReLU()(L.Conv1D(filters, w, weight_init="he_normal", name=f"window{w}")(series))
        )
        for w in windows
    ]
    x = L.Concatenate()(*strongest) if len(strongest) > 1 else strongest[0]
    x = L.Dropout(dropout)(x)
    return Graph(start, L.Dense(classes, name="classes")(x), "text_cnn")
