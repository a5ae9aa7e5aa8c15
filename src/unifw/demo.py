"""The demonstration: a small CNN learns scikit-learn's real digits on every backend that is here."""

from __future__ import annotations

import os
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
from unifw.isolate.place import installed
from unifw.model import Model, load
from unifw.parity import Parity, parity
from unifw.randomness import shuffled
from unifw.spec.graph import Graph, Sequential

__all__ = ["NETS", "Demo", "Run", "digits", "lenet", "run"]

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

    The first backend runs where it can, the others in processes of their own.

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
        runs.append(_run(name, epochs, Path(folder) if place == 0 else None, console))
    console.rule("parity")
    compared = parity(NETS["lenet"], data, names)
    console.print(compared.table())
    result = Demo(tuple(runs), compared)
    verdict = "\n".join(result.failures) or f"all is well on {', '.join(names)}"
    console.print(verdict, highlight=False, soft_wrap=True)
    return result


def _run(name: str, epochs: int, folder: Path | None, console: Console) -> Run:
    """Run one backend; its file goes into the folder, if there is one."""
    version = registry.backend(name).version or ""
    isolate = "auto" if folder is not None else True
    try:
        with (
            tempfile.TemporaryDirectory(prefix="unifw-") as temporary,
            Model(
                net(), name, loss="cross_entropy", optimizer=optimizers.Adam(2e-3),
                metrics=["accuracy"], isolate=isolate,
            ) as model,
        ):  # fmt: skip
            return _tried(model, epochs, folder or Path(temporary), Path(temporary), console)
    except BackendError as err:
        console.print(str(err), highlight=False, soft_wrap=True)
        return Run(name, version, problem=str(err))


def _tried(model: Model, epochs: int, folder: Path, temporary: Path, console: Console) -> Run:
    x, y = digits()
    split = len(x) - TEST_ROWS
    model.fit(
        x[:split], y[:split], epochs=epochs, batch_size=64,
        validation_data=(x[split:], y[split:]), verbose=0 if console.stderr else 1,
    )  # fmt: skip
    accuracy = model.evaluate(x[split:], y[split:])["accuracy"]
    version = model.session.framework.rpartition(" ")[2]
    told = f"{model!r}: accuracy {accuracy:.4f} on {TEST_ROWS} test images"
    console.print(told, highlight=False, soft_wrap=True)
    report = model.export(folder / "digits.onnx")
    console.print(str(report), highlight=False, soft_wrap=True)
    model.save(temporary / "digits.unifw")
    with load(temporary / "digits.unifw", isolate=model.session.is_remote) as loaded:
        same = np.array_equal(loaded.predict(x[split:]), model.predict(x[split:]))
    problem = "" if same else "the model that was loaded back differs"
    return Run(model.backend, version, accuracy, str(report), problem)
