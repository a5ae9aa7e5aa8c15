"""Neutral weights: ``layer.part → ndarray`` in one documented layout, the same for every framework.

Dense ``(in, out)``; convolutions, transposed ones too, ``(out, in / groups, *kernel)``; everything per
channel 1-D.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from unifw.errors import WeightsError
from unifw.spec.graph import Graph

__all__ = [
    "FIRST_SCALE",
    "LOSS_SCALE",
    "Arrays",
    "check_state",
    "check_weights",
    "initial",
    "prefixed",
    "under",
]

Arrays = dict[str, npt.NDArray[np.floating]]

# Under which the state of mixed precision holds the loss's scale and the good steps since it changed, and
# what they are at first.
LOSS_SCALE = "loss_scale"
FIRST_SCALE = (2.0**15, 0.0)


def initial(graph: Graph, seed: int) -> Arrays:
    """Return the first weights of a net (float32), fixed by ``seed`` and the weights' names."""
    return {
        name: part.init.sample(part.shape, part.fans, seed, name)
        for name, part in graph.parts.items()
    }


def check_weights(graph: Graph, weights: Mapping[str, npt.ArrayLike]) -> Arrays:
    """Return weights as float arrays, in the net's order, if they fit the net exactly.

    Raises
    ------
    WeightsError
        If a name is missing or foreign, a shape differs, or a value is not finite.
    """
    shapes = {name: part.shape for name, part in graph.parts.items()}
    return _fit(shapes, weights, "weights")


def check_state(
    graph: Graph,
    slots: tuple[str, ...],
    state: Mapping[str, npt.ArrayLike],
    more: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
) -> Arrays:
    """Return optimizer state ``layer.part/slot → array`` if it fits the net and the optimizer.

    ``more`` gives the shapes of what else is kept.

    Raises
    ------
    WeightsError
        If a name is missing or foreign, a shape differs, or a value is not finite.
    """
    shapes = {
        f"{name}/{slot}": part.shape
        for name, part in graph.parts.items()
        if part.trainable
        for slot in slots
    }
    return _fit(shapes | dict(more), state, "optimizer state")


def prefixed(prefix: str, arrays: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
    """Return the arrays with a prefix before every name, to keep several kinds in one place."""
    return {prefix + name: array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
    """Return the arrays whose names have a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _fit(
    shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, npt.ArrayLike], what: str
) -> Arrays:
    if not isinstance(given, Mapping):
        message = f"{what} must be a dict of arrays by name, got {type(given).__name__}"
        raise WeightsError(message)
    arrays = {name: _array(name, value) for name, value in given.items()}
    problems = [
        f"{name} {shape} is missing" for name, shape in shapes.items() if name not in arrays
    ]
    problems += [f"{name} is not in the net" for name in arrays if name not in shapes]
    for name, shape in shapes.items():
        if name not in arrays:
            continue
        if arrays[name].shape != shape:
            problems.append(f"{name} has shape {arrays[name].shape}, the net needs {shape}")
        elif arrays[name].dtype.kind not in "fiu":
            problems.append(f"{name} holds {arrays[name].dtype}, not numbers")
        elif not np.isfinite(arrays[name]).all():
            problems.append(f"{name} holds values that are not finite")
    if problems:
        message = f"these {what} do not fit the net:\n" + "\n".join(f"  - {p}" for p in problems)
        raise WeightsError(message)
    return {name: np.asarray(arrays[name], dtype=_float(arrays[name])) for name in shapes}


def _array(name: str, value: npt.ArrayLike) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(value)
    except ValueError as err:
        message = f"{name} cannot become an array: its rows differ in length"
        raise WeightsError(message) from err


def _float(array: npt.NDArray[np.generic]) -> type:
    return np.float64 if array.dtype == np.float64 else np.float32
