"""Dense layers as products of rows, the gradient of the bias among them."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from unifw.backends.eager import Call, Forward
from unifw.spec.graph import Placed

__all__ = ["dense"]

# From how many outputs of a batch on summing up a bias's gradient takes longer than a backward pass in Python.
MANY = 1 << 16


class Product(PyLayer):
    """``(x, weight, bias) -> x @ weight + bias`` of rows, where weight and bias want gradients.

    The framework's gradient of the bias takes longer than the two products together (paddle 3.3, on CPU);
    a product with ones is the same sum.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
        ctx.save_for_backward(x, weight)
        ctx.is_first = x.stop_gradient
        return paddle.addmm(bias, x, weight)

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        x, weight = ctx.saved_tensor()
        to_x = None if ctx.is_first else paddle.matmul(dy, weight, transpose_y=True)
        ones = paddle.ones(dy.shape[:1], dtype=dy.dtype)
        return to_x, paddle.matmul(x, dy, transpose_x=True), paddle.matmul(ones, dy)


def _linear(call: Call) -> Any:
    # Paddle's weight is (in, out), as ours.
    return F.linear(call.x, call.weights["weight"], call.weights.get("bias"))


def dense(placed: Placed) -> Forward:
    """Return the rule of a dense layer."""
    # For rows, addmm takes half the time that F.linear takes (3.3); but its backward ends the process
    # where the bias wants no gradient.
    layer = placed.layer
    if not (layer.bias and layer.trainable):
        return _linear
    inside, outside, of_rows = placed.in_shape[-1], placed.out_shape, len(placed.in_shape) == 1

    def forward(call: Call) -> Any:
        if not (of_rows or paddle.in_dynamic_mode()):
            return _linear(call)
        weight, bias = call.weights["weight"], call.weights["bias"]
        x = call.x if of_rows else call.x.reshape([-1, inside])
        if call.training and x.shape[0] * layer.units >= MANY:
            y = Product.apply(x, weight, bias)
        else:
            y = paddle.addmm(bias, x, weight)
        return y if of_rows else y.reshape([-1, *outside])

    return forward
