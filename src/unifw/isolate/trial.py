"""Does a framework work over there? A little training in a worker, compared with NumPy here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unifw import registry
from unifw.backend import Options, Plan, Session
from unifw.data import Data
from unifw.errors import EnvironmentFailed
from unifw.isolate.remote import RemoteSession
from unifw.spec import layers
from unifw.spec.graph import Sequential
from unifw.spec.losses import MSE, CrossEntropy
from unifw.spec.optimizers import LBFGS
from unifw.weights import initial

__all__ = ["Trial", "trial"]

NET = Sequential([layers.Dense(8), layers.Tanh(), layers.Dense(3)], input_shape=(4,), name="trial")
OPTIONS = Options((CrossEntropy(),))
# For those that train a whole table at a time: there is one least value, and all methods lead to it.
LINE = Sequential([layers.Dense(1)], input_shape=(4,), name="trial")
SQUARES = Options((MSE(),), LBFGS())
ROWS, STEPS = 12, 20
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Trial:
    """What was found.

    Attributes
    ----------
    python, framework : str
        Versions over there.
    difference : float
        By how much the loss of the second step, or that in the end, is off NumPy's here, relative to it.
    """

    python: str
    framework: str
    difference: float


def trial(backend: str, python: str) -> Trial:
    """Import a framework in another interpreter, train two steps, and compare.

    Parameters
    ----------
    backend : str
        Name of the backend.
    python : str
        The interpreter.

    Raises
    ------
    WorkerError, NotInstalled, VersionUnsupported
        If it does not run there.
    EnvironmentFailed
        If it computes something else.
    """
    whole = registry.backend(backend).trains_whole
    net, options = (LINE, SQUARES) if whole else (NET, OPTIONS)
    weights = initial(net, 0)
    remote = RemoteSession(backend, net, options, weights, python)
    try:
        found = _least(remote, 1) if whole else _second(remote)
        framework, version = remote.framework, remote.about["python"]
    finally:
        remote.close()
    here = registry.backend("numpy").open(net, options, weights)
    wanted = _least(here, STEPS) if whole else _second(here)
    difference = abs(found - wanted) / abs(wanted)
    if not difference <= TOLERANCE:
        message = f"{framework} in {python} computes a loss of {found:.6f} instead of {wanted:.6f}"
        raise EnvironmentFailed(message)
    return Trial(version, framework, difference)


def _second(session: Session) -> float:
    draw = np.random.RandomState(0)
    x = draw.standard_normal((ROWS, 4)).astype(np.float32)
    (epoch,) = session.fit(Data((x,), (draw.randint(0, 3, ROWS),)), Plan(0, 1, ROWS // 2))
    return float(epoch.losses[-1])


def _least(session: Session, epochs: int) -> float:
    draw = np.random.RandomState(0)
    x, y = (draw.standard_normal((ROWS, n)).astype(np.float32) for n in (4, 1))
    *_, epoch = session.fit(Data((x,), (y,)), Plan(0, epochs, ROWS))
    return epoch.loss
