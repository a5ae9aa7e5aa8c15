"""Several threads at one batch: each takes some of its rows through the whole net.

NumPy's loops and products let go of Python's lock. That BLAS shares each product out by itself is worth
less: all that lies between products stays with one core, while BLAS' other threads wait by spinning. So
meanwhile BLAS is told to use one thread each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

from threadpoolctl import ThreadpoolController

__all__ = ["ALONE", "Crew", "Member", "gathered"]

Found = TypeVar("Found")


class Member:
    """One of those who work on a batch.

    Parameters
    ----------
    number, count : int
        Which of how many.
    table : callable, optional
        Takes a member's number and what it has, and returns what all have; given where there are several.
    """

    def __init__(
        self, number: int = 0, count: int = 1,
        table: Callable[[int, Any], list[Any]] | None = None,
    ) -> None:  # fmt: skip
        self.number, self.count, self._table = number, count, table

    def rows(self, size: int) -> slice:
        """Return which of so many rows are this member's."""
        return slice(self.number * size // self.count, (self.number + 1) * size // self.count)

    def all(self, *own: Any) -> list[tuple[Any, ...]]:
        """Return what every member has, in their order, once all have come so far.

        For what is of the whole batch, as the statistics of batch norm are. All members must ask alike.
        """
        return [own] if self._table is None else self._table(self.number, own)


class Crew:
    """Members, and the threads of all but the first.

    Parameters
    ----------
    count : int
        How many.
    pool : ThreadPoolExecutor, optional
        With one thread less; given where there are several.
    """

    def __init__(self, count: int = 1, pool: ThreadPoolExecutor | None = None) -> None:
        self._pool = pool
        self._barrier = threading.Barrier(count)
        # Two, used in turn: whoever writes the next has seen all of the last but one.
        self._tables: list[list[Any]] = [[None] * count, [None] * count]
        self._turns = [0] * count
        table = None if pool is None else self._shown
        self.members = [Member(number, count, table) for number in range(count)]

    def _shown(self, number: int, own: Any) -> list[Any]:
        table = self._tables[self._turns[number] % 2]
        self._turns[number] += 1
        table[number] = own
        self._barrier.wait()
        return list(table)

    def each(self, work: Callable[[Member], Found]) -> list[Found]:
        """Return what each member finds, in their order; an error of one is raised once all have stopped."""
        first, *others = self.members
        if self._pool is None:
            return [work(first)]

        def stopping(member: Member) -> Found:
            try:
                return work(member)
            except BaseException:
                self._barrier.abort()  # else the others would wait for it
                raise

        told = [self._pool.submit(stopping, member) for member in others]
        found, errors = [], []
        try:
            found.append(stopping(first))
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
        errors += [e for e in (future.exception() for future in told) if e is not None]
        if errors:
            # Those who were waiting for the one that failed have nothing to tell.
            own = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)]
            raise (own or errors)[0]
        return found + [future.result() for future in told]


ALONE = Crew()


class _Hands:
    """All threads there are beside the caller's. Whoever comes while they are busy works alone."""

    def __init__(self) -> None:
        loaded = cast("Any", ThreadpoolController)()  # it has no types
        self._blas: list[Any] = loaded.select(user_api="blas").lib_controllers
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(
            self._cores, "unifw-numpy"
        )  # starts them as they are wanted
        self._free = threading.Lock()

    def count(self) -> int:
        """Return how many threads BLAS would take, be it by the environment's word or ``threadpool_limits``."""
        asked = max((library.get_num_threads() for library in self._blas), default=1)
        return min(asked, self._cores)

    @contextmanager
    def gathered(self, count: int) -> Iterator[Crew]:
        if not self._free.acquire(blocking=False):
            yield ALONE
            return
        before = [library.get_num_threads() for library in self._blas]
        try:
            for library in self._blas:
                library.set_num_threads(1)
            yield Crew(count, self._pool)
        finally:
            for library, threads in zip(self._blas, before, strict=True):
                library.set_num_threads(threads)
            self._free.release()


@cache
def _hands() -> _Hands:
    return _Hands()


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_hands.cache_clear)


@contextmanager
def gathered(most: int) -> Iterator[Crew]:
    """Have a crew for the block: of as many members as BLAS has threads, but not more than ``most``."""
    count = min(most, _hands().count()) if most > 1 else 1
    if count > 1:
        with _hands().gathered(count) as crew:
            yield crew
    else:
        yield ALONE
