"""PaddlePaddle by hand: eager, compiled by ``to_static``, a static program, and ``paddle.Model.fit``.

Eager loops are run as Paddle sets itself up (one OpenMP thread) and with a thread for each core.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from benchmarks.tasks import BLOCKS, CLASSES, HEADS, MOMENTUM, RATE, Task

VERSION = f"PaddlePaddle {paddle.__version__}"
VARIANTS = ("eager", "eager-threads", "to_static-threads", "static-threads", "fit")


class Block(nn.Layer):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2D(inside, outside, 3, stride, 1, bias_attr=False), nn.BatchNorm2D(outside),
            nn.ReLU(),
            nn.Conv2D(outside, outside, 3, 1, 1, bias_attr=False), nn.BatchNorm2D(outside),
        )  # fmt: skip
        self.short = nn.Identity()
        if stride != 1 or inside != outside:
            self.short = nn.Sequential(
                nn.Conv2D(inside, outside, 1, stride, bias_attr=False), nn.BatchNorm2D(outside)
            )

    def forward(self, x: Any) -> Any:
        return F.relu(self.main(x) + self.short(x))


class Last(nn.Layer):
    def forward(self, read: Any) -> Any:
        return read[0][:, -1]


class Pooled(nn.Layer):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


def encoder(size: int) -> Any:
    return nn.TransformerEncoderLayer(size, HEADS, 4 * size, 0.0, "gelu", normalize_before=True)


def net(task: Task) -> Any:
    if task.net == "lstm":
        embedded, units = task.widths
        return nn.Sequential(
            nn.Embedding(task.words, embedded), nn.LSTM(embedded, units), Last(),
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
            nn.Conv2D(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2D(2),
            nn.Conv2D(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2D(2),
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, CLASSES),
        )  # fmt: skip
    return nn.Sequential(
        nn.Conv2D(3, 16, 3, padding=1, bias_attr=False), nn.BatchNorm2D(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(64, CLASSES),
    )  # fmt: skip


def optimizer(task: Task, parameters: Any) -> Any:
    if task.optimizer == "adam":
        return paddle.optimizer.Adam(1e-3, parameters=parameters)
    return paddle.optimizer.Momentum(RATE, MOMENTUM, parameters=parameters)


class Eager:
    def __init__(self, task: Task, *, compiled: bool = False) -> None:
        self.task, self.net = task, net(task)
        self.called = paddle.jit.to_static(self.net) if compiled else self.net
        self.optimizer = optimizer(task, self.net.parameters())

    def train(self, x: Any, y: Any) -> Any:
        self.net.train()
        losses = []
        for rows in np.random.permutation(len(x)).reshape(-1, self.task.batch):
            loss = F.cross_entropy(
                self.called(paddle.to_tensor(x[rows])), paddle.to_tensor(y[rows])
            )
            loss.backward()
            self.optimizer.step()
            self.optimizer.clear_grad()
            losses.append(loss.detach())
        return paddle.stack(losses).numpy()

    def predict(self, x: Any) -> Any:
        self.net.eval()
        with paddle.no_grad():
            return self.called(paddle.to_tensor(x)).numpy()


class Static:
    def __init__(self, task: Task) -> None:
        paddle.enable_static()
        self.task = task
        begin = paddle.static.Program()
        self.trained, self.loss = self._program(task, begin, training=True)
        # Built a second time, under the same names, for evaluation.
        self.evaluated, self.out = self._program(task, paddle.static.Program(), training=False)
        self.executor = paddle.static.Executor(paddle.CPUPlace())
        self.executor.run(begin)

    def _program(self, task: Task, begin: Any, *, training: bool) -> tuple[Any, Any]:
        program = paddle.static.Program()
        with paddle.static.program_guard(program, begin), paddle.utils.unique_name.guard():
            built = net(task)
            x = paddle.static.data("x", [None, *task.shape], "int64" if task.words else "float32")
            if not training:
                built.eval()
                return program, built(x)
            loss = F.cross_entropy(built(x), paddle.static.data("y", [None], "int64"))
            optimizer(task, None).minimize(loss)
            return program, loss

    def train(self, x: Any, y: Any) -> Any:
        losses = []
        for rows in np.random.permutation(len(x)).reshape(-1, self.task.batch):
            feed = {"x": x[rows], "y": y[rows]}
            (loss,) = self.executor.run(self.trained, feed, [self.loss], return_numpy=False)
            losses.append(loss)
        return np.stack([np.asarray(loss) for loss in losses])

    def predict(self, x: Any) -> Any:
        return self.executor.run(self.evaluated, {"x": x}, [self.out])[0]


class Rows(paddle.io.Dataset):
    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __getitem__(self, row: int) -> Any:
        return self.x[row], self.y[row]

    def __len__(self) -> int:
        return len(self.x)


class Fit:
    def __init__(self, task: Task) -> None:
        self.task = task
        self.model = paddle.Model(net(task))
        chosen = optimizer(task, self.model.parameters())
        self.model.prepare(chosen, nn.CrossEntropyLoss())

    def train(self, x: Any, y: Any) -> Any:
        self.model.fit(Rows(x, y[:, None]), batch_size=self.task.batch, epochs=1, verbose=0)
        return None

    def predict(self, x: Any) -> Any:
        return self.model.predict_batch([x])[0]


def contender(task: Task, variant: str) -> Any:
    if variant == "fit":
        return Fit(task)
    if variant.startswith("static"):
        return Static(task)
    return Eager(task, compiled=variant.startswith("to_static"))
