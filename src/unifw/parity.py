"""Parity: the loss curves of a net on several backends, against NumPy in float64."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unifw import registry
from unifw.backend import Backend, Options, Plan
from unifw.checkpoint import Checkpoint
from unifw.data import Data, check_training
from unifw.errors import BackendError, DataError, NotInstalled, SpecError, Unsupported
from unifw.isolate.place import installed, open_session
from unifw.model import Model
from unifw.spec import check
from unifw.spec.graph import Graph

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Curve", "Parity", "parity"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One backend's curve.

    Attributes
    ----------
    backend, version : str
        Name of the backend and version of its framework.
    optimizer : str
        As it would be written.
    losses : tuple of float
        One per step; empty if it could not run.
    difference : float or None
        The largest difference from the reference, relative to it.
    problem : str
        Why it could not run; empty if it did.
    """

    backend: str
    version: str
    optimizer: str
    losses: tuple[float, ...] = ()
    difference: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Parity:
    """The curves of one net.

    Attributes
    ----------
    net : str
        Its name.
    steps : int
        Length of the curves.
    references : dict of str to tuple of float
        For each optimizer the curve of NumPy in float64.
    curves : tuple of Curve
        One per optimizer and backend.
    """

    net: str
    steps: int
    references: dict[str, tuple[float, ...]]
    curves: tuple[Curve, ...]

    @property
    def worst(self) -> float:
        """The largest difference of all that could run."""
        found = [c.difference for c in self.curves if c.difference is not None]
        return max(found, default=float("nan"))

    @property
    def complete(self) -> bool:
        """Whether every backend could run."""
        return not any(curve.problem for curve in self.curves)

    @property
    def problems(self) -> list[str]:
        """A sentence for every backend that could not run."""
        return sorted({f"{c.backend}: {c.problem}" for c in self.curves if c.problem})

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)

    def table(self) -> Table:
        """Return a table: optimizers down, backends across, largest relative differences inside."""
        from rich.table import Table

        backends = list(dict.fromkeys(curve.backend for curve in self.curves))
        caption = "largest relative difference of the loss from NumPy float64, at any step"
        result = Table(title=f"{self.net}, {self.steps} steps", caption=caption)
        result.add_column("optimizer")
        for backend in backends:
            result.add_column(backend, justify="right")
        result.add_column("loss", justify="right")
        for optimizer, reference in self.references.items():
            cells = [
                f"{c.difference:.1e}" if c.difference is not None else "cannot run"
                for c in self.curves
                if c.optimizer == optimizer
            ]
            result.add_row(optimizer, *cells, f"{reference[0]:.3f} → {reference[-1]:.3f}")
        return result

    def __str__(self) -> str:
        from rich.console import Console

        text = StringIO()
        # A notebook makes consoles show things there, or in colours, whatever their file.
        Console(file=text, width=120, force_jupyter=False, force_terminal=False).print(self.table())
        return "\n".join([text.getvalue().rstrip(), *self.problems])

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the difference from the reference at each step into a picture file.

        Raises
        ------
        NotInstalled
            If matplotlib is missing.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as err:
            needs = "Plots need matplotlib"
            raise NotInstalled(needs, "plot", str(err)) from err
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        for curve in self.curves:
            if curve.losses:
                apart = _apart(curve.losses, self.references[curve.optimizer])
                label = f"{curve.backend}, {curve.optimizer}"
                axes.semilogy(np.maximum(apart, 1e-9), label=label)
        axes.set(xlabel="step", ylabel="relative difference from NumPy float64", title=self.net)
        axes.legend(fontsize="small")
        figure.savefig(path)


def _apart(found: Sequence[float], wanted: Sequence[float]) -> Array:
    a, b = np.asarray(found), np.asarray(wanted)
    return np.asarray(np.abs(a - b) / np.maximum(np.abs(b), np.finfo(np.float32).tiny))


