"""Activations; where one has kinks, its input lies exactly on them as well."""

from __future__ import annotations

from unifw import layers as L
from unifw.initializers import Constant
from unifw.testing.cases.kinds import IMAGE, SERIES, LayerCase, unary

__all__ = ["CASES"]

CASES: tuple[LayerCase, ...] = (
    unary("mish", L.Mish(), (6, 4), "zeros"),
    unary("prelu", L.PReLU(), (6,), "zeros"),
    unary("prelu-image", L.PReLU(), IMAGE, "zeros"),
    unary("prelu-shared", L.PReLU(shared=True, weight_init=Constant(0.4)), IMAGE, "zeros"),
    unary("relu6", L.ReLU6(), (6, 4), "wide"),
    unary("hardtanh", L.Hardtanh(), (6, 4), "ties"),
    unary("hardtanh-bounds", L.Hardtanh(-2, 0.5), (6, 4), "ties"),
    unary("hard-sigmoid", L.HardSigmoid(), (6, 4), "wide"),
    unary("hard-sigmoid-slope", L.HardSigmoid(0.25, 0.25), (6, 4), "wide"),
    unary("hard-swish", L.HardSwish(), (6, 4), "wide"),
    unary("selu", L.SELU(), (6, 4), "zeros"),
    unary("selu-large", L.SELU(), (6, 4), "large"),
    unary("celu", L.CELU(), (6, 4), "zeros"),
    unary("celu-alpha", L.CELU(0.6), (6, 4), "large"),
    unary("softplus", L.Softplus(), (6, 4), "zeros"),
    unary("softplus-beta", L.Softplus(2.5), (6, 4), "large"),
    unary("softsign", L.Softsign(), (6, 4), "zeros"),
    unary("log-sigmoid", L.LogSigmoid(), (6, 4), "zeros"),
    unary("log-sigmoid-large", L.LogSigmoid(), (6, 4), "large"),
    unary("glu", L.GLU(), (6, 4)),
    unary("glu-channels", L.GLU(1), IMAGE),
    unary("glu-middle", L.GLU(-2), (2, *SERIES)),
)
