"""The embedded backend: forward and backward in plain NumPy, in float32 or float64.

In float64 it is the reference that all other backends are judged by.
"""

from __future__ import annotations

from unifw.backend import Backend, Options, Session
from unifw.spec.graph import Graph

__all__ = ["NumpyBackend"]


class NumpyBackend(Backend):
    """NumPy, which is always there."""

    name = "numpy"
    title = "NumPy"
    module = "numpy"
    distributions = ("numpy",)
    tested = ">=1.25,<3"
    dtypes = ("float32", "float64")
    pythons = ("3.11", "3.10", "3.12", "3.13")
    pins = ("numpy==2.2.6",)

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def unmixed(self, device: str) -> str:
        del device
        # Measured, NumPy 1.26: 256 x 256 by 256 x 256 takes 190 ms in float16, 1 ms in float32.
        return "NumPy has no bfloat16, and multiplies matrices of float16 some 200 times slower"

    def missing(self, graph: Graph, options: Options) -> list[str]:
        from unifw.backends.numpy.rules import rules
        from unifw.measures.losses import rules as loss_rules

        return rules.gaps(graph.labelled) + loss_rules.gaps(options.labelled)

    def session(self, graph: Graph, options: Options) -> Session:
        from unifw.backends.numpy.session import NumpySession

        return NumpySession(graph, options)
