"""Arrays to train on: checked once, before work starts, then cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.arrays import array_of, finite, in_range, shape_message, whole
from unifw.errors import DataError
from unifw.limits import index_limit, index_limits
from unifw.randomness import shuffled
from unifw.spec.graph import Graph
from unifw.spec.losses import Loss, Targets
from unifw.targets import target_of

__all__ = [
    "Data",
    "batches",
    "check_inputs",
    "check_training",
    "class_weighted",
    "in_limits",
    "index_limit",
    "split",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Data:
    """Checked arrays with one row per sample.

    Attributes
    ----------
    xs, ys : tuple of ndarray
        One array per input and per output of the net; floats in the model's dtype, ints int64.
    weights : ndarray or None
        One weight per sample, in the model's dtype.
    """

    xs: tuple[Array, ...]
    ys: tuple[Array, ...] = ()
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.xs[0])

    def take(self, rows: Any) -> Data:
        """Return the given rows (an index array or a slice)."""
        return Data(
            tuple(x[rows] for x in self.xs),
            tuple(y[rows] for y in self.ys),
            None if self.weights is None else self.weights[rows],
        )

    def cast(self, dtype: str) -> Data:
        """Return the data with floats in ``dtype``."""

        def to(array: Array) -> Array:
            return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array

        weights = None if self.weights is None else to(self.weights)
        return Data(tuple(map(to, self.xs)), tuple(map(to, self.ys)), weights)


def batches(rows: int, size: int, *, shuffle: bool, seed: int, epoch: int) -> Iterator[Array]:
    """Yield the row numbers of each batch; the last may be short. Same seed and epoch, same cut."""
    order = shuffled(rows, seed, epoch) if shuffle else np.arange(rows)
    for start in range(0, rows, size):
        yield order[start : start + size]


def check_inputs(graph: Graph, x: Any) -> tuple[Array, ...]:
    """Return one array per input of the net, if shapes, types and values are right.

    Parameters
    ----------
    graph : Graph
        The net.
    x : array, sequence of arrays, or dict by input name
        A single array for a net of one input.

    Raises
    ------
    DataError
        If the number of arrays, a shape, a type or a value is wrong, naming the input and the mend.
    """
    given = _sorted_out(x, [node.name for node in graph.inputs], "input")
    arrays = []
    for node, value in zip(graph.inputs, given, strict=True):
        label = f"x ({node.name})"
        array = array_of(label, value)
        if array.shape[1:] != node.shape:
            raise DataError(shape_message(label, array.shape, node.shape))
        if node.dtype == "int":
            arrays.append(whole(label, array))
            in_limits(label, arrays[-1], index_limits(graph, node.name))
        else:
            arrays.append(finite(label, array))
    _same_length([(node.name, a) for node, a in zip(graph.inputs, arrays, strict=True)])
    return tuple(arrays)


def check_training(
    graph: Graph,
    losses: tuple[Loss, ...],
    x: Any,
    y: Any,
    sample_weight: Any = None,
) -> Data:
    """Return data to train or evaluate on, checked against the net and its losses.

    Raises
    ------
    DataError
        If anything about the arrays is wrong; the message names the array and the mend.
    """
    xs = check_inputs(graph, x)
    given = _sorted_out(y, list(graph.outputs), "output")
    ys = tuple(
        target_of(f"y ({name})", value, shape, loss)
        for name, value, shape, loss in zip(
            graph.outputs, given, graph.out_shapes, losses, strict=True
        )
    )
    named = [("x", xs[0]), *((f"y ({n})", t) for n, t in zip(graph.outputs, ys, strict=True))]
    weights = None
    if sample_weight is not None:
        weights = finite("sample_weight", array_of("sample_weight", sample_weight))
        if weights.ndim != 1:
            message = f"sample_weight must be one number per sample, got shape {weights.shape}"
            raise DataError(message)
        named.append(("sample_weight", weights))
    _same_length(named)
    if weights is not None and ((weights < 0).any() or not weights.any()):
        message = "sample_weight must not be negative, nor all zero"
        raise DataError(message)
    return Data(xs, ys, weights)


def class_weighted(
    data: Data, class_weight: Mapping[int, float], losses: tuple[Loss, ...], shape: tuple[int, ...]
) -> Data:
    """Multiply the sample weights by the weight of each sample's class; classes left out weigh 1.

    ``shape`` is that of the first output, without the batch.

    Raises
    ------
    DataError
        If the targets are not one class number per sample, or a class is not there.
    """
    _check_class_weight(class_weight)
    y = data.ys[0]
    kind = losses[0].targets
    if len(data.ys) != 1 or not (kind.two_sided or kind is Targets.CLASSES):
        message = "class_weight needs a net with one output and a loss of classes"
        raise DataError(message)
    if kind.two_sided:
        labels = y.reshape(len(y), -1)
        sides = (-1, 0, 1) if kind is Targets.SIGNS else (0, 1)
        if labels.shape[1] != 1 or not np.isin(labels, sides).all():
            message = "class_weight needs targets of 0 or 1, one per sample"
            raise DataError(message)
        classes, numbers = 2, (labels[:, 0] > 0).astype(np.int64)
    elif y.dtype.kind == "i" and y.ndim == 1:
        classes, numbers = shape[losses[0].place(len(shape) + 1) - 1], y
    elif y.ndim == 2:
        classes, numbers = y.shape[1], y.argmax(axis=1)
    else:
        message = f"class_weight needs one class per sample; the targets have shape {y.shape}"
        raise DataError(message)
    beyond = [label for label in class_weight if label >= classes]
    if beyond:
        message = f"class_weight names class {beyond[0]}, but there are 0 … {classes - 1}"
        raise DataError(message)
    factors = np.ones(classes)
    for label, factor in class_weight.items():
        factors[label] = factor
    weights = factors[numbers] if data.weights is None else factors[numbers] * data.weights
    if not weights.any():
        message = "class_weight leaves every sample with weight zero"
        raise DataError(message)
    return Data(data.xs, data.ys, weights)


def _check_class_weight(given: Any) -> None:
    if not isinstance(given, Mapping):
        message = f"class_weight must be a dict such as {{0: 1.0, 1: 5.0}}, got {given!r}"
        raise DataError(message)
    for label, factor in given.items():
        whole = isinstance(label, (int, np.integer)) and not isinstance(label, bool) and label >= 0
        number = isinstance(factor, (int, float, np.number)) and 0 <= factor < np.inf
        if not whole or not number:
            message = (
                f"class_weight maps classes to numbers of at least 0, got {label!r}: {factor!r}"
            )
            raise DataError(message)


def split(data: Data, share: float) -> tuple[Data, Data]:
    """Cut the last ``share`` of the rows off for validation, as Keras does (before any shuffle)."""
    rows = len(data)
    cut = rows - round(rows * share)
    if not 0 < share < 1 or not 0 < cut < rows:
        message = (
            f"validation_split must leave rows on both sides: {share!r} of {rows} rows does not"
        )
        raise DataError(message)
    parts = data.take(slice(None, cut)), data.take(slice(cut, None))
    for part, what in zip(parts, ("train on", "validate on"), strict=True):
        if part.weights is not None and not part.weights.any():
            message = f"validation_split leaves no sample of any weight to {what}"
            raise DataError(message)
    return parts


def _sorted_out(given: Any, names: list[str], what: str) -> list[Any]:
    if isinstance(given, Mapping):
        if set(given) != set(names):
            message = f"the net's {what}s are {names}, got {sorted(map(str, given))}"
            raise DataError(message)
        return [given[name] for name in names]
    if len(names) == 1:
        single = isinstance(given, (list, tuple)) and len(given) == 1 and np.ndim(given[0]) > 1
        return [given[0]] if single and isinstance(given[0], np.ndarray) else [given]
    if not isinstance(given, (list, tuple)) or len(given) != len(names):
        got = len(given) if isinstance(given, (list, tuple)) else "one array"
        message = f"the net has {len(names)} {what}s {names}: give a list of as many, got {got}"
        raise DataError(message)
    return list(given)


def in_limits(label: str, array: Array, limits: Array) -> None:
    """Refuse whole numbers that are beyond the limit of their position."""
    beyond = ((array < 0) | (array >= limits)).any(axis=0)
    if not beyond.any():
        return
    place = tuple(int(n) for n in np.argwhere(beyond)[0])
    if limits.min() == limits.max():
        in_range(label, array, int(limits.min()), "values")
    where = ", ".join((":", *map(str, place)))
    spot: tuple[Any, ...] = (slice(None), *place)
    in_range(f"{label}[{where}]", array[spot], int(limits[place]), "values")


def _same_length(named: list[tuple[str, Array]]) -> None:
    lengths = {name: len(array) for name, array in named}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        message = f"arrays must have the same number of rows: {told}"
        raise DataError(message)
