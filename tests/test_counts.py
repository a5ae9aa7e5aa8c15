"""What a fit costs, counted and not timed: so that a slower way is a visible change.

Runs on the backend that ``--example-backend`` names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.backend import Options, Plan, Session
from unifw.data import Data
from unifw.losses import CrossEntropy
from unifw.metrics import Accuracy
from unifw.optimizers import Adam
from unifw.weights import initial

ROWS, BATCH, STEPS = 96, 32, 3
NET = uf.Sequential(
    [
        L.Conv2D(4, 3, padding=1), L.ReLU(), L.MaxPool2D(2), L.Flatten(),
        L.Dense(16), L.ReLU(), L.Dense(10),
    ],
    input_shape=(1, 8, 8),
)  # fmt: skip
# Calls of unifw's own named functions in one step.
CALLS = {"numpy": 108, "paddle": 32, "mindspore": 9, "megengine": 76}


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--example-backend"))


@pytest.fixture
def session(name: str) -> Iterator[Session]:
    # MindSpore's steps are counted as long trainings take them, compiled.
    settings = {"jit": True} if name == "mindspore" else {}
    options = Options((CrossEntropy(),), Adam(), settings=settings)
    live = registry.backend(name).open(NET, options, initial(NET, 0))
    yield live
    live.close()


@pytest.fixture
def data() -> Data:
    draw = np.random.RandomState(0)
    x = draw.standard_normal((ROWS, 1, 8, 8)).astype(np.float32)
    return Data((x,), (draw.randint(0, 10, ROWS),))


def plan(**options: Any) -> Plan:
    return Plan(0, 1, BATCH, **options)


def test_nothing_is_read_back_before_the_epoch_is_over(
    session: Session, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    step, host = session.train_batch, session.host
    monkeypatch.setattr(session, "train_batch", lambda *a: told.append("step") or step(*a))
    monkeypatch.setattr(session, "host", lambda value: told.append("host") or host(value))
    list(session.fit(data, plan()))
    assert told == ["step"] * STEPS + ["host"] * STEPS


def test_metrics_read_each_output_once(
    session: Session, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    host = session.host
    monkeypatch.setattr(session, "host", lambda value: told.append(1) or host(value))
    list(session.fit(data, plan(metrics=(((uf.metrics.Accuracy(),), False),))))
    assert len(told) == 2 * STEPS


def test_only_the_batch_and_the_coefficients_go_in(
    name: str, session: Session, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    tensor = session.tensor
    monkeypatch.setattr(session, "tensor", lambda a: sizes.append(a.size) or tensor(a))
    list(session.fit(data, plan()))
    batch = BATCH * 64 + BATCH
    # NumPy takes the batch as it is; MindSpore's compiled step takes the coefficients as a tensor too.
    more = len(session.options.optimizer.numbers(1, 0)) if name == "mindspore" else 0
    assert sum(sizes) == (0 if name == "numpy" else STEPS * (batch + more))


def test_a_compiled_step_is_compiled_once(
    name: str, session: Session, data: Data, compilations: Callable[[Session], int]
) -> None:
    for _ in range(2):
        list(session.fit(data, plan()))
    assert compilations(session) == (1 if name == "mindspore" else 0)


def test_a_short_last_batch_is_not_compiled_for_itself(
    name: str, session: Session, data: Data, compilations: Callable[[Session], int]
) -> None:
    accuracy = (((Accuracy(),), False),)
    few = data.take(slice(0, 2 * BATCH + 5))
    (epoch,) = session.fit(few, plan(metrics=accuracy))
    with_numpy = registry.backend("numpy").open(NET, session.options, initial(NET, 0))
    (wanted,) = with_numpy.fit(few, plan(metrics=accuracy))
    assert epoch.losses == pytest.approx(wanted.losses, rel=1e-5)
    assert epoch.metrics == wanted.metrics
    assert compilations(session) == (1 if name == "mindspore" else 0)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Count calls of unifw's named functions within the block."""
    calls: list[str] = []
    root = str(Path(uf.__file__).parent)

    def note(frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        # Comprehensions are calls in some Pythons and not in others.
        if event == "call" and code.co_filename.startswith(root) and code.co_name[0] != "<":
            calls.append(code.co_name)

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def test_calls_in_a_step(name: str, session: Session, data: Data) -> None:
    batch = data.take(slice(0, BATCH))
    for _ in range(2):
        session.take_step(batch)
    with counted() as calls:
        session.take_step(batch)
    assert len(calls) == CALLS[name], calls
