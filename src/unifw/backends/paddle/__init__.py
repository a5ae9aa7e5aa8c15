"""PaddlePaddle: eager mode, its fastest for training on CPU (to_static measured slower)."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext, redirect_stderr
from io import StringIO

from unifw.backend import Backend, Options, Session
from unifw.backends.mkl import kernels, unless_set
from unifw.spec.graph import Graph

__all__ = ["PaddleBackend"]

THREADS = "OMP_NUM_THREADS"


class PaddleBackend(Backend):
    """Baidu's PaddlePaddle."""

    name = "paddle"
    title = "PaddlePaddle"
    module = "paddle"
    distributions = ("paddlepaddle", "paddlepaddle-gpu", "paddlepaddle-xpu", "paddlepaddle-npu")
    tested = ">=3.3,<3.4"
    dtypes = ("float32", "float64")
    advice = "it has wheels for Python 3.9 to 3.13"
    pythons = ("3.11", "3.10", "3.12", "3.13")
    pins = ("paddlepaddle==3.3.1", "numpy==2.2.6", "setuptools<81")

    def load(self) -> None:
        """Import Paddle, with a thread for each core unless ``OMP_NUM_THREADS`` says otherwise.

        Left alone, it takes a single one (paddle 3.3), and warns of more on standard error. Its MKL, of 2019,
        is told of processors of another make.
        """
        if self.module in sys.modules:
            super().load()
            return
        wanted = {THREADS: str(os.cpu_count() or 1)} | kernels()
        # What it says of threads that the user has set is for the user.
        is_ours = THREADS not in os.environ
        with unless_set(wanted), redirect_stderr(StringIO()) if is_ours else nullcontext():
            super().load()
            _multiply()

    def devices(self) -> tuple[str, ...]:
        import paddle

        found = (
            *paddle.device.get_available_device(),
            *paddle.device.get_available_custom_device(),
        )
        return ("cpu", *(device for device in found if device != "cpu"))

    def unmixed(self, device: str) -> str | None:
        if device != "cpu":
            return None
        # amp.auto_cast says so itself, and a product of float16 or bfloat16 ends in an error.
        return "Paddle 3.3 has no kernels for products in half precision on a CPU"

    def missing(self, graph: Graph, options: Options) -> list[str]:
        from unifw.backends.paddle.tables import rules_for
        from unifw.backends.paddle.training import rules as loss_rules

        return rules_for(options).gaps(graph.labelled) + loss_rules.gaps(options.labelled)

    def session(self, graph: Graph, options: Options) -> Session:
        from unifw.backends.paddle.session import PaddleSession

        return PaddleSession(graph, options)


def _multiply() -> None:
    """Take a product, as MKL reads its environment when it is first called (paddle 3.3)."""
    import paddle

    square = paddle.to_tensor([[1.0, 0.0], [0.0, 1.0]], place="cpu")
    paddle.matmul(square, square)
