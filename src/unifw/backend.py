"""The contract between unifw and a framework: ``Backend`` opens a ``Session``; a session trains.

Only NumPy arrays and plain data cross this line, so a session may live in another process.
A plugin writes a ``Backend`` (who am I, what devices are there, what can I not do) and a ``Session``
(forward, one training step, weights and state in and out); the loop over batches is written here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from packaging.specifiers import SpecifierSet

from unifw import quasi_newton
from unifw.data import Data, batches
from unifw.errors import (
    Clash,
    DeviceUnavailable,
    NotInstalled,
    SpecError,
    UnknownName,
    Unsupported,
    VersionUnsupported,
    install,
)
from unifw.measures.metrics import Meter, meter
from unifw.process import noting_changes
from unifw.randomness import quick_masks, random_masks
from unifw.rules import Reason
from unifw.spec.graph import Graph
from unifw.spec.layers import Noise
from unifw.spec.losses import Loss
from unifw.spec.metrics import Metric
from unifw.spec.optimizers import LBFGS, SGD, Optimizer
from unifw.weights import Arrays

__all__ = ["Backend", "Epoch", "Options", "Plan", "Report", "Session", "Setting"]

Array = npt.NDArray[Any]
Report = Callable[[int, int], None]
Setting = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Options:
    """What a session is opened with, besides the net and its weights.

    Attributes
    ----------
    losses : tuple of Loss
        One per output of the net; empty for a net that only predicts.
    optimizer : Optimizer
        How to train.
    device : str
        As the framework spells it, default ``"cpu"``.
    dtype : {"float32", "float64"}
        Of weights and computation.
    precision : {"full", "mixed"}
        Whether training computes products in half; weights are of ``dtype`` either way.
    seed : int
        For shuffles, dropout masks and noise.
    parity : bool
        Whether dropout and noise are unifw's own, the same on all backends; else by the quickest
        generator that the backend has, seeded.
    loss_weights : tuple of float
        What each loss counts in the sum that is trained; all 1 when left out.
    settings : mapping of str to plain data
        What only this backend is told, by the words of its ``Backend.settings``.
    """

    losses: tuple[Loss, ...] = ()
    optimizer: Optimizer = field(default_factory=SGD)
    device: str = "cpu"
    dtype: str = "float32"
    precision: str = "full"
    seed: int = 0
    parity: bool = True
    loss_weights: tuple[float, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.loss_weights:
            object.__setattr__(self, "loss_weights", (1.0,) * len(self.losses))

    @property
    def is_mixed(self) -> bool:
        """Whether training computes products in half."""
        return self.precision == "mixed"

    @property
    def labelled(self) -> dict[str, Loss]:
        """Every loss under the label by which messages name it: ``"loss CrossEntropy"``."""
        return {f"loss {type(loss).__name__}": loss for loss in self.losses}


@dataclass(frozen=True)
class Plan:
    """What one call of ``fit`` does: epochs ``first`` … ``last - 1``, counted from the model's birth.

    ``metrics`` holds, for each output, the metrics to gather in training, and whether that output
    is a probability.
    """

    first: int
    last: int
    batch_size: int = 32
    shuffle: bool = True
    metrics: tuple[tuple[tuple[Metric, ...], bool], ...] = ()

    def steps(self, rows: int) -> int:
        """Return how many batches are trained with in all, of so many rows."""
        return -(-rows // self.batch_size) * (self.last - self.first)


@dataclass(frozen=True)
class Epoch:
    """One epoch of training.

    Attributes
    ----------
    number : int
        From 0, counted from the model's birth.
    losses : ndarray
        The loss of every step (float64).
    shares : ndarray
        What each step weighs in the epoch's mean: its rows, or the sum of their weights.
    metrics : tuple of tuple of float
        For each output, its metrics' values.
    parts : tuple of float
        For each of several outputs, its own loss alone, a mean as ``loss`` is; empty for a single one.
    """

    number: int
    losses: Array
    shares: Array
    metrics: tuple[tuple[float, ...], ...] = ()
    parts: tuple[float, ...] = ()

    @property
    def loss(self) -> float:
        """Mean loss over all samples, each judged by the weights of its own step."""
        return float(self.losses @ self.shares / self.shares.sum())


class Session(ABC):
    """A live net inside one framework.

    Parameters
    ----------
    graph : Graph
        The net.
    options : Options
        Losses, optimizer, device, dtype and seed.

    Attributes
    ----------
    steps : int
        Number of batches trained with since the model's birth. Each is an optimizer step, or with
        ``accumulate`` a part of one.
    reductions : int
        How many times a schedule that looks at the course of training has reduced the learning rate.
    draws : bool
        Whether without ``parity`` it draws dropout and noise itself, and takes no masks.
    where : str
        In which process it lives, in words.
    is_remote : bool
        Whether that is another process than this one.
    framework : str
        The framework's own name and its version there.
    """

    draws: ClassVar[bool] = False
    where: str = "in this process"
    is_remote: bool = False
    framework: str = ""

    def __init__(self, graph: Graph, options: Options) -> None:
        self.graph = graph
        self.options = options
        self.steps = 0
        self.reductions = 0

    @property
    @abstractmethod
    def native(self) -> Any:
        """The framework's own object, for those who need it."""

    @abstractmethod
    def forward(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the outputs for one batch, as in evaluation (nothing dropped, running statistics)."""

    @abstractmethod
    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]:
        """Take one optimizer step, whose number ``steps`` says already.

        Parameters
        ----------
        batch : Data
            Inputs and targets in the session's dtype; ints are int64. Its ``weights`` are ``None``,
            or shares that sum to 1: the loss is then ``sum(weights * loss per sample)``.
        coefficients : tuple of float
            ``options.optimizer.numbers(steps, reductions)``.
        masks : mapping of str to ndarray
            For each node of dropout or noise, what its input is multiplied by, or what is added; none
            if the session ``draws`` and ``parity`` is off.

        Returns
        -------
        loss, outputs
            As the framework's own values before the step; ``host`` turns them into NumPy. They need
            not be computed yet: reading them back at once would stall an asynchronous framework. With
            several outputs the loss is a vector: the sum that is trained, then each output's own loss,
            neither weighted nor with penalties.
        """

    @abstractmethod
    def host(self, value: Any) -> Array:
        """Turn a loss or an output of ``train_batch``, or of ``native``, into NumPy."""

    @abstractmethod
    def tensor(self, array: Array) -> Any:
        """Turn an array into the framework's own, on this session's device: what ``native`` takes."""

    @abstractmethod
    def weights(self) -> Arrays:
        """Return a copy of all weights in the neutral layout."""

    @abstractmethod
    def load(self, weights: Mapping[str, Array]) -> None:
        """Set all weights; names and shapes have been checked."""

    @abstractmethod
    def state(self) -> Arrays:
        """Return a copy of the optimizer's state, ``layer.part/slot`` in the weights' layout.

        For each trained weight it has the arrays that ``options.optimizer.kept`` names. In mixed
        precision it has ``loss_scale`` besides: the scale, and how many steps went well with it.
        """

    @abstractmethod
    def load_state(self, state: Mapping[str, Array]) -> None:
        """Set the optimizer's state; names and shapes have been checked."""

    def save_native(self, path: str) -> None:
        """Write the net, evaluating, as the framework's own deployment file or files.

        Parameters
        ----------
        path : str
            The main file; what else there is lies beside it. Input names are those of the net, and the batch
            is free.

        Raises
        ------
        Unsupported
            If this backend writes none.
        """
        del path
        about = self.framework or type(self).__name__
        raise Unsupported(about, ["it has no deployment file, or no way to write it from here"])

    def close(self) -> None:  # noqa: B027 - most sessions hold nothing to let go of
        """Let go of what the session holds; it cannot be used afterwards."""

    def predict(self, xs: tuple[Array, ...], batch_size: int) -> Iterator[tuple[Array, ...]]:
        """Yield the outputs batch by batch, in order."""
        for start in range(0, len(xs[0]), batch_size):
            yield self.forward(tuple(x[start : start + batch_size] for x in xs))

    def fit(self, data: Data, plan: Plan, report: Report | None = None) -> Iterator[Epoch]:
        """Train, yielding each epoch when it is done; stop by no longer asking.

        Parameters
        ----------
        data : Data
            Checked data in the session's dtype.
        plan : Plan
            Which epochs, how large batches, what to measure.
        report : callable, optional
            Called with (steps done, steps in the epoch) after each step.
        """
        if self.options.optimizer.full_batch and plan.batch_size < len(data):
            message = (
                f"{self.options.optimizer!r} takes all rows in each step: give fit a batch_size of "
                f"{len(data)}, not {plan.batch_size}"
            )
            raise SpecError(message)
        last = self.steps + plan.steps(len(data))
        self.options.optimizer.check_steps(self.steps + 1, last, self.reductions)
        for number in range(plan.first, plan.last):
            yield self._epoch(data, plan, number, report)

    def _epoch(self, data: Data, plan: Plan, number: int, report: Report | None) -> Epoch:
        cuts = list(
            batches(
                len(data), plan.batch_size,
                shuffle=plan.shuffle, seed=self.options.seed, epoch=number,
            )
        )  # fmt: skip
        meters = [
            [meter(metric, probabilities=probabilities) for metric in metrics]
            for metrics, probabilities in plan.metrics
        ]
        losses, shares, kept = [], [], []
        for done, rows in enumerate(cuts, start=1):
            batch = data.take(rows)
            loss, outs = self.take_step(batch)
            losses.append(loss)
            shares.append(len(rows) if batch.weights is None else batch.weights.sum())
            if any(meters):
                kept.append((outs, batch.ys))
            if report is not None:
                report(done, len(cuts))
        for outs, ys in kept:
            _measure(meters, [self.host(out) for out in outs], ys)
        read = np.array([self.host(loss) for loss in losses], dtype=np.float64)
        table, weights = read.reshape(len(losses), -1), np.array(shares, dtype=np.float64)
        return Epoch(
            number,
            table[:, 0],
            weights,
            tuple(tuple(m.result() for m in column) for column in meters),
            tuple((weights @ table[:, 1:] / weights.sum()).tolist()),
        )

    def take_step(self, batch: Data) -> tuple[Any, Sequence[Any]]:
        """Take the next optimizer step on one batch; see ``train_batch`` for what comes back."""
        self.steps += 1
        if batch.weights is not None:
            # A batch may hold nothing but samples of weight zero: its loss and gradient are zero.
            total = batch.weights.sum() or 1
            batch = Data(batch.xs, batch.ys, batch.weights / total)
        optimizer = self.options.optimizer
        rate = optimizer.learning_rate
        if optimizer.is_plain and isinstance(rate, float):
            coefficients = optimizer.coefficients(self.steps, rate)
        else:
            coefficients = optimizer.numbers(self.steps, self.reductions)
        masks: Mapping[str, Array] = {}
        if self.options.parity:
            masks = random_masks(self.graph, self.options.seed, self.steps, len(batch))
        elif not self.draws:
            masks = quick_masks(self.graph, self.options.seed, self.steps, len(batch))
        if isinstance(optimizer, LBFGS):
            return quasi_newton.advance(self, optimizer, coefficients[0], batch, masks)
        return self.train_batch(batch, coefficients, masks)


def _measure(meters: list[list[Meter]], outs: Sequence[Array], ys: Sequence[Array]) -> None:
    for column, out, y in zip(meters, outs, ys, strict=True):
        for single in column:
            single.update(out, y)


@cache
def _version(distribution: str) -> str:
    """Return what is installed; reading it takes milliseconds, and every session asks.

    What is missing raises, which is not kept: it may be installed while this process runs.
    """
    return importlib.metadata.version(distribution)


def _check_mixed(options: Options) -> None:
    """Refuse what does not go with mixed precision."""
    optimizer = options.optimizer
    if options.dtype != "float32":
        message = f"precision='mixed' keeps its weights in float32: dtype cannot be {options.dtype}"
        raise SpecError(message)
    if optimizer.full_batch or optimizer.accumulate > 1:
        message = (
            f"precision='mixed' leaves out a step that overflows, which {optimizer!r} cannot: it "
            "takes an optimizer of single batches, without accumulate"
        )
        raise SpecError(message)


class Backend(ABC):
    """One framework, as unifw knows it before importing it.

    Attributes
    ----------
    name : str
        The word that users write: ``"paddle"``.
    title : str
        The framework's own name: ``"PaddlePaddle"``.
    module : str
        What is imported.
    distributions : tuple of str
        Under which names it may be installed; the first found counts.
    tested : str
        Range of versions unifw is tested with, as a PEP 440 specifier.
    dtypes : tuple of str
        What it computes in.
    narrow : str
        Why it computes in no other dtype, as the end of a sentence; for the message that refuses one.
    clashes : tuple of str
        Modules that, when loaded before, make its import fail.
    advice : str
        What else to know when it is missing: which Pythons have wheels.
    pythons : tuple of str
        The Pythons that an environment of its own may have, the best tested first.
    pins : tuple of str
        The requirements tested together, which go into that environment; none if it gets none.
    needs_more : bool
        Whether it needs more than Python packages, which ``furnish`` gets: its extra alone is not enough.
    settings : mapping of str to callable
        The words that it takes in ``uf.Model`` besides those of all backends; each with what returns, of
        the word and what was given, plain data, or raises ``SpecError``.
    trains_whole : bool
        Whether it trains by methods of the framework's own, a whole table at a time: its curves are not
        those of unifw's optimizers, and where it ends is what can be compared.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    module: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]]
    tested: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)
    narrow: ClassVar[str] = ""
    clashes: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str] = ""
    pythons: ClassVar[tuple[str, ...]] = ()
    pins: ClassVar[tuple[str, ...]] = ()
    needs_more: ClassVar[bool] = False
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType({})
    trains_whole: ClassVar[bool] = False

    @property
    def version(self) -> str | None:
        """Its installed version, read off metadata without importing it; ``None`` if missing."""
        for distribution in self.distributions:
            try:
                return _version(distribution)
            except importlib.metadata.PackageNotFoundError:
                continue
        return None

    def check(self, *, beside: bool = True) -> None:
        """Raise the error that says why this backend cannot be used here, if it cannot.

        Nothing is imported.

        Parameters
        ----------
        beside : bool
            Whether it must get on with what this process has loaded already; default ``True``.

        Raises
        ------
        NotInstalled, VersionUnsupported, Clash
        """
        version = self.version
        if version is None or importlib.util.find_spec(self.module) is None:
            needs = f"Backend {self.name!r} needs {self.title}"
            raise NotInstalled(needs, self.name, self.advice)
        if not SpecifierSet(self.tested).contains(version, prereleases=True):
            message = (
                f"Backend {self.name!r} is tested with {self.title} {self.tested}; {version} is "
                f"installed. Try:  {install(self.name)}"
            )
            raise VersionUnsupported(message)
        loaded = [module for module in self.clashes if module in sys.modules]
        if beside and loaded and self.module not in sys.modules:
            message = (
                f"{self.title} cannot be imported after {loaded[0]} in one process (their native "
                f"libraries clash). Import {self.module} first, or use a process for each."
            )
            raise Clash(message)

    def load(self) -> None:
        """Import the framework, without the warnings that all of them give when imported.

        Raises
        ------
        NotInstalled, VersionUnsupported, Clash
            If it cannot be used here, or its import fails.
        """
        self.check()
        try:
            with noting_changes(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(self.module)
        except ImportError as err:
            needs = f"Backend {self.name!r} needs {self.title} {self.version} whole"
            raise NotInstalled(needs, self.name, str(err)) from err

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Return the devices that are here, ``"cpu"`` first; asked only after ``load``."""

    def furnish(self, folder: Path, python: str, say: Callable[[str], None]) -> None:  # noqa: B027
        """Put into the environment in ``folder`` what it needs beyond its ``pins``.

        Called when those are installed; ``python`` is its interpreter, ``say`` is told what is going on.

        Raises
        ------
        EnvironmentFailed
            If that cannot be had.
        """

    def told(self, given: Mapping[str, Any], others: Iterable[str] = ()) -> dict[str, Any]:
        """Return its own settings, checked.

        Parameters
        ----------
        given : mapping of str to object
            Settings by their words.
        others : iterable of str
            The words that all backends take, for a helpful error.

        Raises
        ------
        UnknownName, SpecError
            If it takes no such word, or not with that value.
        """
        for word in given:
            if word not in self.settings:
                what = f"option of a model on backend {self.name!r}"
                raise UnknownName(what, word, [*others, *self.settings])
        return {word: self.settings[word](word, value) for word, value in given.items()}

    def gaps(self, graph: Graph, options: Options) -> list[str]:
        """Return a sentence for all that this backend cannot do of a net and its options."""
        found = []
        if options.dtype not in self.dtypes:
            known = " and ".join(self.dtypes)
            why = f", as {self.narrow}" if self.narrow else ""
            found.append(
                f"dtype {options.dtype}: it computes in {known}{why} "
                "(backends 'numpy' and 'paddle': in both)"
            )
        unmixed = self.unmixed(options.device) if options.is_mixed else None
        if unmixed is not None:
            found.append(
                f"precision mixed: {unmixed} (backends 'megengine' and 'mindspore' have it, and "
                "'paddle' on a GPU)"
            )
        return found + self.missing(graph, options)

    def unmixed(self, device: str) -> str | None:
        """Return why there is no mixed precision on a device, or ``None`` if there is."""
        del device
        return Reason.NOT_WRITTEN.value

    @abstractmethod
    def missing(self, graph: Graph, options: Options) -> list[str]:
        """Return a sentence for every layer and loss without a rule; asked only after ``load``."""

    @abstractmethod
    def session(self, graph: Graph, options: Options) -> Session:
        """Return a session with all weights still to be loaded; everything has been checked."""

    def open(self, graph: Graph, options: Options, weights: Mapping[str, Array]) -> Session:
        """Turn a net into a live session.

        Raises
        ------
        NotInstalled, VersionUnsupported, Clash
            If the framework cannot be used here.
        DeviceUnavailable
            If there is no such device; lists those that are.
        Unsupported
            If a layer, loss or option cannot be done; names each and the reason.
        SpecError
            If the net's constraints do not go with the optimizer.
        """
        if options.optimizer.full_batch and graph.constraints:
            message = (
                f"{options.optimizer!r} moves all weights together along a line, which would break the "
                f"constraints on {', '.join(graph.constraints)}; take another optimizer"
            )
            raise SpecError(message)
        if options.is_mixed:
            _check_mixed(options)
        noisy = [placed.name for placed in graph if isinstance(placed.layer, Noise)]
        if options.optimizer.full_batch and noisy and not options.parity:
            message = (
                f"parity=False draws {noisy[0]} anew in each evaluation, which the line search of "
                f"{options.optimizer!r} cannot take; leave parity on"
            )
            raise SpecError(message)
        self.load()
        gaps = self.gaps(graph, options)
        if gaps:
            can = self.name != "numpy" and not options.is_mixed
            instead = "Backend 'numpy' can run every net." if can else ""
            raise Unsupported(f"backend {self.name!r}", gaps, instead)
        if options.device != "cpu" and options.device not in self.devices():
            message = (
                f"backend {self.name!r} has no device {options.device!r} here; there are: "
                f"{', '.join(self.devices())}"
            )
            raise DeviceUnavailable(message)
        session = self.session(graph, options)
        session.framework = f"{self.title} {self.version}"
        session.load(weights)
        return session
