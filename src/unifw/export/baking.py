"""What an app would do before and after the net, put into the file.

Layout and normalisation, probabilities and labels become layers and metadata of what is written, so that every
format holds them; the file is verified against the same worked out by NumPy around the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.errors import FileError, SpecError
from unifw.spec import check, layers
from unifw.spec.graph import Graph, InputNode, Node, connected

__all__ = ["Baked", "Baking", "baking_of", "labels_of"]

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]

TO_FIRST, TO_LAST = (3, 1, 2), (0, 2, 3, 1)
ACTIVATIONS: Mapping[str, layers.Layer] = {
    "softmax": layers.Softmax(axis=1),
    "sigmoid": layers.Sigmoid(),
}
# Outputs that are probabilities already.
DONE = (layers.Softmax, layers.LogSoftmax, layers.Sigmoid)
# Under which the file's metadata keep the labels, and the rest of what was put into it, as JSON.
LABELS, BAKED = "labels", "baked"


@dataclass(frozen=True)
class Baked:
    """A net with what was put around it.

    Attributes
    ----------
    inner : Graph
        The net itself.
    graph, weights
        What is written.
    into : callable
        The arrays that the file takes, to those that the model takes.
    back : callable
        The reverse, for made-up inputs.
    out_of : callable
        The model's outputs, to those of the file.
    metadata : dict of str to str
        What the file says besides.
    """

    inner: Graph
    graph: Graph
    weights: Mapping[str, Array]
    into: Callable[[Arrays], Arrays]
    back: Callable[[Arrays], Arrays]
    out_of: Callable[[Arrays], Arrays]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Baking:
    """What is to be put into the file; each for the only input or output, or a dict by name.

    Parameters
    ----------
    normalize : (mean, std), optional
        Two numbers, or two lists of one per channel: the file takes raw values ``x`` and feeds the net
        ``(x - mean) / std``.
    layout : {"NCHW", "NHWC"}, optional
        The axes of the images that the file takes; default channels first.
    activation : {"softmax", "sigmoid"}, optional
        What the outputs go through; softmax runs over the classes, axis 1.
    labels : sequence of str, optional
        Names of the classes, kept in the file's metadata as JSON.
    """

    normalize: Any = None
    layout: Any = None
    activation: Any = None
    labels: Any = None

    def around(self, graph: Graph, weights: Mapping[str, Array]) -> Baked:
        """Return the net with all of that around it.

        Raises
        ------
        SpecError
            If something does not fit the net.
        """
        inputs = [node.name for node in graph.inputs]
        normalize = _by_name("normalize", self.normalize, inputs)
        layout = _by_name("layout", self.layout, inputs)
        activation = _by_name("activation", self.activation, list(graph.outputs))
        labels = _by_name("labels", self.labels, list(graph.outputs))
        before = [
            _Before(node, normalize.get(node.name), layout.get(node.name)) for node in graph.inputs
        ]
        after = [
            _After(graph, name, shape, activation.get(name))
            for name, shape in zip(graph.outputs, graph.out_shapes, strict=True)
        ]
        joined = _joined(graph, before, after)
        known = {
            end: _labels(labels[name], shape)
            for name, end, shape in zip(
                graph.outputs, joined.outputs, joined.out_shapes, strict=True
            )
            if labels.get(name) is not None
        }
        every = {**weights, **{k: v for first in before for k, v in first.weights.items()}}
        return Baked(
            inner=graph,
            graph=joined,
            weights={name: every[name] for name in joined.parts},
            into=lambda xs: tuple(b.into(x) for b, x in zip(before, xs, strict=True)),
            back=lambda xs: tuple(b.back(x) for b, x in zip(before, xs, strict=True)),
            out_of=lambda ys: tuple(a.out_of(y) for a, y in zip(after, ys, strict=True)),
            metadata=self._metadata(known),
        )

    def _metadata(self, labels: Mapping[str, list[str]]) -> dict[str, str]:
        put = {"normalize": self.normalize, "layout": self.layout, "activation": self.activation}
        told = {name: value for name, value in put.items() if value is not None}
        found = {BAKED: json.dumps(told, default=_plain)} if told else {}
        return found | ({LABELS: json.dumps(labels, ensure_ascii=False)} if labels else {})


def _plain(value: Any) -> Any:
    """Return NumPy's numbers and arrays as JSON knows them."""
    return np.asarray(value).tolist()


def baking_of(metadata: Mapping[str, str]) -> Baking:
    """Return what was put into a file, by its metadata.

    Raises
    ------
    FileError
        If they are damaged.
    """
    try:
        told = json.loads(metadata.get(BAKED, "{}"))
        return Baking(**{name: told.get(name) for name in ("normalize", "layout", "activation")})
    except (ValueError, TypeError, AttributeError) as err:
        message = f"the file's metadata are damaged: {err}"
        raise FileError(message) from err


