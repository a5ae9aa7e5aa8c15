"""MegEngine by hand: eager, and traced. It has no ``fit`` of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import megengine
import megengine.functional as F
import megengine.module as M
import numpy as np
from megengine import Tensor
from megengine.autodiff import GradManager
from megengine.jit import trace
from megengine.optimizer import SGD, Adam

from benchmarks.tasks import BLOCKS, CLASSES, HEADS, MOMENTUM, RATE, Task

VERSION = f"MegEngine {megengine.__version__}"
VARIANTS = ("eager", "trace")


class Flat(M.Module):
    def forward(self, x: Any) -> Any:
        return F.flatten(x, 1)


class Pooled(M.Module):
    def forward(self, x: Any) -> Any:
        return F.mean(F.flatten(x, 2), axis=2)


class Block(M.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.main = M.Sequential(
            M.Conv2d(inside, outside, 3, stride, 1, bias=False), M.BatchNorm2d(outside), M.ReLU(),
            M.Conv2d(outside, outside, 3, 1, 1, bias=False), M.BatchNorm2d(outside),
        )  # fmt: skip
        self.short = M.Identity()
        if stride != 1 or inside != outside:
            self.short = M.Sequential(
                M.Conv2d(inside, outside, 1, stride, bias=False), M.BatchNorm2d(outside)
            )

    def forward(self, x: Any) -> Any:
        return F.relu(self.main(x) + self.short(x))


class Last(M.Module):
    def forward(self, read: Any) -> Any:
        return read[0][-1]


class TimeFirst(M.Module):
    def forward(self, x: Any) -> Any:
        return F.transpose(x, (1, 0, 2))


class Mean(M.Module):
    def forward(self, x: Any) -> Any:
        return F.mean(x, axis=1)


class Attention(M.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.given, self.out = M.Linear(size, 3 * size), M.Linear(size, size)
        self.size = size // HEADS

    def forward(self, x: Any) -> Any:
        rows, time, size = x.shape
        given = self.given(x).reshape(rows, time, 3 * HEADS, self.size)
        q, k, v = F.split(F.transpose(given, (0, 2, 1, 3)), 3, axis=1)
        scores = F.matmul(q, k, transpose_b=True) * self.size**-0.5
        mixed = F.transpose(F.matmul(F.softmax(scores, 3), v), (0, 2, 1, 3))
        return self.out(mixed.reshape(rows, time, size))


class Encoder(M.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.looks = M.Sequential(M.LayerNorm(size), Attention(size))
        self.inner = M.Sequential(
            M.LayerNorm(size), M.Linear(size, 4 * size), M.GELU(), M.Linear(4 * size, size)
        )

    def forward(self, x: Any) -> Any:
        x = x + self.looks(x)
        return x + self.inner(x)


def net(task: Task) -> Any:
    if task.net == "lstm":
        embedded, units = task.widths
        return M.Sequential(
            M.Embedding(task.words, embedded), TimeFirst(), M.LSTM(embedded, units), Last(),
            M.Linear(units, CLASSES),
        )  # fmt: skip
    if task.net == "transformer":
        size = task.shape[1]
        blocks = (Encoder(size) for _ in range(BLOCKS))
        return M.Sequential(*blocks, M.LayerNorm(size), Mean(), M.Linear(size, CLASSES))
    if task.net == "mlp":
        sizes = (task.size, *task.widths)
        hidden = (layer for a, b in pairwise(sizes) for layer in (M.Linear(a, b), M.ReLU()))
        return M.Sequential(*hidden, M.Linear(sizes[-1], CLASSES))
    if task.net == "lenet":
        return M.Sequential(
            M.Conv2d(1, 16, 3, padding=1), M.ReLU(), M.MaxPool2d(2),
            M.Conv2d(16, 32, 3, padding=1), M.ReLU(), M.MaxPool2d(2),
            Flat(), M.Linear(32 * 49, 128), M.ReLU(), M.Linear(128, CLASSES),
        )  # fmt: skip
    return M.Sequential(
        M.Conv2d(3, 16, 3, padding=1, bias=False), M.BatchNorm2d(16), M.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        Pooled(), M.Linear(64, CLASSES),
    )  # fmt: skip


class Contender:
    def __init__(self, task: Task, variant: str) -> None:
        self.task, self.net = task, net(task)
        self.optimizer: Any = SGD(self.net.parameters(), RATE, MOMENTUM)
        if task.optimizer == "adam":
            self.optimizer = Adam(self.net.parameters(), 1e-3)
        self.gradients = GradManager().attach(self.net.parameters())
        self.step, self.called = self._step, self.net
        if variant == "trace":
            self.step = trace(self._step, symbolic=True)
            self.called = trace(self.net, symbolic=True)

    def _step(self, x: Any, y: Any) -> Any:
        with self.gradients:
            loss = F.loss.cross_entropy(self.net(x), y)
            self.gradients.backward(loss)
        self.optimizer.step().clear_grad()
        return loss

    def train(self, x: Any, y: Any) -> Any:
        self.net.train()
        losses = [
            self.step(Tensor(x[rows]), Tensor(y[rows].astype(np.int32)))
            for rows in np.random.permutation(len(x)).reshape(-1, self.task.batch)
        ]
        *_, last = self.net.parameters()
        last.numpy()  # it is known after the losses; until then training goes on in the background
        return [loss.numpy() for loss in losses]

    def predict(self, x: Any) -> Any:
        self.net.eval()
        return self.called(Tensor(x)).numpy()


contender = Contender
