"""What is trained: sizes and data. The nets themselves stand with each contender, in its own words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BLOCKS", "CLASSES", "HEADS", "MOMENTUM", "RATE", "TASKS", "Task", "task"]

# Plain descent with momentum has one meaning everywhere; Adam is written out where a task says so.
RATE, MOMENTUM = 0.01, 0.9
CLASSES = 10


@dataclass(frozen=True)
class Task:
    """A net to train.

    Attributes
    ----------
    net : {"mlp", "lenet", "resnet8", "lstm", "transformer"}
        Which architecture. The LSTM reads words, by an embedding, and gives its last state; the transformer
        is of two blocks, normalised first, with four heads and an inner width of four times the features.
    shape : tuple of int
        Of one sample.
    batch : int
        Rows in a step.
    widths : tuple of int
        Of an MLP's hidden layers; of an LSTM's embedding and state.
    optimizer : {"momentum", "adam"}
        How it is trained.
    words : int
        How many different words there are, where samples are words; else 0.
    """

    net: str
    shape: tuple[int, ...]
    batch: int
    widths: tuple[int, ...] = ()
    optimizer: str = "momentum"
    words: int = 0

    @property
    def size(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)

    def data(self, rows: int) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.int64]]:
        """Return ``rows`` samples of noise, and their classes."""
        draw = np.random.default_rng(0)
        x: npt.NDArray[np.generic]
        if self.words:
            x = draw.integers(0, self.words, (rows, *self.shape))
        else:
            # At once in single precision: peak memory is measured, and is not to be that of drawing.
            x = draw.standard_normal((rows, *self.shape), np.float32)
        return x, draw.integers(0, CLASSES, rows)


BLOCKS, HEADS = 2, 4
SMALL, LARGE = (128, 64), (512, 512)
TASKS = {
    "mlp-small": Task("mlp", (64,), 32, SMALL),
    "mlp-small@256": Task("mlp", (64,), 256, SMALL),
    "mlp-small-adam": Task("mlp", (64,), 32, SMALL, "adam"),
    "mlp-large": Task("mlp", (784,), 128, LARGE),
    "lenet@16": Task("lenet", (1, 28, 28), 16),
    "lenet": Task("lenet", (1, 28, 28), 64),
    "lenet@256": Task("lenet", (1, 28, 28), 256),
    "resnet8": Task("resnet8", (3, 32, 32), 32),
    "lstm": Task("lstm", (60,), 32, (64, 128), "adam", words=1000),
    "transformer": Task("transformer", (64, 64), 32, optimizer="adam"),
}


def task(name: str) -> Task:
    """Return the task of that name, or end with the names there are."""
    if name not in TASKS:
        message = f"no task {name!r}; there are: {', '.join(TASKS)}"
        raise SystemExit(message)
    return TASKS[name]
