"""unifw itself, on each backend: ``uf.Model.fit`` as its users call it, checks of the data and all."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import unifw as uf
from benchmarks.tasks import BLOCKS, CLASSES, HEADS, MOMENTUM, RATE, Task
from unifw import layers as L
from unifw import registry


def normalised(x: Any, filters: int, size: int, stride: int) -> Any:
    y = L.Conv2D(filters, size, stride, size // 2, bias=False)(x)
    return L.BatchNorm()(y)


def block(x: Any, filters: int, stride: int) -> Any:
    y = normalised(L.ReLU()(normalised(x, filters, 3, stride)), filters, 3, 1)
    short = x if stride == 1 and x.shape[0] == filters else normalised(x, filters, 1, stride)
    return L.ReLU()(L.Add()(y, short))


def encoded(x: Any) -> Any:
    size = x.shape[1]
    x = L.Add()(x, L.MultiHeadAttention(HEADS)(L.LayerNorm()(x)))
    return L.Add()(x, L.Dense(size)(L.GELU()(L.Dense(4 * size)(L.LayerNorm()(x)))))


def net(task: Task) -> uf.Graph:
    x = start = uf.Input(task.shape, "int" if task.words else "float")
    if task.net == "mlp":
        for width in task.widths:
            x = L.ReLU()(L.Dense(width)(x))
    elif task.net == "lenet":
        for filters in (16, 32):
            x = L.MaxPool2D(2)(L.ReLU()(L.Conv2D(filters, 3, padding=1)(x)))
        x = L.ReLU()(L.Dense(128)(L.Flatten()(x)))
    elif task.net == "lstm":
        x = L.LSTM(task.widths[1])(L.Embedding(task.words, task.widths[0])(x))
    elif task.net == "transformer":
        for _ in range(BLOCKS):
            x = encoded(x)
        x = L.GlobalAvgPool()(L.Permute((2, 1))(L.LayerNorm()(x)))
    else:
        x = L.ReLU()(normalised(x, 16, 3, 1))
        for filters, stride in ((16, 1), (32, 2), (64, 2)):
            x = block(x, filters, stride)
        x = L.GlobalAvgPool()(x)
    return uf.Graph(start, L.Dense(CLASSES)(x))


class Contender:
    def __init__(self, task: Task, backend: str) -> None:
        optimizer: Any = uf.optimizers.SGD(RATE, MOMENTUM)
        if task.optimizer == "adam":
            optimizer = uf.optimizers.Adam()
        self.task = task
        self.model = uf.Model(
            net(task), backend, loss="cross_entropy", optimizer=optimizer, isolate=False
        )

    def train(self, x: Any, y: Any) -> Any:
        told = self.model.fit(x, y, batch_size=self.task.batch, verbose=0)
        return told["loss"]

    def settle(self, x: Any, y: Any) -> None:
        """Train as long as it takes for a backend that begins uncompiled to compile."""
        self.model.fit(x, y, epochs=20, batch_size=self.task.batch, verbose=0)

    def predict(self, x: Any) -> Any:
        return self.model.predict(x)


def load(backend: str) -> None:
    """Import the framework and its plugin too, as the clock for imports is running."""
    registry.backend(backend).load()
    import_module(f"unifw.backends.{backend}.session")


contender = Contender
