"""MegEngine: eager mode (its trace measured no faster on CPU)."""

from __future__ import annotations

import sys

from unifw.backend import Backend, Options, Session
from unifw.backends.mkl import kernels, unless_set
from unifw.spec.graph import Graph

__all__ = ["MegEngineBackend"]


class MegEngineBackend(Backend):
    """Megvii's MegEngine."""

    name = "megengine"
    title = "MegEngine"
    module = "megengine"
    distributions = ("megengine",)
    tested = ">=1.13,<1.14"
    narrow = "MegEngine 1.13 has no float64 tensors"
    advice = "it has wheels for Python 3.8 to 3.10 only, and needs NumPy 1 and setuptools below 81"
    pythons = ("3.10",)
    pins = (
        "megengine==1.13.0", "numpy==1.26.4", "setuptools<81", "opencv-python<4.12", "ml-dtypes<0.6",
    )  # fmt: skip

    def load(self) -> None:
        """Import MegEngine; its MKL is told of processors of another make."""
        if self.module in sys.modules:
            super().load()
            return
        with unless_set(kernels()):
            super().load()
            _multiply()

    def devices(self) -> tuple[str, ...]:
        from megengine.device import get_device_count

        # Without a GPU its library writes a few lines about drivers to standard error (1.13), which
        # no setting turns off; so nobody asks for devices who wants the CPU.
        return ("cpu", *(f"gpu:{number}" for number in range(get_device_count("gpu"))))

    def unmixed(self, device: str) -> None:
        del device

    def missing(self, graph: Graph, options: Options) -> list[str]:
        from unifw.backends.megengine.tables import rules_for
        from unifw.backends.megengine.training import rules as loss_rules

        return rules_for(options).gaps(graph.labelled) + loss_rules.gaps(options.labelled)

    def session(self, graph: Graph, options: Options) -> Session:
        from unifw.backends.megengine.session import MegEngineSession

        return MegEngineSession(graph, options)


def _multiply() -> None:
    """Take a product, as MKL reads its environment when it is first called (megengine 1.13)."""
    import megengine
    import megengine.functional as F

    square = megengine.Tensor([[1.0, 0.0], [0.0, 1.0]], device="cpux")
    F.matmul(square, square).numpy()  # else it may be worked out later
