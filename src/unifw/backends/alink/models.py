"""Neutral weights as models of Alink's, and back.

A tanh becomes a sigmoid by ``tanh(z) = 2 * sigmoid(2 * z) - 1``: the weights before it are doubled, those
behind it too, and its constant goes into their bias. Both ways are exact but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.alink.shapes import Kind, Shape
from unifw.backends.alink.tables import ModelTable
from unifw.errors import BackendError
from unifw.weights import Arrays

__all__ = ["ones_first", "predicting", "starting", "trained"]

Array = npt.NDArray[Any]
Layers = list[tuple[Array, Array]]


def starting(
    shape: Shape, weights: Mapping[str, Array], classes: Sequence[int], *, ones: bool
) -> ModelTable:
    """Return the model from which training begins.

    Parameters
    ----------
    shape : Shape
        The net.
    weights : mapping of str to array
        Its weights.
    classes : sequence of int
        The order in which Alink will have the classes of an MLP.
    ones : bool
        Whether the inputs begin with a column of ones, to which the bias belongs (see ``ones_first``).
    """
    layers = _folded(shape, weights)
    if shape.kind is Kind.MLP:
        weight, bias = layers[-1]
        layers[-1] = (weight[:, list(classes)], bias[list(classes)])
        return _mlp(shape.layers, layers, classes)
    weight, bias = layers[0]
    if shape.kind is Kind.SOFTMAX:
        # Alink's last class has a logit of 0: what all have in common changes nothing.
        weight, bias = (weight - weight[:, -1:])[:, :-1], (bias - bias[-1:])[:-1]
        return _linear("softmax", None, weight, bias, classes, intercept=shape.has_bias)
    if shape.kind is Kind.LOGISTIC:
        return _linear("Logistic Regression", "LR", weight, bias, (1, 0), intercept=shape.has_bias)
    if ones:
        weight = np.concatenate([bias[None], weight])
    return _regression(weight, bias, intercept=shape.has_bias and not ones)


def trained(shape: Shape, model: ModelTable, before: Mapping[str, Array], *, ones: bool) -> Arrays:
    """Return the weights of a model that was trained from ``before``; the arguments are as above.

    Raises
    ------
    BackendError
        If Alink gave numbers that are none.
    """
    numbers = _numbers(shape, model)
    if not np.isfinite(numbers).all():
        message = "Alink's training ended in weights that are not finite; the model is as before it"
        raise BackendError(message)
    if shape.kind is Kind.MLP:
        return _unfolded(
            shape, _in_order(_cut(numbers, shape.layers), list(map(int, model.labels)))
        )
    inputs, outputs = shape.layers
    columns = numbers.reshape(outputs - 1 if shape.kind is Kind.SOFTMAX else 1, -1).T
    bias = columns[0] if shape.has_bias else np.zeros(columns.shape[1])
    weight = columns[-inputs:]
    if shape.kind is Kind.SOFTMAX:
        # The last class is left where it was, and the others keep their distance to it.
        names = shape.names[-1]
        last = [np.asarray(before[names[part]], np.float64)[..., -1:] for part in names]
        weight = np.concatenate([weight, np.zeros((inputs, 1))], axis=1) + last[0]
        if shape.has_bias:
            bias = np.concatenate([bias, [0.0]]) + last[1]
    return _unfolded(shape, [(weight, bias)])


def predicting(shape: Shape, weights: Mapping[str, Array]) -> ModelTable:
    """Return the model that predicts: a linear one, or a classifier with one more class, of logit 0.

    A softmax only tells how the classes stand to each other; beside a class of logit 0, the logarithm of the
    ratio to its probability is the logit itself.
    """
    layers = _folded(shape, weights)
    weight, bias = layers[-1]
    if shape.kind in (Kind.LINEAR, Kind.LOGISTIC):
        return _regression(weight, bias, intercept=shape.has_bias)
    classes = range(shape.units + 1)
    if shape.kind is Kind.SOFTMAX:
        return _linear("softmax", None, weight, bias, classes, intercept=shape.has_bias)
    layers[-1] = (np.pad(weight, ((0, 0), (0, 1))), np.pad(bias, (0, 1)))
    return _mlp([*shape.layers[:-1], shape.units + 1], layers, classes)


def ones_first(x: Array) -> Array:
    """Return vectors that begin with a one."""
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


# ------------------------------------------------------------------------ Alink's two kinds of tables


def _mlp(sizes: Sequence[int], layers: Layers, classes: Sequence[int]) -> ModelTable:
    meta = {"vectorCol": "x", "isVectorInput": True, "layers": list(sizes), "featureCols": None}
    flat = np.concatenate([part.reshape(-1) for layer in layers for part in layer])
    return ModelTable(meta, {"data": flat.tolist()}, tuple(map(str, classes)))


def _linear(  # noqa: PLR0913 - what Alink keeps of a linear model
    name: str,
    kind: str | None,
    weight: Array,
    bias: Array,
    classes: Sequence[int],
    *,
    intercept: bool,
) -> ModelTable:
    meta = {
        "hasInterceptItem": intercept, "modelName": name, "linearModelType": kind, "labelCol": "y",
        "vectorCol": "x", "vectorSize": len(weight),
    }  # fmt: skip
    rows = np.concatenate([bias[None], weight]) if intercept else weight
    data = {
        "featureColNames": None, "featureColTypes": None, "coefVectors": None, "convergenceInfo": None,
        "coefVector": {"data": rows.T.reshape(-1).tolist()},
    }  # fmt: skip
    return ModelTable(meta, data, tuple(map(str, classes)), "BIGINT" if classes else "DOUBLE")


def _regression(weight: Array, bias: Array, *, intercept: bool) -> ModelTable:
    return _linear("Linear Regression", "LinearReg", weight, bias, (), intercept=intercept)


def _numbers(shape: Shape, model: ModelTable) -> Array:
    found = model.data["data"] if shape.kind is Kind.MLP else model.data["coefVector"]["data"]
    return np.array(found, np.float64)


def _cut(numbers: Array, sizes: Sequence[int]) -> Layers:
    layers, start = [], 0
    for width, height in pairwise(sizes):
        middle, end = start + width * height, start + (width + 1) * height
        layers.append((numbers[start:middle].reshape(width, height), numbers[middle:end]))
        start = end
    return layers


def _in_order(layers: Layers, classes: Sequence[int]) -> Layers:
    """Return the layers with the last one's columns in the order of the classes."""
    weight, bias = layers[-1]
    places = np.argsort(classes)
    return [*layers[:-1], (weight[:, places], bias[places])]


