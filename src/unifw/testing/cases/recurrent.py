"""Recurrent layers, on short series."""

from __future__ import annotations

from unifw import layers as L
from unifw.testing.cases.kinds import LayerCase, unary

__all__ = ["CASES"]

TEXT = (5, 3)


def measured(name: str, layer: L.Layer, lengths: tuple[int, ...] = (1,)) -> LayerCase:
    """Return the case of a layer on series of different lengths."""
    return LayerCase(name, layer, (TEXT, lengths), ("normal", "lengths"))


CASES: tuple[LayerCase, ...] = (
    unary("simple-rnn", L.SimpleRNN(4), TEXT),
    unary("simple-rnn-relu", L.SimpleRNN(4, activation="relu", return_sequences=True), TEXT),
    unary("simple-rnn-one-step", L.SimpleRNN(4), (1, 3)),
    measured("simple-rnn-lengths", L.SimpleRNN(4, bidirectional=True, return_sequences=True)),
    unary("simple-rnn-plain-stacked", L.SimpleRNN(4, layers=2, bias=False, reverse=True), TEXT),
    unary("lstm", L.LSTM(4), TEXT),
    unary("lstm-one-step", L.LSTM(4, return_sequences=True), (1, 3)),
    unary("lstm-sequences", L.LSTM(4, return_sequences=True, bias=False), TEXT),
    unary("lstm-reverse", L.LSTM(4, return_sequences=True, reverse=True), TEXT),
    unary("lstm-reverse-last", L.LSTM(4, reverse=True), TEXT),
    unary("lstm-bidirectional", L.LSTM(3, bidirectional=True), TEXT),
    unary("lstm-stacked", L.LSTM(3, layers=2, bidirectional=True, return_sequences=True), TEXT),
    measured("lstm-lengths", L.LSTM(4), ()),
    measured("lstm-lengths-sequences", L.LSTM(4, return_sequences=True)),
    measured("lstm-lengths-reverse", L.LSTM(4, return_sequences=True, reverse=True)),
    measured("lstm-lengths-stacked", L.LSTM(3, layers=2, bidirectional=True)),
    unary("gru", L.GRU(4), TEXT),
    unary("gru-sequences", L.GRU(4, return_sequences=True, bias=False), TEXT),
    unary("gru-reverse", L.GRU(4, reverse=True), TEXT),
    unary("gru-stacked", L.GRU(3, layers=2, bidirectional=True, return_sequences=True), TEXT),
    measured("gru-lengths", L.GRU(4, return_sequences=True)),
    measured("gru-lengths-stacked", L.GRU(3, layers=2, bidirectional=True), ()),
)
