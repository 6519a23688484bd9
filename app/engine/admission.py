"""What is let in, so that what was let in is answered soon: as much as a turn has time for, and the bytes that wait.

A request whose body has arrived runs to its end within a turn of the event loop (`app.engine.turns`), so requests queue where
the loop can't see them, in the sockets' buffers. What has arrived while it was busy is read in the next turn, all of
it: a request waits for the rest of one turn and is answered at the end of the next. So what bounds the turns bounds
the time to every answer. While there is far too much to do, most requests are refused as soon as they are read, and
turns are short: that costs least, and whoever connects anew waits less.
"""

import logging
from asyncio import get_running_loop
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import random
from time import perf_counter
from typing import TypeVar

import torch

from app.engine.turns import Turn
from app.errors import OverCapacityError
from app.serving.telemetry import Telemetry

__all__ = ["Gate", "HeavyWork", "PendingBodies"]

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_ALWAYS_ADMITTED = 4  # requests a turn, however long each of them takes
_CROWDED = 0.25  # of its time has a turn after one in which most were refused
_FOR_ANSWERS = 0.1  # of that, at least, however much there is to refuse
_SPARE = 2.0  # times as many as there may be time for may wait then
_ALWAYS_TAKEN = 8  # heavy calls at work or waiting, in one worker, however long each of them takes
_SOON_SECONDS = 1.0  # what the heavy calls before another one may take together
_FIRST_GUESS_SECONDS = 0.05  # for a heavy call
_NEWEST_SHARE = 0.1  # in the mean of what heavy calls took
_LOG_SECONDS = 10.0


class Gate:
    """Refuses what a turn has no time for, so that what comes after it need not wait."""

    def __init__(self, max_seconds: float, telemetry: Telemetry, turn: Turn) -> None:
        """`max_seconds`: what a turn may take."""
        self._max_seconds = max_seconds
        self._telemetry = telemetry
        self._turn = turn
        self._admitted = 0  # in this turn
        self._refused = 0
        self._is_shut = False  # for the rest of this turn
        self._share = 1.0  # of all new requests that may wait for their turn
        self._refused_unlogged = 0
        self._logged_at = float("-inf")
        turn.at_end.append(self._end_turn)

    def draw(self) -> bool:
        """Whether a new request may wait for its turn: after a turn in which most were refused, by lot.

        Those that are read first might be the same again and again.
        """
        return self._share == 1 or self._turn.reads <= _ALWAYS_ADMITTED or random() < self._share  # noqa: S311 - no secret

    def admits(self) -> bool:
        """Whether a request whose turn it is may be answered; once one may not, none that comes after it may."""
        if not self._is_shut and (self._admitted < _ALWAYS_ADMITTED or not self._is_full()):
            self._admitted += 1
            return True
        self._is_shut = True
        return False

    def count_refused(self) -> None:
        """Note that a request was turned away."""
        self._refused += 1

    def _is_full(self) -> bool:
        seconds = self._max_seconds if self._share == 1 else _CROWDED * self._max_seconds
        has_answered = perf_counter() - self._turn.all_read > _FOR_ANSWERS * seconds
        return has_answered and self._turn.is_longer_than(seconds)

    def _end_turn(self) -> None:
        self._share = 1.0
        self._turn.newest_first = self._refused > 0
        if self._refused:
            if self._refused > self._admitted:
                seconds = perf_counter() - self._turn.began
                room = self._admitted * max(1.0, _CROWDED * self._max_seconds / seconds)
                self._share = min(1.0, _SPARE * room / (self._admitted + self._refused))
            self._telemetry.refused("overload", self._refused)
            self._refused_unlogged += self._refused
        if self._refused_unlogged:
            self._report()
        self._admitted = self._refused = 0
        self._is_shut = False

    def _report(self) -> None:
        """Log how many were refused, every ten seconds; what came last with the next turn, such as that of a probe."""
        now = perf_counter()
        if now - self._logged_at > _LOG_SECONDS:
            logger.warning("Over capacity: %d requests refused.", self._refused_unlogged)
            self._logged_at = now
            self._refused_unlogged = 0


class HeavyWork:
    """One thread for calls that would hold up the event loop; a second one would share the same core."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._thread = ThreadPoolExecutor(1, "heavy-work", torch.set_num_threads, (1,))
        self._calls = 0
        self._mean_seconds = _FIRST_GUESS_SECONDS

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call a function in that thread.

        Raises:
            OverCapacityError: those that wait for it already take too long.
        """
        if self._calls >= _ALWAYS_TAKEN and self._calls * self._mean_seconds > _SOON_SECONDS:
            self._telemetry.refused("heavy_work")
            raise OverCapacityError("Too many long requests at once; try again, or send smaller ones.")
        self._calls += 1
        try:
            return await get_running_loop().run_in_executor(self._thread, self._timed, function)
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

    def __init__(self, max_bytes: int, telemetry: Telemetry) -> None:
        self._max_bytes = max_bytes
        self._telemetry = telemetry
        self._bytes = 0

    def add(self, size: int) -> None:
        """Count `size` bytes more.

        Raises:
            OverCapacityError: all bodies together would have too many.
        """
        if self._bytes + size > self._max_bytes:
            self._telemetry.refused("pending_bytes")
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