# ------------------------------------------------------------------------ tanh


def _folded(shape: Shape, weights: Mapping[str, Array]) -> Layers:
    layers = []
    for names in shape.names:
        weight = np.asarray(weights[names["weight"]], np.float64)
        bias = weights[names["bias"]] if "bias" in names else np.zeros(weight.shape[1])
        # The bias of a sparse net is a table of one row.
        layers.append((weight, np.asarray(bias, np.float64).reshape(-1)))
    for place, is_tanh in enumerate(shape.folded):
        if is_tanh:
            (weight, bias), (after, shift) = layers[place], layers[place + 1]
            layers[place] = (2 * weight, 2 * bias)
            layers[place + 1] = (2 * after, shift - after.sum(axis=0))
    return layers


def _unfolded(shape: Shape, layers: Layers) -> Arrays:
    for place, is_tanh in reversed(list(enumerate(shape.folded))):
        if is_tanh:
            (weight, bias), (after, shift) = layers[place], layers[place + 1]
            layers[place] = (weight / 2, bias / 2)
            layers[place + 1] = (after / 2, shift + after.sum(axis=0) / 2)
    found = {}
    for names, (weight, bias) in zip(shape.names, layers, strict=True):
        found[names["weight"]] = weight
        if "bias" in names:
            found[names["bias"]] = bias[None] if shape.sparse else bias
    return found
