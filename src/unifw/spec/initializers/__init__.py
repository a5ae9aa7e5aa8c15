"""How weights begin: descriptions of random distributions, and the numbers they give.

The numbers come from NumPy's frozen legacy generator (``RandomState``, whose stream never changes),
keyed by the model's seed and the weight's name, so they are equal bit for bit on every backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from unifw.spec.initializers.base import Initializer, random_state
from unifw.spec.initializers.given import FromArray
from unifw.spec.initializers.matrices import Identity, Orthogonal
from unifw.spec.initializers.plain import Constant, Normal, TruncatedNormal, Uniform
from unifw.spec.initializers.scaled import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)
from unifw.spec.value import named

__all__ = [
    "CATALOGUE",
    "Constant",
    "FromArray",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Orthogonal",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "initializer",
    "random_state",
]

CATALOGUE: Mapping[str, type[Initializer]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            Constant,
            Uniform,
            Normal,
            TruncatedNormal,
            VarianceScaling,
            GlorotUniform,
            GlorotNormal,
            HeUniform,
            HeNormal,
            LecunUniform,
            LecunNormal,
            Orthogonal,
            Identity,
            FromArray,
        )
    }
)

_SHORT: Mapping[str, Initializer] = MappingProxyType(
    {
        "zeros": Constant(0.0),
        "ones": Constant(1.0),
        "uniform": Uniform(),
        "normal": Normal(),
        "truncated_normal": TruncatedNormal(),
        "variance_scaling": VarianceScaling(),
        "glorot_uniform": GlorotUniform(),
        "glorot_normal": GlorotNormal(),
        "he_uniform": HeUniform(),
        "he_normal": HeNormal(),
        "lecun_uniform": LecunUniform(),
        "lecun_normal": LecunNormal(),
        "orthogonal": Orthogonal(),
        "identity": Identity(),
    }
)


def initializer(given: Any) -> Initializer:
    """Turn ``"glorot_uniform"``, ``"zeros"`` … or an instance into an initializer."""
    if isinstance(given, str) and given in _SHORT:
        return _SHORT[given]
    result: Initializer = named(
        given, Initializer, {k: type(v) for k, v in _SHORT.items()}, "initializer"
    )
    return result
