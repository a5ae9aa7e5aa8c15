"""Several threads at one batch of NumPy's: the same numbers, and nothing that hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import unifw as uf
from unifw import layers as L
from unifw.backends.numpy import session as sessions
from unifw.backends.numpy.crew import ALONE, Crew, Member, gathered
from unifw.backends.numpy.training import SHARE, Passes
from unifw.testing.cases import LAYERS, LayerCase
from unifw.testing.compare import MSE, judged, opened

NET = uf.Sequential(
    [L.Conv2D(4, 3, padding=1, bias=False), L.BatchNorm(), L.ReLU(), L.Flatten(), L.Dense(3)],
    input_shape=(2, 5, 5),
)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_every_layer_gives_the_same(
    case: LayerCase, graded: Any, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted_loss, wanted = graded(case)
    asked: list[int] = []

    def three(most: int) -> Any:
        asked.append(most)
        return nullcontext(Crew(3, pool))

    monkeypatch.setattr(sessions, "gathered", three)
    loss, found = graded(case)
    assert asked
    assert loss == pytest.approx(wanted_loss, rel=1e-12)
    judged(found, wanted, 1e-9)


def test_outputs_are_those_of_all_rows(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.RandomState(0).standard_normal((7, 2, 5, 5))
    with opened("numpy", NET, MSE, dtype="float64") as session:
        (wanted,) = session.forward((x,))
        monkeypatch.setattr(sessions, "gathered", lambda most: nullcontext(Crew(3, pool)))
        (found,) = session.forward((x,))
    assert found == pytest.approx(wanted, rel=1e-12)


def test_rows_are_all_taken_once() -> None:
    for size in (1, 7, 64):
        for count in (1, 2, 3):
            cuts = [Member(number, count).rows(size) for number in range(count)]
            assert [row for cut in cuts for row in range(size)[cut]] == list(range(size))


def test_an_error_of_one_stops_all(pool: ThreadPoolExecutor) -> None:
    crew = Crew(3, pool)

    def work(member: Member) -> None:
        if member.number == 1:
            raise ValueError("mine")
        member.all(member.number)  # waits for all

    with pytest.raises(ValueError, match="mine"):
        crew.each(work)


def test_blas_has_one_thread_meanwhile_and_then_as_many_as_before() -> None:
    def threads() -> list[int]:
        return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

    with threadpool_limits(2, "blas"):
        before = threads()
        with gathered(8) as crew:
            assert len(crew.members) == min(2, os.cpu_count() or 1)
            if len(crew.members) > 1:
                assert set(threads()) == {1}
                with gathered(8) as other:  # the threads are busy
                    assert other is ALONE
        assert threads() == before


def test_whoever_allows_one_thread_gets_no_more() -> None:
    with threadpool_limits(1, "blas"), gathered(8) as crew:
        assert crew is ALONE


def test_little_work_is_done_alone() -> None:
    passes = Passes(NET, dict.fromkeys(NET.parts))
    assert passes.most(4) == 0
    assert passes.most(4 * SHARE) > 1
    assert passes.most(1) < 2  # a row is not parted


FORKS = """
import os, warnings
warnings.simplefilter("ignore")
from unifw.backends.numpy.crew import gathered
from threadpoolctl import threadpool_limits

def work():
    with threadpool_limits(2, "blas"), gathered(2) as crew:
        return crew.each(lambda member: member.all(member.number))

wanted, child = work(), os.fork()
if child == 0:
    os._exit(0 if work() == wanted else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_has_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=60)