def labels_of(metadata: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names of classes in a file's metadata, for each output that has some.

    Raises
    ------
    FileError
        If they are damaged.
    """
    try:
        told = json.loads(metadata.get(LABELS, "{}"))
        return {str(name): [str(word) for word in words] for name, words in told.items()}
    except (ValueError, TypeError, AttributeError) as err:
        message = f"the labels in the file's metadata are damaged: {err}"
        raise FileError(message) from err


class _Before:
    """What comes before one input."""

    def __init__(self, node: InputNode, normalize: Any, layout: Any) -> None:
        self.node, self.name = node, node.name
        self.last = check.choice("layout", layout or "NCHW", ("NCHW", "NHWC")) == "NHWC"
        if self.last and len(node.shape) != 3:
            message = f"layout is for images; input {node.name!r} has the shape {node.shape}"
            raise SpecError(message)
        if normalize is not None and (node.dtype == "int" or not node.shape):
            message = (
                f"normalize is for numbers; input {node.name!r} takes {node.dtype} {node.shape}"
            )
            raise SpecError(message)
        self.normal = None if normalize is None else _mean_and_std(normalize, node)

    @property
    def start(self) -> InputNode:
        """The input that the file has."""
        shape = self.node.shape
        return InputNode(self.name, (*shape[1:], shape[0]) if self.last else shape, self.node.dtype)

    @property
    def nodes(self) -> list[tuple[str, layers.Layer]]:
        """The layers, by name."""
        found: list[tuple[str, layers.Layer]] = []
        if self.last:
            name = f"{self.name}_channels_first"
            found.append((name, layers.Permute(TO_FIRST, name=name)))
        if self.normal is not None:
            name = f"{self.name}_normalized"
            found.append((name, layers.BatchNorm(name=name, trainable=False)))
        return found

    @property
    def weights(self) -> dict[str, Array]:
        """Those of a batch norm whose running variance and epsilon are 1 together."""
        if self.normal is None:
            return {}
        name, (mean, std) = f"{self.name}_normalized", self.normal
        return {
            f"{name}.weight": (1 / std).astype(np.float32),
            f"{name}.bias": np.zeros_like(mean, np.float32),
            f"{name}.running_mean": mean.astype(np.float32),
            f"{name}.running_var": np.full_like(mean, 1 - layers.BatchNorm().epsilon, np.float32),
        }

    def _wide(self) -> tuple[Array, Array]:
        axes = (-1, *(1,) * (len(self.node.shape) - 1))
        mean, std = self.normal or (np.zeros(1), np.ones(1))
        return mean.reshape(axes), std.reshape(axes)

    def into(self, x: Array) -> Array:
        if self.last:
            x = np.moveaxis(x, -1, 1)
        if self.normal is None:
            return x
        mean, std = self._wide()
        return ((x.astype(np.float64) - mean) / std).astype(np.float32)

    def back(self, x: Array) -> Array:
        if self.normal is not None:
            mean, std = self._wide()
            x = (x.astype(np.float64) * std + mean).astype(np.float32)
        return np.ascontiguousarray(x.transpose(TO_LAST)) if self.last else x


class _After:
    """What one output goes through."""

    def __init__(self, graph: Graph, name: str, shape: tuple[int, ...], activation: Any) -> None:
        self.name, self.layer = name, None
        if activation is None:
            return
        check.choice("activation", activation, tuple(ACTIVATIONS))
        self.layer = ACTIVATIONS[activation]
        ends = {placed.name: placed.layer for placed in graph}
        if isinstance(ends.get(name), DONE):
            message = f"activation={activation!r}: output {name!r} is {ends[name]!r} already"
            raise SpecError(message)
        if not shape or (activation == "softmax" and shape[0] < 2):
            message = f"softmax needs two classes or more; output {name!r} has the shape {shape}"
            raise SpecError(message)

    def out_of(self, y: Array) -> Array:
        if self.layer is None:
            return y
        y = y.astype(np.float64)
        if isinstance(self.layer, layers.Softmax):
            powers: Array = np.exp(y - y.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
        return np.asarray(0.5 * (1 + np.tanh(0.5 * y)))


def _joined(graph: Graph, before: Sequence[_Before], after: Sequence[_After]) -> Graph:
    nodes, feeds = [], {}
    for first in before:
        source = first.name
        for name, layer in first.nodes:
            nodes.append(Node(name, layer, (source,), name))
            source = name
        feeds[first.name] = source
    for node in graph.nodes:
        sources = tuple(feeds.get(source, source) for source in node.sources)
        nodes.append(Node(node.name, node.layer, sources, node.owner))
    outputs = []
    for last in after:
        end = feeds.get(last.name, last.name)
        if last.layer is not None:
            name = f"{last.name}_probabilities"
            nodes.append(Node(name, last.layer.replace(name=name), (end,), name))
            end = name
        outputs.append(end)
    return connected([first.start for first in before], nodes, outputs, graph.name)


def _by_name(what: str, given: Any, names: Sequence[str]) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = sorted(set(map(str, given)) - set(names))
        if unknown:
            message = f"{what} names {unknown}; the net has {list(names)}"
            raise SpecError(message)
        return dict(given)
    if len(names) > 1:
        message = f"the net has several, {list(names)}: give {what} as a dict by name"
        raise SpecError(message)
    return {names[0]: given}


def _mean_and_std(given: Any, node: InputNode) -> tuple[Array, Array]:
    wanted = f"normalize must be (mean, std): two numbers, or two lists of {node.shape[0]}, one per channel"
    try:
        mean, std = (
            np.broadcast_to(np.asarray(part, np.float64), node.shape[:1]) for part in given
        )
    except (TypeError, ValueError) as err:
        message = f"{wanted}, got {given!r}"
        raise SpecError(message) from err
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        message = f"{wanted}, finite and every std above 0; got {given!r}"
        raise SpecError(message)
    return mean, std


def _labels(given: Any, shape: tuple[int, ...]) -> list[str]:
    words = isinstance(given, (list, tuple)) and all(isinstance(word, str) for word in given)
    # One number is the probability of the second of two classes.
    wanted = max(2, shape[0]) if shape else 0
    if not words or len(given) != wanted:
        message = f"labels must be a list of {wanted} texts, one per class, got {given!r}"
        raise SpecError(message)
    return list(given)
