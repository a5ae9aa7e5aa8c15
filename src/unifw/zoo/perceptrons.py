"""Nets of dense layers: the multilayer perceptron and the autoencoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Input
from unifw.zoo.blocks import dense, flat

__all__ = ["autoencoder", "mlp"]


def mlp(
    classes: int = 10,
    input_shape: Any = (1, 28, 28),
    *,
    hidden: Sequence[int] = (512, 512),
    dropout: float = 0.2,
) -> Graph:
    """Return dense layers with ReLU and dropout: 784-512-512-10 as in Keras' MNIST example.

    Parameters
    ----------
    classes : int
        Number of logits; default 10.
    input_shape : int or tuple of int
        Default ``(1, 28, 28)``; flattened.
    hidden : sequence of int
        Units of the hidden layers; default ``(512, 512)``.
    dropout : float
        Rate after each hidden layer; default 0.2.

    Notes
    -----
    669,706 parameters.
    """
    hidden = check.counts("hidden", hidden)
    x = start = Input(input_shape)
    x = flat(x)
    for number, units in enumerate(hidden, 1):
        x = dense(x, f"hidden{number}", units, L.ReLU())
        x = L.Dropout(dropout)(x)
    return Graph(start, L.Dense(classes, name="classes")(x), "mlp")


def autoencoder(
    input_shape: Any = (1, 28, 28), *, hidden: Sequence[int] = (1000, 500, 250), code: int = 30
) -> Graph:
    """Return a deep autoencoder, 784-1000-500-250-30 and back (Hinton & Salakhutdinov, 2006).

    Sigmoid units but for the code, which is linear. The outputs are logits in the shape of the
    input, for ``"binary_cross_entropy"`` with the input (in [0, 1]) as its own target.

    Parameters
    ----------
    input_shape : int or tuple of int
        Default ``(1, 28, 28)``.
    hidden : sequence of int
        Units between input and code; the way back mirrors them. Default ``(1000, 500, 250)``.
    code : int
        Length of the code; default 30.

    Notes
    -----
    2,837,314 parameters. The paper trains it layer by layer first; with today's first weights and
    optimizers it trains as a whole.
    """
    hidden = check.counts("hidden", hidden)
    x = start = Input(input_shape)
    x = flat(x)
    for number, units in enumerate(hidden, 1):
        x = L.Sigmoid()(L.Dense(units, name=f"encoder{number}")(x))
    x = L.Dense(code, name="code")(x)
    for number, units in enumerate(reversed(hidden), 1):
        x = L.Sigmoid()(L.Dense(units, name=f"decoder{number}")(x))
    x = L.Dense(math.prod(start.shape), name="pixels")(x)
    return Graph(start, L.Reshape(start.shape)(x) if len(start.shape) > 1 else x, "autoencoder")
