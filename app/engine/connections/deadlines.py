"""How long each phase of a connection may last: one timer, as setting one anew for each request would cost more."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Mapping
from enum import Enum
from time import perf_counter

__all__ = ["BODY", "HEAD", "IDLE", "LEAVING", "WORK", "Deadlines", "Phase"]


class Phase(Enum):
    """What a connection waits for."""

    IDLE = "the next request"
    HEAD = "the request line and the headers"
    BODY = "the body"
    WORK = "the answer"
    LEAVING = "the client to close it"


IDLE, HEAD, BODY, WORK, LEAVING = Phase


class Deadlines:
    """The time of one connection."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        seconds: Mapping[Phase, float],
        missed: Callable[[Phase], None],
        unread_bytes: Callable[[], int],
    ) -> None:
        """The clock runs from now on.

        Args:
            loop: the event loop.
            seconds: how long each phase may last.
            missed: called with a phase that took longer; with IDLE where the client takes nothing of its answers.
            unread_bytes: how much of the answers waits for the client.
        """
        self.phase = IDLE
        self._loop = loop
        self._seconds = seconds
        self._shortest = min(seconds.values())
        self._missed = missed
        self._unread_bytes = unread_bytes
        self._unread_before = 0
        self._since = perf_counter()
        self._timer: TimerHandle = loop.call_later(self._shortest, self._look)

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self.phase = phase
        self._since = perf_counter()

    def idle_since(self) -> float | None:
        """When the last answer was given; None: something is asked."""
        return self._since if self.phase is IDLE else None

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        unread = self._unread_bytes()
        if unread > 0 and (unread < self._unread_before or not self._unread_before):
            self._since = perf_counter()  # it takes some
        self._unread_before = unread
        phase = IDLE if unread and self.phase is not LEAVING else self.phase
        remaining = self._since + self._seconds[phase] - perf_counter()
        if remaining <= 0:
            self._missed(phase)
            remaining = self._shortest
        self._timer = self._loop.call_later(min(remaining, self._shortest), self._look)
