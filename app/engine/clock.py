"""The time that a turn of the event loop takes."""

from time import perf_counter, process_time

__all__ = ["Clock"]


class Clock:
    """When the turn began that the event loop is in; it begins when its first socket is read."""

    def __init__(self) -> None:
        self.reads = 0  # of sockets
        self.began = 0.0
        self.all_read = 0.0  # when the last socket had been read
        self._worked_before = 0.0  # CPU seconds of this process

    def begin(self) -> None:
        """Note that the first socket was read."""
        self.began = perf_counter()
        self._worked_before = process_time()

    def end_reading(self) -> None:
        """Note that all that could be read has been read."""
        self.reads = 0
        self.all_read = perf_counter()

    def is_longer_than(self, seconds: float) -> bool:
        """Whether this turn has taken so long, without the time in which the system did not run this process."""
        return perf_counter() - self.began > seconds and process_time() - self._worked_before > seconds
