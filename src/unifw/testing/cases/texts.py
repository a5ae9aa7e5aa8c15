"""Nets that read series of tokens, and made-up texts for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from unifw import layers as L
from unifw.data import Data
from unifw.spec.graph import Graph, Input
from unifw.spec.symbol import Symbol

__all__ = ["TEXTS", "text"]

WORDS, TIME, CLASSES = 20, 8, 4


def text(rows: int) -> Data:
    """Return texts of different lengths: tokens, lengths, and the class, in which the last word counts most."""
    draw = np.random.RandomState(5)
    tokens = draw.randint(0, WORDS, (rows, TIME))
    lengths = draw.randint(1, TIME + 1, (rows, 1))
    last = np.take_along_axis(tokens, lengths - 1, axis=1)[:, 0]
    return Data((tokens, lengths), ((tokens[:, 0] // 10 + last // 5) % CLASSES,))


def lstm_classifier() -> Graph:
    """Return a classifier by two stacked bidirectional LSTMs."""
    tokens, lengths = Input(TIME, "int", name="tokens"), Input(1, "int", name="lengths")
    read = L.LSTM(12, bidirectional=True, layers=2)(L.Embedding(WORDS, 8)(tokens), lengths)
    return Graph([tokens, lengths], L.Dense(CLASSES)(read), "lstm-classifier")


def gru_classifier() -> Graph:
    """Return a classifier by a GRU and a SimpleRNN, one after the other."""
    tokens, lengths = Input(TIME, "int", name="tokens"), Input(1, "int", name="lengths")
    read = L.GRU(12, return_sequences=True)(L.Embedding(WORDS, 8)(tokens), lengths)
    read = L.SimpleRNN(12)(read, lengths)
    return Graph([tokens, lengths], L.Dense(CLASSES)(read), "gru-classifier")


def encoded(x: Symbol, heads: int) -> Symbol:
    """Return what a block of a transformer, normalised first, makes of a series."""
    size = x.shape[1]
    x = L.Add()(x, L.MultiHeadAttention(heads)(L.LayerNorm()(x)))
    inner = L.GELU()(L.Dense(2 * size)(L.LayerNorm()(x)))
    return L.Add()(x, L.Dense(size)(inner))


def transformer() -> Graph:
    """Return a small transformer; the length of each text is told by an embedding of its own."""
    tokens, lengths = Input(TIME, "int", name="tokens"), Input(1, "int", name="lengths")
    x = L.PositionalEmbedding(TIME)(L.Embedding(WORDS, 12)(tokens))
    for _ in range(2):
        x = encoded(x, 3)
    pooled = L.GlobalAvgPool()(L.Permute((2, 1))(L.LayerNorm()(x)))
    told = L.Flatten()(L.Embedding(TIME + 1, 12)(lengths))
    return Graph([tokens, lengths], L.Dense(CLASSES)(L.Add()(pooled, told)), "transformer")


TEXTS: Mapping[str, Graph] = MappingProxyType(
    {net.name: net for net in (lstm_classifier(), gru_classifier(), transformer())}
)
