"""unifw: describe a net once; train and ship it on PaddlePaddle, MindSpore, MegEngine or NumPy."""

from __future__ import annotations

__version__ = "0.1.0"

# Loading the package of backends sets unifw.backends: now, so that the function of that name stays.
import unifw.backends  # noqa: F401 - as told
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
from unifw.isolate.place import installed
from unifw.model import Model, load
from unifw.parity import parity
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
