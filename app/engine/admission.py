"""What is let in, so that what was let in is answered soon: as much as a turn has time for.

A request whose body has arrived runs to its end within a turn of the event loop (`app.engine.turns`), so requests queue
where the loop can't see them, in the sockets' buffers. What has arrived while it was busy is read in the next turn, all
of it: a request waits for the rest of one turn and is answered at the end of the next. So what bounds the turns bounds
the time to every answer. While there is far too much to do, most requests are shed as soon as they are read, and turns
are short: that costs least, and whoever connects anew waits less.
"""

import logging
from asyncio import Future, get_running_loop
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import random
from time import perf_counter
from typing import Any, TypeVar

from app.engine.clock import Clock
from app.engine.problems import OverCapacityError

__all__ = ["Gate", "HeavyWork", "Shed", "Shedding"]

Result = TypeVar("Result")
Shed = Callable[[str, int], None]  # is told why, and how many requests, were shed

logger = logging.getLogger(__name__)

_ALWAYS_ADMITTED = 4  # requests answered in a turn, however long each of them takes
_CROWDED = 0.25  # share of its time that a turn has after one in which most were shed
_FOR_ANSWERS = 0.1  # share of a turn's time kept for answers, however many requests wait to be shed
_SPARE = 2.0  # times as many requests as there may be time for that may wait after such a turn
_ALWAYS_TAKEN = 8  # heavy calls at work or waiting, in one worker, however long each of them takes
_SOON_SECONDS = 1.0  # seconds that the heavy calls before another one may take together
_MOST_OWED = 1024  # askers remembered that were shed
_FIRST_GUESS_SECONDS = 0.05  # seconds that a heavy call takes, before any has been measured
_NEWEST_SHARE = 0.1  # share of the newest heavy call in the mean of what they took
_LOG_SECONDS = 10.0  # seconds between two lines of the log


class Shedding:
    """Tells of what is shed for one reason, and logs how much it was, every ten seconds."""

    def __init__(self, on_shed: Shed, reason: str, message: str) -> None:
        """`message` is what is logged, with %d for the number since the last time."""
        self._on_shed = on_shed
        self._reason = reason
        self._message = message
        self._unlogged = 0
        self._logged_at = float("-inf")

    def tell(self, count: int) -> None:
        """Note that so many were shed; none: log what came last, if it is time."""
        if count:
            self._on_shed(self._reason, count)
            self._unlogged += count
        if self._unlogged and (now := perf_counter()) - self._logged_at > _LOG_SECONDS:
            logger.warning(self._message, self._unlogged)
            self._logged_at = now
            self._unlogged = 0


class Gate:
    """Sheds what a turn has no time for, so that what comes after it need not wait."""

    def __init__(self, max_seconds: float, clock: Clock, on_shed: Shed) -> None:
        """`max_seconds`: what a turn may take."""
        self._max_seconds = max_seconds
        self._clock = clock
        self._shedding = Shedding(on_shed, "overload", "Over capacity: %d requests refused.")
        self.has_shed = False  # in the turn before
        self._admitted = 0  # in this turn
        self._shed = 0
        self._is_shut = False  # for the rest of this turn
        self._share = 1.0  # of all new requests that may wait for their turn

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
        if self._shed > self._admitted > 0:  # with none admitted, what was shed had waited since a turn before
            seconds = perf_counter() - self._clock.began
            room = self._admitted * max(1.0, _CROWDED * self._max_seconds / seconds)
            self._share = min(1.0, _SPARE * room / (self._admitted + self._shed))
        self._shedding.tell(self._shed)  # or what came last in the turns before, such as that of a probe
        self._admitted = self._shed = 0
        self._is_shut = False

    def _is_full(self) -> bool:
        seconds = self._max_seconds if self._share == 1 else _CROWDED * self._max_seconds
        has_answered = perf_counter() - self._clock.all_read > _FOR_ANSWERS * seconds
        return has_answered and self._clock.is_longer_than(seconds)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A heavy call that waits for a thread."""

    asker: Hashable  # whose it is
    function: Callable[[], Any]
    done: Future[Any]
    is_owed: bool  # its asker was shed before


class HeavyWork:
    """Threads for calls that would hold up the event loop, shared fairly among those who ask.

    One is enough for those that compute, as a second one would share the same core. Where too many wait, who has none
    waiting takes the place of the newest call of whoever has several, and who was shed the last time goes first.
    """

    def __init__(self, on_shed: Shed, begin_thread: Callable[[], object], threads: int = 1) -> None:
        """`begin_thread` is called first in each thread."""
        self._on_shed = on_shed
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "heavy-work", begin_thread)
        self._waiting: deque[_Waiting] = deque()
        self._at_work = 0
        self._owed: dict[Hashable, None] = {}  # who was shed and not taken since, the last one last
        self._mean_seconds = _FIRST_GUESS_SECONDS

    async def run(self, function: Callable[[], Result], asker: Hashable = None) -> Result:
        """Call a function in one of the threads.

        Args:
            function: is called.
            asker: for whom; None: for somebody who is not known.

        Raises:
            OverCapacityError: those that wait for it already take too long.
        """
        asker = object() if asker is None else asker
        is_owed = asker in self._owed
        if self._is_full():
            giving_way = self._giving_way_to(asker, is_owed=is_owed)
            if giving_way is None:
                raise self._shed(asker)
            self._waiting.remove(giving_way)
            giving_way.done.set_exception(self._shed(giving_way.asker))
        self._owed.pop(asker, None)
        call = _Waiting(asker, function, get_running_loop().create_future(), is_owed)
        behind = sum(other.is_owed for other in self._waiting) if is_owed else len(self._waiting)
        self._waiting.insert(behind, call)  # those to whom it is owed stand before all others
        self._go_on()
        result: Result = await call.done
        return result

    def _is_full(self) -> bool:
        calls = self._at_work + len(self._waiting)
        return calls >= _ALWAYS_TAKEN and calls * self._mean_seconds > _SOON_SECONDS * self._threads

    def _giving_way_to(self, asker: Hashable, *, is_owed: bool) -> _Waiting | None:
        """Of the calls that wait, the newest one that has less right to than one of `asker` would have."""
        counts = Counter(call.asker for call in self._waiting)
        if counts[asker]:
            return None
        for call in reversed(self._waiting):
            if not call.done.done() and (counts[call.asker] > 1 or (is_owed and not call.is_owed)):
                return call
        return None

    def _shed(self, asker: Hashable) -> OverCapacityError:
        self._owed[asker] = None
        if len(self._owed) > _MOST_OWED:
            del self._owed[next(iter(self._owed))]
        self._on_shed("heavy_work", 1)
        return OverCapacityError("Too many long requests at once; try again, or send smaller ones.")

    def _go_on(self) -> None:
        while self._waiting and self._at_work < self._threads:
            call = self._waiting.popleft()
            if not call.done.done():  # else who asked is gone
                self._at_work += 1
                work = get_running_loop().run_in_executor(self._pool, self._timed, call.function)
                work.add_done_callback(partial(self._finish, call.done))

    def _finish(self, done: Future[Any], work: Future[Any]) -> None:
        self._at_work -= 1
        self._go_on()
        error = work.exception()
        if done.done():
            return
        if error is None:
            done.set_result(work.result())
        else:
            done.set_exception(error)

    def _timed(self, function: Callable[[], Result]) -> Result:
        began = perf_counter()
        try:
            return function()
        finally:
            self._mean_seconds += _NEWEST_SHARE * (perf_counter() - began - self._mean_seconds)
