"""Running a case on a backend and on the reference, and measuring how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw import demo, registry
from unifw.backend import Options, Plan, Session
from unifw.data import Data
from unifw.isolate import devices
from unifw.isolate.place import open_session, place
from unifw.model import Model
from unifw.randomness import random_masks
from unifw.spec import losses as kinds
from unifw.spec.graph import Graph, Sequential
from unifw.spec.initializers import random_state
from unifw.spec.losses import Loss
from unifw.spec.optimizers import SGD, Optimizer
from unifw.weights import Arrays, initial

__all__ = [
    "CROSS_ENTROPY",
    "CURVE",
    "FORWARD",
    "GRADIENT",
    "ISOLATED",
    "MSE",
    "REFERENCE",
    "SETTINGS",
    "apart",
    "curve",
    "devices_of",
    "digits",
    "gradients",
    "judge_gradients",
    "judged",
    "model",
    "opened",
    "parted",
    "reference_curve",
    "rough_weights",
    "told",
    "trained_on",
]

REFERENCE = ("numpy", "float64")
# How far outputs, gradients and loss curves may be apart, relatively.
FORWARD, GRADIENT, CURVE = 1e-5, 1e-4, 1e-4
CROSS_ENTROPY = kinds.CrossEntropy()
MSE = (kinds.MSE(),)
# The backends that the suite opens in a process of their own: what --isolate says.
ISOLATED: set[str] = set()
# What backends are told by words of their own: what --setting says.
SETTINGS: dict[str, dict[str, Any]] = {}
Array = npt.NDArray[Any]


@contextmanager
def opened(  # noqa: PLR0913 - one word for each thing a session is opened with
    backend: str,
    graph: Graph,
    losses: tuple[Loss, ...] = (),
    optimizer: Optimizer | None = None,
    *,
    weights: Mapping[str, Array] | None = None,
    dtype: str = "float32",
    seed: int = 0,
    loss_weights: tuple[float, ...] = (),
) -> Iterator[Session]:
    """Open a session for a while; weights are ``rough_weights`` unless given."""
    options = Options(
        losses, optimizer or SGD(1.0), dtype=dtype, seed=seed, loss_weights=loss_weights,
        settings=SETTINGS.get(backend, {}),
    )  # fmt: skip
    given = rough_weights(graph) if weights is None else weights
    known = registry.backend(backend)
    session = open_session(known, graph, options, given, isolate=backend in ISOLATED)
    try:
        yield session
    finally:
        session.close()


def model(net: Graph, backend: str, **options: Any) -> Model:
    """Return a model on a backend as it is tested."""
    return Model(net, backend, **told(backend), **options)


def told(backend: str) -> dict[str, Any]:
    """Return how a model is told to be tested: in a process of its own, by the backend's settings."""
    return {"isolate": backend in ISOLATED, **SETTINGS.get(backend, {})}


def devices_of(backend: str) -> Sequence[str]:
    """Return the devices of a backend, asked where its sessions live."""
    known = registry.backend(backend)
    python = place(known, isolate=backend in ISOLATED).python
    return known.devices() if python is None else devices(backend, python)[0]


def rough_weights(graph: Graph) -> Arrays:
    """Return weights with no zeros or ones that would hide a mistake; those of probes stay zero."""
    weights = initial(graph, 0)
    for name, value in weights.items():
        if not name.startswith("probe"):
            noise = random_state("rough", name).uniform(0.05, 0.3, value.shape)
            weights[name] = (value + noise).astype(np.float32)
    return weights


def apart(found: Any, wanted: Any) -> float:
    """Return the largest difference, relative to the largest wanted value where that exceeds 1."""
    a, b = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if a.shape != b.shape:
        message = f"shape {a.shape} instead of {b.shape}"
        raise AssertionError(message)
    if not np.isfinite(a).all():
        message = "values that are not finite"
        raise AssertionError(message)
    return float(np.abs(a - b).max(initial=0) / max(1.0, np.abs(b).max(initial=0)))


