"""The demonstration: a small CNN learns scikit-learn's real digits on every backend that is here."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from unifw import layers as L
from unifw import optimizers, registry
from unifw.errors import BackendError, NotInstalled
from unifw.model import Model, load
from unifw.parity import Parity, installed, parity
from unifw.process import run_python
from unifw.randomness import shuffled
from unifw.spec.graph import Graph, Sequential

__all__ = ["NETS", "Demo", "Run", "digits", "lenet", "main", "run"]

WANTED = 0.96
TOLERANCE = 1e-4
TEST_ROWS = 360


def lenet(activation: L.Layer, pool: L.Layer, name: str) -> Graph:
    """Return a small LeNet with batch norm for the digits."""
    return Sequential(
        [
            L.Conv2D(8, 3, padding="same"), L.BatchNorm(), activation, pool,
            L.Conv2D(16, 3, padding="same"), L.BatchNorm(), activation, pool,
            L.Flatten(), L.Dense(32), activation, L.Dense(10),
        ],
        input_shape=(1, 8, 8), name=name,
    )  # fmt: skip


def mlp() -> Graph:
    """Return a small MLP for the digits."""
    layers = [L.Flatten(), L.Dense(64), L.Tanh(), L.Dense(32), L.GELU(), L.Dense(10)]
    return Sequential(layers, input_shape=(1, 8, 8), name="mlp")


# The nets whose curves are compared. Where a ReLU or a maximum jumps from one side to the other,
# rounding alone decides which, and two curves that are both right part from there: in 100 steps of
# a LeNet of ReLU and MaxPool, NumPy float32 against float64 gave up to 2e-2, and 3e-6 with a smooth
# activation and mean pooling.
NETS: Mapping[str, Graph] = MappingProxyType(
    {"mlp": mlp(), "lenet": lenet(L.ELU(), L.AvgPool2D(2), "lenet")}
)


def net() -> Graph:
    """Return the CNN that the demonstration trains."""
    return Sequential(
        [
            L.Conv2D(16, 3, padding="same"), L.BatchNorm(), L.ReLU(), L.MaxPool2D(2),
            L.Conv2D(32, 3, padding="same"), L.BatchNorm(), L.ReLU(), L.MaxPool2D(2),
            L.Flatten(), L.Dropout(0.25), L.Dense(10),
        ],
        input_shape=(1, 8, 8),
        name="digits",
    )  # fmt: skip


def digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return 1797 handwritten digits, ``(n, 1, 8, 8)`` in [0, 1], shuffled, and their classes.

    Raises
    ------
    NotInstalled
        If scikit-learn, which ships them, is missing.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as err:
        needs = "The digits come with scikit-learn"
        raise NotInstalled(needs, "demo", str(err)) from err
    loaded = load_digits()
    # As they come, the last writers differ from the first: no fair test.
    order = shuffled(len(loaded.target), 0, 0)
    return (
        (loaded.images[order, None] / 16).astype(np.float32),
        loaded.target[order].astype(np.int64),
    )


@dataclass(frozen=True)
class Run:
    """What one backend made of it: its version, test accuracy, ONNX report, or its problem."""

    backend: str
    version: str
    accuracy: float = 0.0
    report: str = ""
    problem: str = ""

    @property
    def failure(self) -> str:
        """What went wrong, in a sentence; empty if it ran and learned well enough."""
        if self.problem:
            return f"{self.backend}: {self.problem}"
        if self.accuracy < WANTED:
            return f"{self.backend}: accuracy {self.accuracy:.4f} is below {WANTED}"
        return ""


@dataclass(frozen=True)
class Demo:
    """The runs of all backends and their parity."""

    runs: tuple[Run, ...]
    parity: Parity

    @property
    def failures(self) -> list[str]:
        """A sentence for everything that went wrong: learning, exporting, or agreeing."""
        found = [run.failure for run in self.runs if run.failure] + self.parity.problems
        if not self.parity.worst <= TOLERANCE:
            found.append(f"the curves differ by {self.parity.worst:.1e}, more than {TOLERANCE}")
        return found

    @property
    def passed(self) -> bool:
        """Whether every backend learned, exported and agreed."""
        return not self.failures

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"passed": self.passed, "runs": [asdict(r) for r in self.runs],
                "parity": self.parity.to_data()}  # fmt: skip


def run(
    backends: Iterable[str] | None, epochs: int, folder: str | os.PathLike[str], console: Console
) -> Demo:
    """Train, export and verify on every backend, then compare their curves.

    The first backend runs in this process, the others in processes of their own.

    Parameters
    ----------
    backends : iterable of str, optional
        Which; default all that are installed.
    epochs : int
        How long each trains.
    folder : path
        Where ``digits.onnx`` of the first backend goes.
    console : Console
        Where to tell about it.
    """
    names = installed() if backends is None else tuple(backends)
    data = digits()
    runs = []
    for place, name in enumerate(names):
        registry.backend(name)
        console.rule(name)
        if place == 0:
            runs.append(_here(name, epochs, Path(folder), console))
        else:
            runs.append(_apart(name, epochs, console))
    console.rule("parity")
    compared = parity(NETS["lenet"], data, names)
    console.print(compared.table())
    result = Demo(tuple(runs), compared)
    verdict = "\n".join(result.failures) or f"all is well on {', '.join(names)}"
    console.print(verdict, highlight=False, soft_wrap=True)
    return result


def _here(name: str, epochs: int, folder: Path, console: Console) -> Run:
    x, y = digits()
    model = Model(
        net(), name, loss="cross_entropy", optimizer=optimizers.Adam(2e-3), metrics=["accuracy"]
    )
    split = len(x) - TEST_ROWS
    model.fit(
        x[:split], y[:split], epochs=epochs, batch_size=64,
        validation_data=(x[split:], y[split:]), verbose=0 if console.stderr else 1,
    )  # fmt: skip
    accuracy = model.evaluate(x[split:], y[split:])["accuracy"]
    version = registry.backend(name).version or ""
    console.print(
        f"{model!r}: accuracy {accuracy:.4f} on {TEST_ROWS} test images",
        highlight=False,
        soft_wrap=True,
    )
    report = model.export(folder / "digits.onnx")
    console.print(str(report), highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="unifw-") as temporary:
        model.save(Path(temporary, "digits.unifw"))
        again = load(Path(temporary, "digits.unifw")).predict(x[split:])
    if not np.array_equal(again, model.predict(x[split:])):
        return Run(name, version, accuracy, str(report), "the model that was loaded back differs")
    return Run(name, version, accuracy, str(report))


def _apart(name: str, epochs: int, console: Console) -> Run:
    """Run one backend in its own process, as frameworks may clash in one."""
    version = registry.backend(name).version or ""
    with tempfile.TemporaryDirectory(prefix="unifw-") as folder:
        try:
            lines = run_python(
                ["-m", "unifw.demo", name, str(epochs), folder],
                what=f"backend {name!r}", fails=BackendError,
            ).splitlines()  # fmt: skip
        except BackendError as err:
            console.print(str(err), highlight=False, soft_wrap=True)
            return Run(name, version, problem=str(err))
    *told, accuracy = lines
    report = "\n".join(told)
    console.print(report, highlight=False, soft_wrap=True)
    return Run(name, version, float(accuracy), report)


def main(name: str, epochs: str, folder: str) -> None:
    """Run one backend and print what it did, the accuracy last."""
    try:
        done = _here(name, int(epochs), Path(folder), Console(width=200))
    except BackendError as err:
        sys.exit(str(err))
    if done.problem:
        sys.exit(done.problem)
    print(done.accuracy)  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main(*sys.argv[1:4])
