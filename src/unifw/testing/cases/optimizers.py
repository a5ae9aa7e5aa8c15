"""Optimizers, each with default and other arguments, and with what all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unifw import optimizers
from unifw import schedules as S

__all__ = ["DEEP", "OPTIMIZERS", "WHOLE_DATA"]

OPTIMIZERS: Mapping[str, optimizers.Optimizer] = MappingProxyType(
    {
        "sgd": optimizers.SGD(),
        "sgd-momentum": optimizers.SGD(0.01, 0.9),
        "sgd-nesterov": optimizers.SGD(0.01, 0.9, nesterov=True),
        "sgd-decay": optimizers.SGD(0.01, 0.8, weight_decay=0.05),
        "adam": optimizers.Adam(),
        "adam-options": optimizers.Adam(5e-4, 0.8, 0.95, 1e-3, 0.01),
        "adam-amsgrad": optimizers.Adam(amsgrad=True),
        "adamw": optimizers.AdamW(),
        "adamw-options": optimizers.AdamW(5e-4, 0.8, 0.95, 1e-3, 0.1),
        # At its default rate of 0.01 RMSprop's first steps are 0.1 per weight: the loss jumps about,
        # and rounding is amplified by 1e6 within 60 steps, on NumPy alone.
        "rmsprop": optimizers.RMSprop(1e-3),
        "rmsprop-options": optimizers.RMSprop(5e-4, 0.9, 1e-3, 0.8, weight_decay=0.01),
        "rmsprop-centered": optimizers.RMSprop(5e-4, 0.9, 1e-3, centered=True),
        "rmsprop-centered-momentum": optimizers.RMSprop(5e-4, 0.9, 1e-3, 0.5, centered=True),
        "adagrad": optimizers.Adagrad(),
        "adagrad-options": optimizers.Adagrad(0.005, 1e-2, 0.01),
        "adadelta": optimizers.Adadelta(),
        "adadelta-options": optimizers.Adadelta(0.5, 0.95, 1e-4, 0.01),
        "adamax": optimizers.Adamax(),
        "adamax-options": optimizers.Adamax(1e-3, 0.8, 0.95, 1e-3, 0.01),
        "nadam": optimizers.NAdam(),
        "nadam-options": optimizers.NAdam(1e-3, 0.8, 0.95, 1e-3, 0.01, 0.1),
        "radam": optimizers.RAdam(),
        # It begins to divide in its fourth step already.
        "radam-options": optimizers.RAdam(5e-4, 0.8, 0.95, 1e-3, 0.01),
        "lamb": optimizers.Lamb(),
        "lamb-options": optimizers.Lamb(5e-4, 0.8, 0.95, 1e-3, 0.1),
        "lion": optimizers.Lion(),
        "lion-options": optimizers.Lion(5e-5, 0.8, 0.95, 0.1),
        "ftrl": optimizers.Ftrl(),
        "ftrl-options": optimizers.Ftrl(0.05, 0.5, 1e-3, 1e-2, 0.3),
        "clip-norm": optimizers.SGD(0.05, clip_norm=0.5),
        "clip-norm-adam": optimizers.Adam(clip_norm=0.1),
        "momentum-warmup": optimizers.SGD(S.Warmup(S.InverseSqrt(0.02, 20), 15, 0.001), 0.9),
        "adam-restarts": optimizers.Adam(S.CosineRestarts(1e-3, 12, 2, 1e-4, 0.5)),
        "adamw-cosine": optimizers.AdamW(S.CosineDecay(1e-3, 60, 1e-4), weight_decay=0.5),
        "adagrad-steps": optimizers.Adagrad(S.StepDecay(0.01, 30, 0.5)),
        "rmsprop-one-cycle": optimizers.RMSprop(S.OneCycle(1e-3, 90), momentum=0.5),
        "adamw-groups": optimizers.AdamW(
            weight_decay=0.5,
            groups=(optimizers.Group("*.bias", 0.5, 0.0), optimizers.Group("*_1.*", 2.0)),
        ),
        "momentum-accumulate": optimizers.SGD(0.02, 0.9, accumulate=3, clip_norm=0.5),
        "everything": optimizers.Adam(
            S.CosineDecay(1e-3, 30),
            weight_decay=0.01,
            accumulate=3,
            ema=0.9,
            clip_norm=0.5,
            groups=(optimizers.Group("*.weight", 0.5),),
        ),
        "clip-value": optimizers.SGD(0.05, clip_value=0.02),
    }
)

# Those that take all rows in each step.
WHOLE_DATA: Mapping[str, optimizers.Optimizer] = MappingProxyType(
    {
        "lbfgs": optimizers.LBFGS(),
        "lbfgs-options": optimizers.LBFGS(S.ExponentialDecay(0.5, 0.9), 3, evaluations=4, ema=0.8),
        "lbfgs-plain": optimizers.LBFGS(0.5, line_search="none"),
    }
)

# Those whose curves are compared on the deeper net as well: each kind of step, with its options.
DEEP = (
    "sgd", "sgd-momentum", "sgd-nesterov", "sgd-decay", "adam", "adam-options", "adam-amsgrad", "adamw",
    "adamw-options", "rmsprop", "rmsprop-options", "rmsprop-centered", "rmsprop-centered-momentum", "adagrad",
    "adagrad-options", "clip-norm", "clip-norm-adam", "clip-value", "lamb", "everything",
)  # fmt: skip
