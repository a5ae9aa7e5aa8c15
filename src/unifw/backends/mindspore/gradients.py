"""Operations whose gradient is written out: MindSpore 2.10's own takes two to four times as long on CPU.

Sums along the last axis are products with a column, which take a quarter of the time of a sum.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

__all__ = ["Gelu", "Normalise", "Softmax"]


class Gelu(nn.Cell):
    """``x -> (x P, P)``, ``P`` being the share of the normal distribution below ``x``."""

    def __init__(self) -> None:
        super().__init__(auto_prefix=False)
        self.root, self.density = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)

    def construct(self, x: Any) -> Any:
        share = ops.erf(x * self.root) * 0.5 + 0.5
        return x * share, share

    def bprop(self, x: Any, out: Any, given: Any) -> Any:
        bell = ops.exp(x * x * -0.5) * self.density
        return (given[0] * (out[1] + x * bell),)


class Softmax(nn.Cell):
    """Along the last axis."""

    def __init__(self) -> None:
        super().__init__(auto_prefix=False)
        self.product = ops.MatMul()

    def construct(self, x: Any) -> Any:
        return ops.softmax(x, -1)

    def bprop(self, x: Any, out: Any, given: Any) -> Any:
        size = x.shape[-1]
        rows = ops.reshape(out, (-1, size))
        weighted = rows * ops.reshape(given, (-1, size))
        found = weighted - rows * self.product(weighted, ops.ones((size, 1)))
        return (ops.reshape(found, x.shape),)


class Normalise(nn.Cell):
    """``(x, weight, bias) -> (y, centred, scale)``, each row of ``x`` by itself.

    Parameters
    ----------
    size : int
        Of a row.
    epsilon : float
        What is added to the variance.
    """

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__(auto_prefix=False)
        self.size, self.epsilon = size, epsilon
        self.product, self.turned = ops.MatMul(), ops.MatMul(transpose_a=True)
        self.mean = Tensor(np.full((size, 1), 1 / size, dtype=np.float32))

    def construct(self, x: Any, weight: Any, bias: Any) -> Any:
        centred = x - self.product(x, self.mean)
        variance = self.product(centred * centred, self.mean)
        scale = 1.0 / ops.sqrt(variance + self.epsilon)
        return centred * scale * weight + bias, centred, scale

    def bprop(self, x: Any, weight: Any, bias: Any, out: Any, given: Any) -> Any:  # noqa: ARG002
        _, centred, scale = out
        grad = given[0]
        along = grad * centred
        shares = ops.reshape(weight, (self.size, 1)) * self.mean
        mean = self.product(grad, shares)
        slope = self.product(along, shares) * scale * scale
        to_x = (grad * weight - mean - centred * slope) * scale
        to_weight = ops.reshape(self.turned(along, scale), (self.size,))
        return to_x, to_weight, ops.sum(grad, 0)
