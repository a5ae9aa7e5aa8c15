"""unifw: describe a net once; train and ship it on PaddlePaddle, MindSpore, MegEngine or NumPy."""

from __future__ import annotations

__version__ = "0.1.0"

from unifw import (
    callbacks,
    constraints,
    errors,
    initializers,
    isolate,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    regularizers,
    runtime,
    schedules,
    sparse,
    zoo,
)
from unifw.model import Model, load
from unifw.parity import installed, parity
from unifw.registry import backend_names as backends
from unifw.spec.graph import Graph, Input, Sequential

__all__ = [
    "Graph",
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "backends",
    "callbacks",
    "constraints",
    "errors",
    "initializers",
    "installed",
    "isolate",
    "layers",
    "load",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "parity",
    "regularizers",
    "runtime",
    "schedules",
    "sparse",
    "zoo",
]
