"""What is let in, so that what was let in is answered soon: as much as a turn has time for, and the bytes that wait.

A request whose body has arrived runs to its end within a turn of the event loop (`app.engine.turns`), so requests queue
where the loop can't see them, in the sockets' buffers. What has arrived while it was busy is read in the next turn, all
of it: a request waits for the rest of one turn and is answered at the end of the next. So what bounds the turns bounds
the time to every answer. While there is far too much to do, most requests are shed as soon as they are read, and turns
are short: that costs least, and whoever connects anew waits less.
"""

import logging
from asyncio import get_running_loop
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import random
from time import perf_counter
from typing import TypeVar

from app.engine.clock import Clock
from app.engine.problems import OverCapacityError

__all__ = ["Gate", "HeavyWork", "PendingBodies", "Shed"]

Result = TypeVar("Result")
Shed = Callable[[str, int], None]  # is told why, and how many requests, were shed

logger = logging.getLogger(__name__)

_ALWAYS_ADMITTED = 4  # requests answered in a turn, however long each of them takes
_CROWDED = 0.25  # share of its time that a turn has after one in which most were shed
_FOR_ANSWERS = 0.1  # share of a turn's time kept for answers, however many requests wait to be shed
_SPARE = 2.0  # times as many requests as there may be time for that may wait after such a turn
_ALWAYS_TAKEN = 8  # heavy calls at work or waiting, in one worker, however long each of them takes
_SOON_SECONDS = 1.0  # seconds that the heavy calls before another one may take together
_FIRST_GUESS_SECONDS = 0.05  # seconds that a heavy call takes, before any has been measured
_NEWEST_SHARE = 0.1  # share of the newest heavy call in the mean of what they took
_LOG_SECONDS = 10.0  # seconds between two lines of the log


class Gate:
    """Sheds what a turn has no time for, so that what comes after it need not wait."""

    def __init__(self, max_seconds: float, clock: Clock, on_shed: Shed) -> None:
        """`max_seconds`: what a turn may take."""
        self._max_seconds = max_seconds
        self._clock = clock
        self._on_shed = on_shed
        self.has_shed = False  # in the turn before
        self._admitted = 0  # in this turn
        self._shed = 0
        self._is_shut = False  # for the rest of this turn
        self._share = 1.0  # of all new requests that may wait for their turn
        self._shed_unlogged = 0
        self._logged_at = float("-inf")

    def may_wait(self) -> bool:
        """Whether a new request may wait for its turn: after a turn in which most were shed, by lot.

        Those that are read first might be the same again and again.
        """
        return self._share == 1 or self._clock.reads <= _ALWAYS_ADMITTED or random() < self._share  # noqa: S311 - no secret

    def admits(self) -> bool:
        """Whether a request whose turn it is may be answered; once one may not, none that comes after it may."""
        if not self._is_shut and (self._admitted < _ALWAYS_ADMITTED or not self._is_full()):
            self._admitted += 1
            return True
        self._is_shut = True
        return False

    def count_shed(self) -> None:
        """Note that a request was shed."""
        self._shed += 1

    def end_turn(self) -> None:
        """Choose how many may wait in the next turn, by what was shed in this one."""
        self._share = 1.0
        self.has_shed = self._shed > 0
        if self._shed:
            if self._shed > self._admitted:
                seconds = perf_counter() - self._clock.began
                room = self._admitted * max(1.0, _CROWDED * self._max_seconds / seconds)
                self._share = min(1.0, _SPARE * room / (self._admitted + self._shed))
            self._on_shed("overload", self._shed)
            self._shed_unlogged += self._shed
        if self._shed_unlogged:
            self._report()
        self._admitted = self._shed = 0
        self._is_shut = False

    def _is_full(self) -> bool:
        seconds = self._max_seconds if self._share == 1 else _CROWDED * self._max_seconds
        has_answered = perf_counter() - self._clock.all_read > _FOR_ANSWERS * seconds
        return has_answered and self._clock.is_longer_than(seconds)

    def _report(self) -> None:
        """Log how many were shed, every ten seconds; what came last with the next turn, such as that of a probe."""
        now = perf_counter()
        if now - self._logged_at > _LOG_SECONDS:
            logger.warning("Over capacity: %d requests refused.", self._shed_unlogged)
            self._logged_at = now
            self._shed_unlogged = 0


class HeavyWork:
    """Threads for calls that would hold up the event loop.

    One is enough for those that compute, as a second one would share the same core.
    """

    def __init__(self, on_shed: Shed, begin_thread: Callable[[], object], threads: int = 1) -> None:
        """`begin_thread` is called first in each thread."""
        self._on_shed = on_shed
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "heavy-work", begin_thread)
        self._calls = 0
        self._mean_seconds = _FIRST_GUESS_SECONDS

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call a function in one of the threads.

        Raises:
            OverCapacityError: those that wait for it already take too long.
        """
        if self._calls >= _ALWAYS_TAKEN and self._calls * self._mean_seconds > _SOON_SECONDS * self._threads:
            self._on_shed("heavy_work", 1)
            raise OverCapacityError("Too many long requests at once; try again, or send smaller ones.")
        self._calls += 1
        try:
            return await get_running_loop().run_in_executor(self._pool, self._timed, function)
        finally:
            self._calls -= 1

    def _timed(self, function: Callable[[], Result]) -> Result:
        began = perf_counter()
        try:
            return function()
        finally:
            self._mean_seconds += _NEWEST_SHARE * (perf_counter() - began - self._mean_seconds)


class PendingBodies:
    """The bytes of bodies that are still arriving, or that wait for a thread, and what they may add up to."""

    def __init__(self, max_bytes: int, on_shed: Shed) -> None:
        self._max_bytes = max_bytes
        self._on_shed = on_shed
        self._bytes = 0

    def add(self, size: int) -> None:
        """Count `size` bytes more.

        Raises:
            OverCapacityError: all bodies together would have too many.
        """
        if self._bytes + size > self._max_bytes:
            self._on_shed("pending_bytes", 1)
            raise OverCapacityError("Too many long requests at once; try again, or send smaller ones.")
        self._bytes += size

    def remove(self, size: int) -> None:
        """Count `size` bytes less, which were added before."""
        self._bytes -= size

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """One body, for as long as this context lasts; the function that it gives is `add` for each chunk."""
        held = 0

        def add(size: int) -> None:
            nonlocal held
            self.add(size)
            held += size

        try:
            yield add
        finally:
            self.remove(held)
