"""MindSpore: one compiled graph for a whole training step, once there are steps enough to pay for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

from unifw.backend import Backend, Options, Session, Setting
from unifw.errors import SpecError
from unifw.spec.graph import Graph

__all__ = ["MindSporeBackend"]


@cache
def _accelerators() -> tuple[str, ...]:
    """Ask once: where a kind is not there, MindSpore logs several lines about it."""
    from mindspore import hal

    logging.disable(logging.WARNING)
    try:
        kinds = [kind for kind in ("Ascend", "GPU") if hal.is_available(kind)]
        counts = {kind.lower(): hal.device_count(kind) for kind in kinds}
    finally:
        logging.disable(logging.NOTSET)
    return tuple(f"{kind}:{number}" for kind, count in counts.items() for number in range(count))


def _jit(name: str, value: Any) -> bool | str:
    if isinstance(value, bool) or value == "auto":
        return value
    message = f"{name} must be 'auto', True or False, got {value!r}"
    raise SpecError(message)


class MindSporeBackend(Backend):
    """Huawei's MindSpore."""

    name = "mindspore"
    title = "MindSpore"
    module = "mindspore"
    distributions = ("mindspore", "mindspore-ascend", "mindspore-gpu")
    tested = ">=2.10,<2.11"
    # Measured: a slope of 0.3 times float64 is 1e-8 off; so are decays, momenta and epsilons.
    narrow = (
        "MindSpore 2.10's graph compiler takes the numbers of layers, losses and optimizers (a slope, "
        "a decay) in single precision"
    )
    # ImportError: undefined symbol dnnl_threadpool_interop_stream_create (both bring oneDNN).
    clashes = ("paddle",)
    advice = "it has wheels for Python 3.10 to 3.12, and needs NumPy 1"
    pythons = ("3.11", "3.10", "3.12")
    pins = ("mindspore==2.10.0", "numpy==1.26.4", "ml-dtypes<0.6")
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType({"jit": _jit})

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *_accelerators())

    def unmixed(self, device: str) -> None:
        del device

    def missing(self, graph: Graph, options: Options) -> list[str]:
        from unifw.backends.mindspore.losses import rules as loss_rules
        from unifw.backends.mindspore.rules import rules

        return rules.gaps(graph.labelled) + loss_rules.gaps(options.labelled)

    def session(self, graph: Graph, options: Options) -> Session:
        from unifw.backends.mindspore.session import MindSporeSession

        return MindSporeSession(graph, options)
