"""PyTorch, as an outside yardstick: a plain loop."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.tasks import BLOCKS, CLASSES, HEADS, MOMENTUM, RATE, Task

VERSION = f"PyTorch {torch.__version__}"
VARIANTS = ("eager",)


class Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside),
        )  # fmt: skip
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.short = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Any) -> Any:
        return F.relu(self.main(x) + self.short(x))


class Last(nn.Module):
    def forward(self, read: Any) -> Any:
        return read[0][:, -1]


class Pooled(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


def encoder(size: int) -> nn.Module:
    return nn.TransformerEncoderLayer(
        size, HEADS, 4 * size, 0.0, "gelu", batch_first=True, norm_first=True
    )


def net(task: Task) -> nn.Module:
    if task.net == "lstm":
        embedded, units = task.widths
        return nn.Sequential(
            nn.Embedding(task.words, embedded), nn.LSTM(embedded, units, batch_first=True), Last(),
            nn.Linear(units, CLASSES),
        )  # fmt: skip
    if task.net == "transformer":
        size = task.shape[1]
        blocks = (encoder(size) for _ in range(BLOCKS))
        return nn.Sequential(*blocks, nn.LayerNorm(size), Pooled(), nn.Linear(size, CLASSES))
    if task.net == "mlp":
        sizes = (task.size, *task.widths)
        hidden = (layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU()))
        return nn.Sequential(*hidden, nn.Linear(sizes[-1], CLASSES))
    if task.net == "lenet":
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, CLASSES),
        )  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES),
    )  # fmt: skip


class Contender:
    def __init__(self, task: Task, variant: str) -> None:
        del variant
        self.task, self.net = task, net(task)
        self.optimizer: Any = torch.optim.SGD(self.net.parameters(), RATE, MOMENTUM)
        if task.optimizer == "adam":
            self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-3)

    def train(self, x: Any, y: Any) -> Any:
        self.net.train()
        losses = []
        for rows in np.random.permutation(len(x)).reshape(-1, self.task.batch):
            loss = F.cross_entropy(self.net(torch.from_numpy(x[rows])), torch.from_numpy(y[rows]))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).numpy()

    def predict(self, x: Any) -> Any:
        self.net.eval()
        with torch.no_grad():
            return self.net(torch.from_numpy(x)).numpy()


contender = Contender