def parity(  # noqa: PLR0913 - as Model and fit, each word with a default
    net: Graph,
    data: Sequence[Any],
    backends: str | Iterable[str] | None = None,
    *,
    loss: Any = "cross_entropy",
    loss_weights: Any = None,
    optimizers: Iterable[Any] = ("sgd", "adam"),
    steps: int = 100,
    batch_size: int = 64,
    seed: int = 0,
    report: Callable[[str], None] | None = None,
) -> Parity:
    """Train a net on several backends, each in a process of its own, and compare the curves.

    Parameters
    ----------
    net : Graph
        What to train.
    data : (x, y) or (x, y, sample_weight)
        As in ``Model.fit``.
    backends : str or iterable of str, optional
        Which; default all whose framework is installed.
    loss : str, Loss, or one for each output
        Default ``"cross_entropy"``.
    loss_weights : sequence of float, or dict by output name, optional
        As for ``Model``.
    optimizers : iterable of str or Optimizer
        Default SGD and Adam with their defaults.
    steps, batch_size, seed : int
        Length of the curves (default 100), rows in a batch (64), and the seed (0).
    report : callable, optional
        Told, in words, what is about to run.

    Returns
    -------
    Parity
        Print it, ``plot`` it, or read its ``curves``.

    Raises
    ------
    DataError, SpecError, UnknownName
        If data, net, loss, optimizer or a backend's name are wrong.
    """
    if not isinstance(data, (tuple, list)) or len(data) not in {2, 3}:
        message = "data must be (x, y) or (x, y, sample_weight)"
        raise DataError(message)
    named = [backends] if isinstance(backends, str) else backends
    chosen = installed() if named is None else tuple(named)
    known = [registry.backend(name) for name in chosen]
    if not known:
        message = "parity needs at least one backend"
        raise SpecError(message)
    check.count("steps", steps)
    check.count("batch_size", batch_size)
    references, curves = {}, []
    for rule in optimizers:
        # NumPy describes the job for all of them, whether or not their frameworks are here.
        stored = Model(
            net, loss=loss, loss_weights=loss_weights, optimizer=rule, seed=seed
        ).checkpoint()
        checked: Data = check_training(net, stored.losses, *data).cast("float32")
        name = repr(stored.optimizer)
        exact = replace(stored, dtype="float64")
        reference, _ = losses(exact, registry.backend("numpy"), checked, steps, batch_size)
        references[name] = reference
        for backend in known:
            if report is not None:
                report(f"{net.name}, {name}: {backend.name}")
            curves.append(_curve(backend, stored, checked, steps, batch_size, reference))
    return Parity(net.name, steps, references, tuple(curves))


def losses(  # noqa: PLR0913 - a job, and where to do it
    stored: Checkpoint,
    backend: Backend,
    data: Data,
    steps: int,
    batch_size: int,
    *,
    isolate: bool = False,
) -> tuple[tuple[float, ...], str]:
    """Return the losses of the next steps of training, and the framework that made them."""
    options = Options(
        stored.losses, stored.optimizer, dtype=stored.dtype, seed=stored.seed,
        loss_weights=stored.loss_weights,
    )  # fmt: skip
    session = open_session(backend, stored.graph, options, stored.weights, isolate=isolate)
    try:
        plan = Plan(0, -(-steps // -(-len(data) // batch_size)), batch_size)
        found = [epoch.losses for epoch in session.fit(data.cast(stored.dtype), plan)]
    finally:
        session.close()
    return tuple(float(loss) for loss in np.concatenate(found)[:steps]), session.framework


def _curve(  # noqa: PLR0913 - what parity has prepared
    backend: Backend,
    stored: Checkpoint,
    data: Data,
    steps: int,
    batch_size: int,
    reference: tuple[float, ...],
) -> Curve:
    name = repr(stored.optimizer)
    try:
        found, framework = losses(stored, backend, data, steps, batch_size, isolate=True)
    except (BackendError, Unsupported) as err:
        return Curve(backend.name, backend.version or "", name, problem=str(err))
    version = framework.rpartition(" ")[2]
    return Curve(backend.name, version, name, found, float(np.max(_apart(found, reference))))
