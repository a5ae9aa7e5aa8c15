"""The file that holds a model on its way: one safetensors file, no pickle, written in one go.

Arrays are named ``weights/<layer.part>`` and ``state/<layer.part>/<slot>``; the metadata's only key,
``unifw``, is JSON with the net, loss, optimizer, metrics, position, history and provenance.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from unifw.errors import FileError, UnifwError
from unifw.spec import losses, metrics, optimizers, schedules
from unifw.spec.graph import Graph
from unifw.spec.value import decode
from unifw.weights import Arrays, prefixed, under

__all__ = ["Checkpoint", "read", "replacing", "write"]

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """All of a model but its live session.

    Attributes
    ----------
    graph : Graph
        The net.
    losses, optimizer, metrics
        How it is trained and measured; ``metrics`` has a tuple for each output.
    seed, epoch, step : int
        The seed; the epochs and optimizer steps done.
    plateau : Plateau
        How far a ``ReduceOnPlateau`` has come.
    dtype : str
        Of the weights.
    precision : str
        Whether training computes products in half.
    parity : bool
        Whether dropout and noise are the same on all backends.
    weights, state : dict of str to ndarray
        Neutral weights and optimizer state.
    history : dict of str to list of float
        One number per epoch.
    provenance : dict of str to str
        Versions, backend and device it was written with.
    loss_weights : tuple of float
        What each loss counts in their sum; all 1 when empty.
    """

    graph: Graph
    losses: tuple[losses.Loss, ...]
    optimizer: optimizers.Optimizer
    metrics: tuple[tuple[metrics.Metric, ...], ...]
    seed: int
    epoch: int
    step: int
    plateau: schedules.Plateau
    dtype: str
    weights: Arrays
    state: Arrays
    history: dict[str, list[float]]
    provenance: dict[str, str]
    loss_weights: tuple[float, ...] = ()
    precision: str = "full"
    parity: bool = True


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    Whatever happens, there is either the old file or the whole new one.

    Raises
    ------
    FileError
        If the folder is not there or cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as err:
        message = f"cannot write {target}: {err.strerror}"
        raise FileError(message) from err
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp is for its owner only; a saved file is as others
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the old file stays until the new one is whole."""
    arrays = prefixed("weights/", checkpoint.weights) | prefixed("state/", checkpoint.state)
    # safetensors writes strided arrays without regard to their strides, which corrupts them.
    # (np.ascontiguousarray would make 0-d arrays 1-d.)
    solid = {name: np.array(array, order="C") for name, array in arrays.items()}
    about = {
        "format": FORMAT,
        "graph": json.loads(checkpoint.graph.to_json()),
        "losses": [loss.to_data() for loss in checkpoint.losses],
        "loss_weights": checkpoint.loss_weights,
        "optimizer": checkpoint.optimizer.to_data(),
        "metrics": [[m.to_data() for m in column] for column in checkpoint.metrics],
        "seed": checkpoint.seed,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "plateau": checkpoint.plateau._asdict(),
        "dtype": checkpoint.dtype,
        "precision": checkpoint.precision,
        "parity": checkpoint.parity,
        "history": checkpoint.history,
        "provenance": checkpoint.provenance,
    }
    with replacing(path) as temporary:
        safetensors.numpy.save_file(solid, temporary, metadata={"unifw": json.dumps(about)})


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    FileError
        If there is no such file, or it is truncated, foreign, damaged or too new.
    """
    if not Path(path).is_file():
        message = f"there is no file {os.fspath(path)}"
        raise FileError(message)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("unifw")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (safetensors.SafetensorError, OSError, ValueError) as err:
        message = f"{os.fspath(path)} is truncated or no unifw file: {err}"
        raise FileError(message) from err
    if text is None:
        message = f"{os.fspath(path)} is a safetensors file, but not one of unifw's"
        raise FileError(message)
    try:
        return _decoded(json.loads(text), arrays)
    except UnifwError as err:
        message = f"{os.fspath(path)}: {err}"
        raise FileError(message) from err
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        message = f"{os.fspath(path)} is damaged: {type(err).__name__} {err}"
        raise FileError(message) from err


def _decoded(about: Mapping[str, Any], arrays: Arrays) -> Checkpoint:
    if about["format"] != FORMAT:
        message = f"written in format {about['format']!r}; this unifw reads format {FORMAT}"
        raise FileError(message)
    return Checkpoint(
        graph=Graph.from_json(json.dumps(about["graph"])),
        losses=decode(about["losses"], losses.CATALOGUE),
        optimizer=decode(about["optimizer"], optimizers.STORED),
        metrics=decode(about["metrics"], metrics.CATALOGUE),
        seed=int(about["seed"]),
        epoch=int(about["epoch"]),
        step=int(about["step"]),
        # Files of unifw 0.1 know no schedules.
        plateau=schedules.Plateau(**about.get("plateau", {})),
        dtype=str(about["dtype"]),
        weights=under("weights/", arrays),
        state=under("state/", arrays),
        history={str(k): [float(v) for v in values] for k, values in about["history"].items()},
        provenance={str(k): str(v) for k, v in about["provenance"].items()},
        # Files of unifw 0.1 know none.
        loss_weights=tuple(float(weight) for weight in about.get("loss_weights", ())),
        precision=str(about.get("precision", "full")),
        parity=bool(about.get("parity", True)),
    )
