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
from unifw.spec.losses import CrossEntropy
from unifw.weights import initial

__all__ = ["Trial", "trial"]

NET = Sequential([layers.Dense(8), layers.Tanh(), layers.Dense(3)], input_shape=(4,), name="trial")
OPTIONS = Options((CrossEntropy(),))
ROWS = 12
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Trial:
    """What was found.

    Attributes
    ----------
    python, framework : str
        Versions over there.
    difference : float
        By how much the loss of the second step is off NumPy's here, relative to it.
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
    weights = initial(NET, 0)
    remote = RemoteSession(backend, NET, OPTIONS, weights, python)
    try:
        found = _last_loss(remote)
        framework, version = remote.framework, remote.about["python"]
    finally:
        remote.close()
    wanted = _last_loss(registry.backend("numpy").open(NET, OPTIONS, weights))
    difference = abs(found - wanted) / abs(wanted)
    if not difference <= TOLERANCE:
        message = f"{framework} in {python} computes a loss of {found:.6f} instead of {wanted:.6f}"
        raise EnvironmentFailed(message)
    return Trial(version, framework, difference)


def _last_loss(session: Session) -> float:
    draw = np.random.RandomState(0)
    x = draw.standard_normal((ROWS, 4)).astype(np.float32)
    (epoch,) = session.fit(Data((x,), (draw.randint(0, 3, ROWS),)), Plan(0, 1, ROWS // 2))
    return float(epoch.losses[-1])