def judged(found: Mapping[str, Any], wanted: Mapping[str, Any], tolerance: float) -> None:
    """Compare arrays by name, each relative to its own largest value.

    Raises
    ------
    AssertionError
        If names differ, or an array is too far from what is wanted.
    """
    if found.keys() != wanted.keys():
        message = f"{sorted(found)} instead of {sorted(wanted)}"
        raise AssertionError(message)
    for name, value in wanted.items():
        scale = max(float(np.abs(value).max(initial=0)), 1e-3)
        distance = apart(found[name] / scale, value / scale)
        if distance > tolerance:
            message = f"{name} is {distance:.3g} away, beyond {tolerance:g}"
            raise AssertionError(message)


def parted(backend: str, graph: Graph, optimizer: Optimizer, steps: int = 100) -> float:
    """Return how far a curve is from the reference, relative to it, at the worst step."""
    first = initial(graph, 0)
    with opened(backend, graph, (CROSS_ENTROPY,), optimizer, weights=first) as session:
        found = curve(session, digits(), steps)
    wanted = reference_curve(graph, optimizer, CROSS_ENTROPY, steps)
    return float(np.max(np.abs(found - wanted) / wanted))


def trained_on(backend: str, layers: list[Any], x: Array, **options: Any) -> Any:
    """Return weights and evaluation after one step of a rate of 0 on ``x`` with targets of 0."""
    net = Sequential(layers, input_shape=x.shape[1:], **options)
    y = np.zeros((len(x), *net.out_shapes[0]), dtype=np.float32)
    with opened(backend, net, MSE, SGD(0.0), weights=initial(net, 0)) as session:
        session.take_step(Data((x,), (y,)))
        return session.weights(), session.forward((x,))[0]


def gradients(
    session: Session, batch: Data, masks: Mapping[str, Array] | None = None
) -> tuple[float, Arrays]:
    """Return the loss of one batch, and all gradients, as one step of plain descent shows them.

    The session's optimizer must be ``SGD(1.0)``: gradients are what the weights lost. For weights
    that are not trained (running statistics) their new value is returned.
    """
    before = session.weights()
    loss, _ = session.train_batch(batch, (1.0,), masks or {})
    value = float(session.host(loss).reshape(-1)[0])
    after = session.weights()
    parts = session.graph.parts
    return value, {
        name: before[name].astype(np.float64) - after[name]
        if parts[name].trainable
        else after[name]
        for name in before
    }


def judge_gradients(backend: str, graph: Graph, inputs: tuple[Array, ...]) -> None:
    """Compare one batch's loss and gradients to those of the reference; its targets are noise.

    Raises
    ------
    AssertionError
        If they are too far apart.
    """
    rows = len(inputs[0])
    target = np.random.RandomState(1).standard_normal((rows, *graph.out_shapes[0]))
    batch, masks = Data(inputs, (target.astype(np.float32),)), random_masks(graph, 0, 1, rows)
    with opened(backend, graph, MSE) as session:
        loss, found = gradients(session, batch, masks)
    with opened(REFERENCE[0], graph, MSE, dtype=REFERENCE[1]) as reference:
        wanted_loss, wanted = gradients(reference, batch.cast(REFERENCE[1]), masks)
    distance = apart(loss, wanted_loss)
    if distance > FORWARD:
        message = f"the loss is {distance:.3g} away, beyond {FORWARD:g}"
        raise AssertionError(message)
    judged(found, wanted, GRADIENT)


@cache
def digits() -> Data:
    """Return scikit-learn's 1797 handwritten digits as data."""
    x, y = demo.digits()
    return Data((x,), (y,))


def curve(session: Session, data: Data, steps: int, batch_size: int = 64) -> Array:
    """Return the losses of the first steps of training, shuffled as ``fit`` does it."""
    per_epoch = -(-len(data) // batch_size)
    plan = Plan(0, -(-steps // per_epoch), batch_size)
    losses: list[Array] = [epoch.losses for epoch in session.fit(data, plan)]
    return np.concatenate(losses)[:steps]


@cache
def reference_curve(graph: Graph, optimizer: Optimizer, loss: Loss, steps: int) -> Array:
    """Return the curve of NumPy in float64; worked out once per net and optimizer."""
    backend, dtype = REFERENCE
    first = initial(graph, 0)
    with opened(backend, graph, (loss,), optimizer, weights=first, dtype=dtype) as session:
        return curve(session, digits().cast(dtype), steps)
