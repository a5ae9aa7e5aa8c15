"""How a model is judged: losses and metrics, from words or values, checked against the net's outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from unifw.arrays import batched
from unifw.errors import DataError, SpecError
from unifw.spec import check, layers
from unifw.spec.graph import Graph
from unifw.spec.layers.conv import Conv
from unifw.spec.losses import Loss, Outputs, Targets, loss
from unifw.spec.metrics import Metric, metric

__all__ = [
    "check_comparable",
    "check_metrics",
    "last_layer",
    "loss_weights_of",
    "losses_of",
    "metrics_of",
]


# What gives numbers of any size and sign: there the loss of a log-probability has no lower end, and the
# logarithm of a rate is not a number. And what to do about it.
_RAW = (
    layers.Dense, Conv, layers.BatchNorm, layers.LayerNorm, layers.RMSNorm, layers.GroupNorm,
    layers.InstanceNorm, layers.SimpleRNN, layers.LSTM, layers.GRU, layers.MultiHeadAttention,
)  # fmt: skip
_MENDS = {
    Outputs.LOG_PROBABILITIES: "add LogSoftmax to the end, or use a loss that takes logits",
    Outputs.RATES: "add Softplus to the end, or use Poisson(log_input=True)",
}


def _by_output(net: Graph, given: Any, what: str) -> list[Any]:
    """Spread what was given by dict, by list, or once for all, over the net's outputs."""
    if isinstance(given, Mapping):
        if set(given) != set(net.outputs):
            names = sorted(map(str, given))
            message = f"{what} names {names}, the net's outputs are {list(net.outputs)}"
            raise SpecError(message)
        return [given[name] for name in net.outputs]
    return [given] * len(net.outputs)


def losses_of(net: Graph, given: Any) -> tuple[Loss, ...]:
    """Return one loss per output, from a word or value for all, a list by output, or a dict by name.

    Raises
    ------
    SpecError
        If a loss does not go with its output: its shape, or the layer it ends in.
    """
    if given is None:
        return ()
    if isinstance(given, (list, tuple)):
        if len(given) != len(net.outputs):
            message = f"{len(given)} losses for {len(net.outputs)} outputs {list(net.outputs)}"
            raise SpecError(message)
        spread = list(given)
    else:
        spread = _by_output(net, given, "loss")
    losses = tuple(map(loss, spread))
    for name, shape, rule in zip(net.outputs, net.out_shapes, losses, strict=True):
        _check_loss(net, name, shape, rule)
    return losses


def loss_weights_of(net: Graph, losses: tuple[Loss, ...], given: Any) -> tuple[float, ...]:
    """Return what each loss counts in their sum, from a list or a dict; empty when left out."""
    if given is None:
        return ()
    if not losses:
        message = "loss_weights are for a model with a loss; give one, as in loss='mse'"
        raise SpecError(message)
    if not isinstance(given, (list, tuple, Mapping)):
        message = f"loss_weights must be a list or a dict by output, got {given!r}"
        raise SpecError(message)
    if len(given) != len(net.outputs):
        message = f"{len(given)} loss_weights for {len(net.outputs)} outputs {list(net.outputs)}"
        raise SpecError(message)
    spread = _by_output(net, given, "loss_weights") if isinstance(given, Mapping) else given
    return tuple(check.number("every one of loss_weights", w, least=0) for w in spread)


def _check_loss(net: Graph, name: str, shape: tuple[int, ...], rule: Loss) -> None:
    end = last_layer(net, name)
    free = (Outputs.VALUES, Outputs.RATES)
    if type(end) in (layers.Softmax, layers.Sigmoid) and rule.outputs not in free:
        mend = (
            "leave that layer out (predict then gives logits), or the net learns poorly and slowly"
            if rule.outputs is Outputs.LOGITS
            else "let it end in LogSoftmax, or use CrossEntropy with logits"
        )
        message = (
            f"{type(rule).__name__} takes {rule.outputs.value}, but output {name!r} ends in {end!r}; "
            f"{mend}"
        )
        raise SpecError(message)
    if rule.outputs in _MENDS and isinstance(end, _RAW):
        message = (
            f"{type(rule).__name__} takes {rule.outputs.value}, but output {name!r} ends in {end!r}, which "
            f"gives any number; {_MENDS[rule.outputs]}"
        )
        raise SpecError(message)
    problem = rule.misfit(shape)
    if problem:
        message = f"{rule!r}: output {name!r} of shape {batched(shape)} {problem}"
        raise SpecError(message)


def last_layer(net: Graph, name: str) -> layers.Layer | None:
    """Return the layer that makes an output, looking through those that only move values."""
    placed = {p.name: p for p in net.walk}
    moving = (layers.Flatten, layers.Reshape, layers.Permute)
    while name in placed and isinstance(placed[name].layer, moving):
        name = placed[name].sources[0]
    return placed[name].layer if name in placed else None


def metrics_of(net: Graph, given: Any) -> tuple[tuple[Metric, ...], ...]:
    """Return the metrics of each output, from words or values for all, or a dict by name."""
    columns = []
    for column in _by_output(net, given, "metrics"):
        single = isinstance(column, (str, Metric)) or not isinstance(column, Iterable)
        found = tuple(map(metric, [column] if single else column))
        keys = [m.key for m in found]
        if len(set(keys)) < len(keys):
            message = f"metrics of the same name: {keys}"
            raise SpecError(message)
        columns.append(found)
    return tuple(columns)


def check_metrics(
    net: Graph, losses: tuple[Loss, ...], columns: tuple[tuple[Metric, ...], ...]
) -> None:
    """Refuse metrics that do not go with the shape of an output, or with its loss."""
    for name, shape, rule, column in zip(
        net.outputs, net.out_shapes, losses, columns, strict=False
    ):
        for single in column:
            problem = single.misfit(shape) or _clash(single, rule, len(shape), math.prod(shape))
            if problem:
                message = f"{single!r}: output {name!r} of shape {batched(shape)} {problem}"
                raise SpecError(message)


def check_comparable(
    net: Graph, columns: tuple[tuple[Metric, ...], ...], ys: tuple[npt.NDArray[Any], ...]
) -> None:
    """Refuse metrics that compare value by value where the targets are class numbers.

    Raises
    ------
    DataError
        Naming the metric and what to use instead.
    """
    for name, shape, column, y in zip(net.outputs, net.out_shapes, columns, ys, strict=True):
        for single in column:
            if single.axis is None and y.shape[1:] != shape:
                message = (
                    f"{single!r} compares value by value, but y ({name}) holds class numbers; give one-hot "
                    "targets, or use 'accuracy'"
                )
                raise DataError(message)


def _clash(single: Metric, rule: Loss, rank: int, size: int) -> str:
    """Return why a metric does not go with a loss; empty if it does."""
    if rule.targets in (Targets.LABELS, Targets.ZEROS):
        return f"is judged by {type(rule).__name__}, whose targets no metric can be taken of"
    if single.axis is None:
        return ""
    if rule.targets.two_sided and size > 1:
        return "is judged value by value, without one class per sample; use 'binary_accuracy'"
    if rule.targets.one_class and single.axis % (rank + 1) != rule.axis % (rank + 1):
        return (
            f"has its classes along axis {rule.axis}, as the loss says; Accuracy({rule.axis}) can"
        )
    return ""
