"""Keras on PyTorch, as an outside yardstick: ``model.fit``."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
from keras import layers

from benchmarks.tasks import BLOCKS, CLASSES, HEADS, MOMENTUM, RATE, Task

VERSION = f"Keras {keras.__version__} on PyTorch"
VARIANTS = ("fit",)


def normalised(x: Any, filters: int, size: int, stride: int) -> Any:
    y = layers.Conv2D(filters, size, stride, "same", use_bias=False)(x)
    return layers.BatchNormalization()(y)


def block(x: Any, filters: int, stride: int) -> Any:
    y = normalised(layers.ReLU()(normalised(x, filters, 3, stride)), filters, 3, 1)
    short = x if stride == 1 and x.shape[-1] == filters else normalised(x, filters, 1, stride)
    return layers.ReLU()(layers.Add()([y, short]))


def encoded(x: Any) -> Any:
    size = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5)(x)
    x = layers.Add()([x, layers.MultiHeadAttention(HEADS, size // HEADS)(y, y)])
    y = layers.Dense(4 * size, "gelu")(layers.LayerNormalization(epsilon=1e-5)(x))
    return layers.Add()([x, layers.Dense(size)(y)])


def net(task: Task) -> Any:
    # Keras is at its best with channels last; the data are turned over before the clock starts.
    shape = (*task.shape[1:], task.shape[0]) if len(task.shape) > 2 else task.shape
    x = start = keras.Input(shape, dtype="int32" if task.words else "float32")
    if task.net == "mlp":
        for width in task.widths:
            x = layers.Dense(width, "relu")(x)
    elif task.net == "lenet":
        for filters in (16, 32):
            x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, 1, "same", activation="relu")(x))
        x = layers.Dense(128, "relu")(layers.Flatten()(x))
    elif task.net == "lstm":
        x = layers.LSTM(task.widths[1])(layers.Embedding(task.words, task.widths[0])(x))
    elif task.net == "transformer":
        for _ in range(BLOCKS):
            x = encoded(x)
        x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(x))
    else:
        x = layers.ReLU()(normalised(x, 16, 3, 1))
        for filters, stride in ((16, 1), (32, 2), (64, 2)):
            x = block(x, filters, stride)
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(CLASSES)(x))


class Contender:
    def __init__(self, task: Task, variant: str) -> None:
        del variant
        self.task, self.net = task, net(task)
        optimizer: Any = keras.optimizers.SGD(RATE, MOMENTUM)
        if task.optimizer == "adam":
            optimizer = keras.optimizers.Adam(1e-3)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.net.compile(optimizer, loss)

    def _last(self, x: Any) -> Any:
        return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x

    def train(self, x: Any, y: Any) -> Any:
        told = self.net.fit(self._last(x), y, batch_size=self.task.batch, epochs=1, verbose=0)
        return told.history["loss"]

    def predict(self, x: Any) -> Any:
        return self.net.predict_on_batch(self._last(x))


contender = Contender
