"""What is written: a net, its weights, and what the file is to say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.export.card import Card, Port
from unifw.limits import told_limits
from unifw.spec.graph import Graph
from unifw.spec.losses import Loss
from unifw.spec.optimizers import Optimizer

__all__ = ["Content", "Training"]


@dataclass(frozen=True)
class Training:
    """How a net is trained, for formats that say it to another trainer.

    Attributes
    ----------
    losses : tuple of Loss
        One for each output.
    loss_weights : tuple of float
        What each counts.
    optimizer : Optimizer
        The optimizer.
    """

    losses: tuple[Loss, ...]
    loss_weights: tuple[float, ...]
    optimizer: Optimizer


@dataclass(frozen=True)
class Content:
    """A net that is to become a file.

    Attributes
    ----------
    graph : Graph
        The net.
    weights : mapping of str to ndarray
        Its weights in the neutral layout.
    metadata : mapping of str to str
        What the file says of its origin.
    opset : int
        Version of the ONNX operators, where the format has them.
    quantize : str or None
        How to make it smaller: one of the format's ``quantizations``.
    calibration : tuple of ndarray
        Inputs to measure the range of activations on, where that needs them.
    training : Training or None
        How the net is trained here, if it is.
    job : object
        How it is to be trained elsewhere: what the format calls a job.
    """

    graph: Graph
    weights: Mapping[str, npt.NDArray[Any]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    opset: int = 17
    quantize: str | None = None
    calibration: tuple[npt.NDArray[Any], ...] = ()
    training: Training | None = None
    job: Any = None

    @property
    def floats(self) -> dict[str, npt.NDArray[np.float32]]:
        """The weights in float32, in which every format holds them."""
        return {name: np.asarray(value, np.float32) for name, value in self.weights.items()}

    @property
    def card(self) -> Card:
        """What goes into the card, but for the digests of files."""
        graph = self.graph
        kinds = {n.name: n.dtype for n in graph.inputs} | {p.name: p.dtype for p in graph}
        outputs = zip(graph.outputs, graph.out_shapes, strict=True)
        return Card(
            tuple(
                Port(node.name, tuple(node.shape), node.dtype, told_limits(graph, node.name))
                for node in graph.inputs
            ),
            tuple(Port(name, tuple(shape), kinds[name]) for name, shape in outputs),
            self.metadata,
        )
