"""What the rules are in float64: as in float32, but where an operation keeps a setting in single precision.

Such settings are the epsilon of normalisation, the weight of a new batch, the alpha of ELU, and one over the
size of a window in the gradient of its mean (paddle 3.3).
"""

from __future__ import annotations

import math
from typing import Any

import paddle

from unifw.backends.eager import Call, Forward, activation, by_formula
from unifw.backends.paddle.functional import functional
from unifw.backends.paddle.rules import rules as singles
from unifw.formulas.table import formulas
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["rules"]

rules = Rules("backend 'paddle' in float64")
BY_FORMULA = (
    L.AvgPool1D, L.AvgPool2D, L.AvgPool3D, L.LayerNorm, L.GroupNorm, L.InstanceNorm,
)  # fmt: skip

for kind in BY_FORMULA:
    rules(kind)(by_formula(functional)(formulas.of(kind)))


@rules(L.BatchNorm)
def batch_norm(placed: Placed) -> Forward:
    layer, channels = placed.layer, placed.in_shape[0]
    positions = math.prod(placed.in_shape[1:])

    def forward(call: Call) -> Any:
        x, part = call.x.reshape([-1, channels, positions]), call.weights
        mean, var = part["running_mean"], part["running_var"]
        if call.training and layer.trainable:
            new_mean = x.mean([0, 2])
            centred = x - new_mean.unsqueeze(1)
            new_var = (centred * centred).mean([0, 2])
            count = x.shape[0] * positions
            with paddle.no_grad():
                mean.add_((new_mean - mean) * layer.momentum)
                var.add_((new_var * (count / max(count - 1, 1)) - var) * layer.momentum)
        else:
            centred, new_var = x - mean.unsqueeze(1), var
        y = centred / paddle.sqrt(new_var + layer.epsilon).unsqueeze(1)
        if layer.affine:
            y = y * part["weight"].unsqueeze(1) + part["bias"].unsqueeze(1)
        return y.reshape(call.x.shape)

    return forward


def _elu(layer: L.ELU, x: Any) -> Any:
    below = paddle.where(x > 0, paddle.zeros_like(x), x)
    return paddle.where(x > 0, x, paddle.expm1(below) * layer.alpha)


rules(L.ELU)(activation(_elu))


rules.adopt(singles, lambda rule: rule)
