"""Classifiers of texts: sequences of word indices."""

from __future__ import annotations

from collections.abc import Sequence

from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.spec.initializers import Normal
from unifw.spec.symbol import Symbol
from unifw.zoo.blocks import dense

__all__ = ["lstm_classifier", "text_cnn", "transformer_classifier"]


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
    windows = check.counts("windows", windows)
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


def lstm_classifier(  # noqa: PLR0913 - each with a default
    vocabulary: int,
    length: int,
    classes: int = 2,
    *,
    embedding: int = 128,
    units: int = 64,
    layers: int = 2,
    dropout: float = 0.0,
) -> Graph:
    """Return two bidirectional LSTMs, one above the other, as in Keras' example for IMDB.

    Inputs are ``tokens``, ``(n, length)`` indices below ``vocabulary``, and ``lengths``,
    ``(n, 1)``: how many of them are the text. What follows is not read.

    Parameters
    ----------
    vocabulary : int
        Number of words; tokens are indices below it.
    length : int
        Words in the longest text.
    classes : int
        Number of logits; default 2.
    embedding : int
        Length of a word's vector; default 128.
    units : int
        Of each LSTM, in each direction; default 64.
    layers : int
        LSTMs above each other; default 2.
    dropout : float
        Rate before the last layer; default 0.

    Notes
    -----
    ``vocabulary * 128 + 197,890`` parameters with the defaults.
    """
    tokens, lengths = Input(length, "int", name="tokens"), Input(1, "int", name="lengths")
    words = L.Embedding(vocabulary, embedding, name="words")(tokens)
    x = L.LSTM(units, bidirectional=True, layers=layers, name="lstm")(words, lengths)
    x = L.Dropout(dropout)(x)
    return Graph([tokens, lengths], L.Dense(classes, name="classes")(x), "lstm_classifier")


def transformer_classifier(  # noqa: PLR0913 - each with a default
    vocabulary: int,
    length: int,
    classes: int = 2,
    *,
    embedding: int = 32,
    heads: int = 2,
    hidden: int = 32,
    blocks: int = 1,
    units: int = 20,
    dropout: float = 0.1,
) -> Graph:
    """Return the encoder of a transformer (Vaswani et al., 2017) as in Keras' example for IMDB.

    Learnt positions, blocks that are normalised after each sum, and the mean over all words.

    Parameters
    ----------
    vocabulary : int
        Number of words; inputs are indices below it.
    length : int
        Words in a text; pad shorter ones with an index of your choice, which is read as a word.
    classes : int
        Number of logits; default 2.
    embedding : int
        Length of a word's vector; default 32. Each head compares as many numbers.
    heads : int
        Heads of the attention; default 2.
    hidden : int
        Units between the two dense layers of a block; default 32.
    blocks : int
        Default 1.
    units : int
        Of the dense layer before the last; default 20.
    dropout : float
        Rate in the blocks and before the last two dense layers; default 0.1.

    Notes
    -----
    ``(vocabulary + length) * 32 + 11,358`` parameters with the defaults.
    """
    blocks = check.count("blocks", blocks)
    start = Input(length, "int")
    # As small as the positions, which would be lost among words as large as Embedding makes them.
    x = L.Embedding(vocabulary, embedding, weight_init=Normal(0.0, 0.02), name="words")(start)
    x = L.PositionalEmbedding(length, name="positions")(x)
    for number in range(1, blocks + 1):
        x = _encoder(x, f"block{number}", heads, hidden, dropout)
    x = L.Dropout(dropout)(L.Mean(1)(x))
    x = L.Dropout(dropout)(dense(x, "dense", units, L.ReLU()))
    return Graph(start, L.Dense(classes, name="classes")(x), "transformer_classifier")


def _encoder(x: Symbol, name: str, heads: int, hidden: int, dropout: float) -> Symbol:
    size = x.shape[1]
    seen = L.MultiHeadAttention(heads, key_dim=size, name=f"{name}_attention")(x)
    x = L.LayerNorm(epsilon=1e-6, name=f"{name}_norm1")(x + L.Dropout(dropout)(seen))
    y = dense(x, f"{name}_hidden", hidden, L.ReLU())
    y = L.Dropout(dropout)(L.Dense(size, name=f"{name}_out")(y))
    return L.LayerNorm(epsilon=1e-6, name=f"{name}_norm2")(x + y)
