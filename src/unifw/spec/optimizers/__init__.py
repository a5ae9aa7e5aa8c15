"""Optimizers: their settings, and their one formula, written once for every framework.

``update`` uses nothing but arithmetic and a few named operations, so NumPy arrays, Paddle, MindSpore
and MegEngine tensors all go through the very same lines; no framework's own defaults come in. (Where a
framework has the very same step as one kernel, proved by the conformance suite, its plugin may take that.) (The
graph compiler of MindSpore reads the source of ``update``, so its lines are of the plainest kind.)
Formulas follow PyTorch's where it has them: epsilon outside the root, states from zero, the momentum
buffer without the rate, weight decay added to the gradient (but not in AdamW, Lamb and Lion). See
``docs/semantics.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from unifw.spec import schedules
from unifw.spec.optimizers.adam import Adam, Adamax, AdamW, Lamb, NAdam, RAdam
from unifw.spec.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from unifw.spec.optimizers.base import Ops, Optimizer, PlainOps
from unifw.spec.optimizers.descent import SGD, Lion
from unifw.spec.optimizers.groups import Group, no_decay
from unifw.spec.optimizers.lbfgs import LBFGS
from unifw.spec.value import Value, named

__all__ = [
    "CATALOGUE",
    "LBFGS",
    "SGD",
    "STORED",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Group",
    "Lamb",
    "Lion",
    "NAdam",
    "Ops",
    "Optimizer",
    "PlainOps",
    "RAdam",
    "RMSprop",
    "no_decay",
    "optimizer",
]

KINDS = (
    SGD, Adam, AdamW, Adamax, NAdam, RAdam, Lamb, Lion, RMSprop, Adagrad, Adadelta, Ftrl, LBFGS,
)  # fmt: skip
# What a stored optimizer may be made of.
STORED: Mapping[str, type[Value]] = MappingProxyType(
    {kind.__name__: kind for kind in (*KINDS, *schedules.KINDS, Group)}
)
CATALOGUE: Mapping[str, type[Optimizer]] = MappingProxyType({kind.__name__: kind for kind in KINDS})
_SHORT = MappingProxyType({name.lower(): kind for name, kind in CATALOGUE.items()})


def optimizer(given: Any) -> Optimizer:
    """Turn ``"adam"``, ``"sgd"`` … or an instance into an optimizer."""
    result: Optimizer = named(given, Optimizer, _SHORT, "optimizer")
    return result
