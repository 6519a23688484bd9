"""Stopping without losing a request: SIGTERM first makes the service unready, then, a while later, ends it."""

import logging
import multiprocessing
import signal
from asyncio import TimerHandle, get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Draining"]

logger = logging.getLogger(__name__)


class Draining:
    """Whether the service is about to stop, so that whoever balances the load sends it nothing new."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = False

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Stand before the server's own handler of SIGTERM, which stops listening at once; a second SIGTERM reaches it.

        A worker's second one comes from its launcher, where all processes of the service were told to stop, as systemd
        does. It sets the clock back: the launcher counts from then on when to close the door. A third one stops it.

        Must be entered in the running event loop, after the server has set its handlers. Without one, as in a thread
        that is not the main one, nothing is changed.
        """
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            yield
            return
        loop = get_running_loop()
        patience = 1 if multiprocessing.parent_process() is None else 2
        told = 0
        timer: TimerHandle | None = None

        def drain(number: int, frame: FrameType | None) -> None:
            nonlocal told
            told += 1
            if told > patience:
                loop.call_soon_threadsafe(logger.warning, "Told again to stop: stops listening now.")
                stop(number, frame)
                return
            self.begun = True
            loop.call_soon_threadsafe(stop_later, number, frame)

        def stop_later(number: int, frame: FrameType | None) -> None:
            nonlocal timer
            if timer is None:
                logger.info("Unready from now on; will stop listening in %g s.", self._seconds)
            else:
                timer.cancel()
            timer = loop.call_later(self._seconds, stop, number, frame)

        try:
            signal.signal(signal.SIGTERM, drain)
        except ValueError:  # only the main thread may
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
