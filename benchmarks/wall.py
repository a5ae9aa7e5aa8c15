"""What the wall costs, measured side by side in one run: python benchmarks/wall.py [BACKEND …].

Prints medians of interleaved runs. A backend is measured where it can be imported here, since it is
compared with itself in this process; its worker runs in the same environment. The wire is compared
with execnet where that is installed (pip install execnet).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import unifw as uf
from unifw import demo, registry
from unifw.backend import Options, Plan
from unifw.data import Data
from unifw.isolate.child import Child
from unifw.isolate.remote import RemoteSession
from unifw.losses import CrossEntropy
from unifw.optimizers import Adam
from unifw.process import run_python
from unifw.weights import initial

ROUNDS = 9
BIG = 100_000_000


def seconds(action: Callable[[], Any]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved(*actions: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """Return the median time of each action, all of them run in turn."""
    times = [[seconds(action) for action in actions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def ignored(*_: int) -> None:
    """Take in how far an epoch is."""


def sessions(backend: str) -> None:
    """Compare one backend's epoch and its smallest prediction here and behind the wall."""
    net, (x, y) = demo.net(), demo.digits()
    options, weights, data = Options((CrossEntropy(),), Adam()), initial(net, 0), Data((x,), (y,))
    here = registry.backend(backend).open(net, options, weights)
    there = RemoteSession(backend, net, options, weights, sys.executable)

    def epoch(session: Any) -> Callable[[], Any]:
        return lambda: list(session.fit(data, Plan(0, 1, 64), ignored))

    def row(session: Any) -> Callable[[], Any]:
        return lambda: session.forward((x[:1],))

    interleaved(epoch(here), epoch(there), rounds=2)
    alone, isolated = interleaved(epoch(here), epoch(there), rounds=15)
    print(f"{backend}: an epoch of the digits CNN, batch 64: {isolated / alone:.3f} × in-process")
    interleaved(row(here), row(there), rounds=5)
    alone, isolated = interleaved(row(here), row(there), rounds=200)
    print(f"{backend}: predicting one row: {1e3 * (isolated - alone):.2f} ms added")
    there.close()


def start() -> None:
    """Measure a worker's start with NumPy, whose import is part of every start."""
    uf.isolate.dismiss()
    whole, bare = interleaved(
        lambda: Child(sys.executable, "a benchmark").close(),
        lambda: run_python(["-c", "import numpy"], what="NumPy", fails=uf.errors.UnifwError),
    )
    print(f"a worker starts in {whole:.2f} s, {whole - bare:.2f} s more than Python with NumPy")


def wire() -> None:
    """Send 100 MB to a worker, and small messages there and back."""
    child = Child(sys.executable, "a benchmark")
    net = uf.Sequential([uf.layers.Dense(1)], input_shape=1000)
    session = RemoteSession("numpy", net, Options(), initial(net, 0), sys.executable)
    data = Data((np.ones((BIG // 4000, 1000), np.float32),))
    own = [lambda: list(session.fit(data, Plan(0, 0))), lambda: child.ask("close")]
    theirs = _execnet(data.xs[0])
    big = interleaved(own[0], *theirs[:1], rounds=5)
    small = interleaved(own[1], *theirs[1:], rounds=300)
    print("100 MB to a worker and an answer:", *(f"{t:.3f} s" for t in big), "(ours, execnet)")
    print("a small round trip:", *(f"{1e3 * t:.3f} ms" for t in small), "(ours, execnet)")
    child.close()
    session.close()


def _execnet(array: Any) -> list[Callable[[], Any]]:
    try:
        import execnet
    except ImportError:
        return []
    gateway = execnet.makegateway(f"popen//python={sys.executable}")
    channel = gateway.remote_exec(
        "import numpy\n"
        "for dtype, shape, content in channel:\n"
        "    channel.send(int(numpy.frombuffer(content, dtype).reshape(shape).size))"
    )

    def ask(given: Any) -> None:
        channel.send((given.dtype.str, given.shape, given.tobytes()))
        channel.receive()

    return [lambda: ask(array), lambda: ask(array[:1, :1])]


if __name__ == "__main__":
    start()
    wire()
    for name in sys.argv[1:] or ["numpy"]:
        sessions(name)
    uf.isolate.dismiss()
