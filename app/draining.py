"""Stopping without losing a request: SIGTERM first makes the service unready, then, a while later, ends it."""

import logging
import signal
from asyncio import get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

__all__ = ["Draining"]

logger = logging.getLogger(__name__)

_SAME_STOP_SECONDS = 1.0  # systemd tells all processes of a service to stop, and then the launcher tells its workers


class Draining:
    """Whether the service is about to stop, so that whoever balances the load sends it nothing new."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = False

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Stand before the server's own handler of SIGTERM, which stops listening at once; a later SIGTERM reaches it.

        Must be entered in the running event loop, after the server has set its handlers. Without one, as in a thread
        that is not the main one, nothing is changed.
        """
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            yield
            return
        loop = get_running_loop()
        began = 0.0

        def drain(number: int, frame: FrameType | None) -> None:
            nonlocal began
            if self.begun:
                if monotonic() - began > _SAME_STOP_SECONDS:
                    stop(number, frame)
                return
            self.begun, began = True, monotonic()
            logger.info("Unready from now on; will stop listening in %g s.", self._seconds)
            loop.call_soon_threadsafe(loop.call_later, self._seconds, stop, number, frame)

        try:
            signal.signal(signal.SIGTERM, drain)
        except ValueError:  # only the main thread may
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
