"""Turns of the event loop: sockets are read, what was plainly asked is answered, then some of the rest."""

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from time import perf_counter
from typing import Any, Protocol

from app.engine.admission import Gate
from app.engine.clock import Clock
from app.engine.together import Batch

__all__ = ["Asking", "Turn"]

_ADMITTED = attrgetter("admitted")
_SOON_SECONDS = 0.002  # that what nobody waits for may wait for company; a lone client asks some five times meanwhile
_BEHIND_SECONDS = 0.001  # of a turn for steps that may take long: at least one is taken,
_MAX_BEHIND = 2  # and no more, as some of them begin a task, which takes its time before the next turn
_MAX_READS = 2048  # sockets read in a turn: while a thousand can be read, libuv goes on reading, for up to a second


class Asking(Protocol):
    """Who waits for its turn."""

    admitted: bool  # its last request; False: it is owed an answer, as one that is new

    def take_turn(self) -> None:
        """Go on with what was read; must not raise."""


class Turn:
    """The turn that the event loop is in."""

    def __init__(self, clock: Clock, gate: Gate, batch: Batch[Any]) -> None:
        self.clock = clock
        self.accept_waiting: Callable[[], None] = lambda: None  # the server's part: connections that wait
        self._loop: AbstractEventLoop | None = None
        self._gate = gate
        self._batch = batch
        self._waiting: list[Asking] = []
        self._behind: deque[Callable[[], None]] = deque()
        self._later: deque[Callable[[], None]] = deque()

    def enter(self, loop: AbstractEventLoop) -> None:
        """Note that a socket was read: the first one begins the turn, and one too many the next."""
        clock = self.clock
        if clock.reads == _MAX_READS:
            self._answer()
        clock.reads += 1
        if clock.reads == 1:
            self._loop = loop
            clock.begin()
            loop.call_soon(self._answer)  # runs once all sockets that are readable now have been read

    def wait(self, asking: Asking) -> None:
        """Go on once all sockets have been read."""
        self._waiting.append(asking)

    def wait_behind(self, step: Callable[[], None]) -> None:
        """Take a step that may take long when the answers of a turn are written, few in a turn; it must not raise.

        However many such steps there are, whoever is answered at once waits for no more than these in each turn.
        """
        self._behind.append(step)

    def later(self, function: Callable[[], None]) -> None:
        """Call a function at the very end of this turn, when all answers are written."""
        self._later.append(function)

    def soon(self, function: Callable[[], None]) -> None:
        """Call a function in a while, when the answers have gone out: nobody need wait for it.

        What is put off until then is done for the answers of several turns at once.
        """
        if self._loop is None:
            function()
        else:
            self._loop.call_later(_SOON_SECONDS, function)

    def _answer(self) -> None:
        """Do what a turn does when all has been read, in this order."""
        if not self.clock.reads:
            return  # it has ended, as too many were read
        self.clock.end_reading()
        waiting = self._in_order()
        self._batch.expected = len(waiting)
        for asking in waiting:
            asking.take_turn()
        self._batch.finish()
        self._gate.end_turn()
        if self._behind:
            self._take_behind()
        self.accept_waiting()
        while self._later:
            self._later.popleft()()
        if self._behind and self._loop is not None:
            self.enter(self._loop)  # the next turn comes, whether a socket can be read or not

    def _take_behind(self) -> None:
        """Take some of the steps that may take long."""
        until = perf_counter() + _BEHIND_SECONDS
        for _ in range(min(_MAX_BEHIND, len(self._behind))):
            self._behind.popleft()()
            if perf_counter() > until:
                break

    def _in_order(self) -> list[Asking]:
        """Those that wait: first those to whom an answer is owed, then the others.

        Each kind in the order in which they came and were read, so that each waits as long as the others; after a turn
        with refusals in the opposite one: whoever waits longest may wait too long, so let that one be refused.
        """
        waiting, self._waiting = self._waiting, []
        if self._gate.has_shed:
            waiting.reverse()
        waiting.sort(key=_ADMITTED)  # leaves those that are alike in their order
        return waiting
