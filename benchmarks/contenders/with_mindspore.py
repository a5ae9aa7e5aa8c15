"""MindSpore by hand: a compiled step over its own layers, the same in PyNative mode, and ``Model.train``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn
from mindspore.dataset import NumpySlicesDataset
from mindspore.train import Model

from benchmarks.tasks import BLOCKS, CLASSES, HEADS, MOMENTUM, RATE, Task

VERSION = f"MindSpore {mindspore.__version__}"
VARIANTS = ("eager", "graph", "fit")


def conv(inside: int, outside: int, size: int, stride: int = 1, *, bias: bool = False) -> Any:
    return nn.Conv2d(
        inside, outside, size, stride, "pad", padding=size // 2, has_bias=bias, weight_init="normal"
    )


class Last(nn.Cell):
    def construct(self, read: Any) -> Any:
        return read[0][:, -1]


class Mean(nn.Cell):
    def construct(self, x: Any) -> Any:
        return x.mean(1)


def encoder(size: int) -> Any:
    return nn.TransformerEncoderLayer(
        size, HEADS, 4 * size, 0.0, "gelu", batch_first=True, norm_first=True
    )


class Pooled(nn.Cell):
    def construct(self, x: Any) -> Any:
        return x.mean((2, 3))


class Block(nn.Cell):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.main = nn.SequentialCell(
            conv(inside, outside, 3, stride), nn.BatchNorm2d(outside), nn.ReLU(),
            conv(outside, outside, 3), nn.BatchNorm2d(outside),
        )  # fmt: skip
        self.is_plain = stride == 1 and inside == outside
        self.short = nn.SequentialCell(conv(inside, outside, 1, stride), nn.BatchNorm2d(outside))
        self.relu = nn.ReLU()

    def construct(self, x: Any) -> Any:
        return self.relu(self.main(x) + (x if self.is_plain else self.short(x)))


def net(task: Task) -> Any:
    if task.net == "lstm":
        embedded, units = task.widths
        return nn.SequentialCell(
            nn.Embedding(task.words, embedded), nn.LSTM(embedded, units, batch_first=True), Last(),
            nn.Dense(units, CLASSES),
        )  # fmt: skip
    if task.net == "transformer":
        size = task.shape[1]
        blocks = (encoder(size) for _ in range(BLOCKS))
        return nn.SequentialCell(*blocks, nn.LayerNorm((size,)), Mean(), nn.Dense(size, CLASSES))
    if task.net == "mlp":
        sizes = (task.size, *task.widths)
        hidden = (layer for a, b in pairwise(sizes) for layer in (nn.Dense(a, b), nn.ReLU()))
        return nn.SequentialCell(*hidden, nn.Dense(sizes[-1], CLASSES))
    if task.net == "lenet":
        return nn.SequentialCell(
            conv(1, 16, 3, bias=True), nn.ReLU(), nn.MaxPool2d(2, 2),
            conv(16, 32, 3, bias=True), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Flatten(), nn.Dense(32 * 49, 128), nn.ReLU(), nn.Dense(128, CLASSES),
        )  # fmt: skip
    return nn.SequentialCell(
        conv(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        Pooled(), nn.Dense(64, CLASSES),
    )  # fmt: skip


def optimizer(task: Task, parameters: Any) -> Any:
    if task.optimizer == "adam":
        return nn.Adam(parameters, 1e-3)
    return nn.Momentum(parameters, RATE, MOMENTUM)


class Step:
    def __init__(self, task: Task, *, compiled: bool) -> None:
        mode = mindspore.GRAPH_MODE if compiled else mindspore.PYNATIVE_MODE
        mindspore.set_context(mode=mode)
        self.task, self.net = task, net(task)
        self.loss = nn.CrossEntropyLoss()
        chosen = optimizer(task, self.net.trainable_params())
        judged = nn.WithLossCell(self.net, self.loss)
        self.step = nn.TrainOneStepCell(judged, chosen)

    def train(self, x: Any, y: Any) -> Any:
        self.step.set_train()
        losses = [
            self.step(Tensor(x[rows]), Tensor(y[rows].astype(np.int32)))
            for rows in np.random.permutation(len(x)).reshape(-1, self.task.batch)
        ]
        return [loss.asnumpy() for loss in losses]

    def predict(self, x: Any) -> Any:
        self.net.set_train(mode=False)
        return self.net(Tensor(x)).asnumpy()


class Fit:
    def __init__(self, task: Task) -> None:
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        self.task, self.net = task, net(task)
        chosen = optimizer(task, self.net.trainable_params())
        self.model = Model(self.net, nn.CrossEntropyLoss(), chosen)

    def train(self, x: Any, y: Any) -> Any:
        rows = NumpySlicesDataset((x, y.astype(np.int32)), shuffle=True)
        self.model.train(1, rows.batch(self.task.batch), dataset_sink_mode=False)

    def predict(self, x: Any) -> Any:
        return self.model.predict(Tensor(x)).asnumpy()


def contender(task: Task, variant: str) -> Any:
    return Fit(task) if variant == "fit" else Step(task, compiled=variant == "graph")
