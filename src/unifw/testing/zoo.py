"""Every architecture of the zoo at a small size, with real data to train it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw import zoo
from unifw.data import Data
from unifw.spec.graph import Graph
from unifw.spec.losses import BinaryCrossEntropy, CrossEntropy, Loss
from unifw.testing.compare import digits

__all__ = ["ZOO", "ZooCase"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ZooCase:
    """A small net of the zoo, and how it is trained.

    Attributes
    ----------
    name : str
        Of the test: the function in ``uf.zoo``, and what is special.
    graph : Graph
        The net, as shallow and narrow as the architecture allows.
    data : callable
        Gives rows to train on, made of scikit-learn's digits.
    rate : float
        Of plain descent.
    loss : Loss
        Default cross-entropy.
    """

    name: str
    graph: Graph
    data: Callable[[], Data]
    rate: float
    loss: Loss = CrossEntropy()  # noqa: RUF009 - a frozen value


def images(times: int = 1) -> Callable[[], Data]:
    """Return the digits, each ``times`` by ``times`` beside and below itself.

    Enlarged ones would be full of equal neighbours, and max pooling of ties that rounding decides.
    """
    return lambda: Data(tuple(np.tile(x, (1, 1, times, times)) for x in digits().xs), digits().ys)


def pixels() -> Array:
    """Return the digits as what they are: 64 whole numbers from 0 to 16."""
    (x,) = digits().xs
    return (x.reshape(len(x), -1) * 16).astype(np.int64)


def sentences() -> Data:
    """Return the digits as texts of 64 words out of 17."""
    return Data((pixels(),), digits().ys)


def columns() -> Data:
    """Return the digits as texts of 8 words, the sums of their columns; the blank end is no text."""
    words = pixels().reshape(-1, 8, 8).sum(axis=1) // 8
    lengths = np.maximum(8 - np.argmax(words[:, ::-1] > 0, axis=1), 1).reshape(-1, 1)
    return Data((words, lengths), digits().ys)


def lines() -> Data:
    """Return the digits as texts of 16 words out of 17: their third and fourth line."""
    return Data((pixels()[:, 16:32],), digits().ys)


def ink() -> Data:
    """Return the digits, and wanted is which pixels are darker than half."""
    return Data(digits().xs, ((digits().xs[0] > 0.5).astype(np.float32),))


def copies() -> Data:
    """Return the digits as their own targets."""
    return Data(digits().xs, digits().xs)


def table() -> Data:
    """Return 16 pixels as categories and 8 as numbers; wanted is whether the digit is odd."""
    fields = pixels()[:, 20:36] + np.arange(16) * 17
    numbers = digits().xs[0].reshape(len(fields), -1)[:, 40:48]
    odd = (digits().ys[0] % 2).reshape(-1, 1).astype(np.float32)
    return Data((fields, numbers), (odd,))


def matrix() -> Data:
    """Return the 64 pixels as columns of a sparse matrix, at most 20 a row; wanted is as for ``table``."""
    pictures = digits().xs[0].reshape(len(digits()), -1)
    rows = np.argsort(-pictures, axis=1, kind="stable")[:, :20]
    values = np.take_along_axis(pictures, rows, axis=1)
    return Data((np.where(values > 0, rows + 1, 0), values), table().ys)


# Rounding decides some three ReLUs in a million, and where one falls to the other side, curves that
# are both right part. The rates are such that perturbing the first weights by 1e-6 moves no curve
# of NumPy in float64 by more than 2e-4, and no end of a weight's way by more than 2e-2 (measured).
ZOO: tuple[ZooCase, ...] = (
    ZooCase("mlp", zoo.mlp(10, (1, 8, 8), hidden=(32, 16)), images(), 0.1),
    ZooCase(
        "autoencoder", zoo.autoencoder((1, 8, 8), hidden=(32, 16), code=4), copies, 0.5,
        BinaryCrossEntropy(),
    ),
    ZooCase("lenet5", zoo.lenet5(10, (1, 16, 16)), images(2), 0.05),
    ZooCase("alexnet", zoo.alexnet(10, (1, 64, 64), width=1 / 64), images(8), 0.0005),
    ZooCase("alexnet_small", zoo.alexnet_small(10, (1, 16, 16), width=1 / 32), images(2), 0.002),
    ZooCase("vgg", zoo.vgg((1, 2), 10, (1, 8, 8), width=1 / 16, hidden=16), images(), 0.001),
    ZooCase("resnet_cifar", zoo.resnet_cifar(1, 10, (1, 8, 8), width=4), images(), 0.002),
    ZooCase("resnet", zoo.resnet((1, 1), 10, (1, 16, 16), width=4), images(2), 0.002),
    ZooCase(
        "resnet_bottleneck", zoo.resnet((1, 1), 10, (1, 16, 16), width=4, bottleneck=True),
        images(2), 0.001,
    ),
    ZooCase(
        "squeezenet", zoo.squeezenet(10, (1, 16, 16), width=1 / 4, stages=((16,), (32,))),
        images(2), 0.01,
    ),
    ZooCase(
        "shufflenet_v1",
        zoo.shufflenet_v1(10, (1, 16, 16), groups=2, width=0.08, depths=(2, 1)),
        images(2), 0.002,
    ),
    ZooCase(
        "shufflenet_v2",
        zoo.shufflenet_v2(10, (1, 16, 16), filters=(8,), depths=(2,), stem=4, last=16),
        images(2), 0.002,
    ),
    ZooCase(
        "mobilenet_v2",
        zoo.mobilenet_v2(
            10, (1, 16, 16), width=1 / 4, stages=((1, 16, 1, 2), (2, 16, 1, 1)), last=16, dropout=0
        ),
        images(2), 0.005,
    ),
    ZooCase(
        "unet_small", zoo.unet_small(1, (1, 8, 8), width=3, depth=1), ink, 0.1, BinaryCrossEntropy()
    ),
    ZooCase("lstm_classifier", zoo.lstm_classifier(17, 8, 10, embedding=8, units=8), columns, 3.0),
    ZooCase(
        "transformer_classifier",
        zoo.transformer_classifier(17, 16, 10, embedding=8, hidden=8, units=8, dropout=0),
        lines, 0.1,
    ),
    ZooCase("text_cnn", zoo.text_cnn(17, 64, 10, embedding=8, filters=8), sentences, 0.03),
    ZooCase(
        "wide_and_deep", zoo.wide_and_deep(16 * 17, 16, 8, embedding=4, hidden=(16, 8)), table, 0.1,
        BinaryCrossEntropy(),
    ),
    ZooCase(
        "deepfm", zoo.deepfm(16 * 17, 16, 8, embedding=4, hidden=(16, 8), dropout=0), table, 0.1,
        BinaryCrossEntropy(),
    ),
    ZooCase("wide", zoo.wide(65, 20), matrix, 0.1, BinaryCrossEntropy()),
    ZooCase(
        "deepfm_values",
        zoo.deepfm(65, 20, embedding=4, hidden=(16, 8), dropout=0, values=True), matrix, 0.1,
        BinaryCrossEntropy(),
    ),
)  # fmt: skip
