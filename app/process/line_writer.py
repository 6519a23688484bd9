"""Lines written by a thread of their own: whoever has something to log never waits for whoever reads the log.

What is not taken in time is dropped, and the number is told.
"""

import os
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, Thread

__all__ = ["MAX_WRITE", "LineWriter"]

MAX_WRITE = 4096  # bytes that Linux keeps in one piece on a pipe (PIPE_BUF), and workers share the pipe

_MAX_WAITING = 2_000  # pieces of up to MAX_WRITE that wait: 8 MB, some 25,000 lines
_SECONDS_TO_FINISH = 2.0  # seconds that the end of a process may wait for whoever reads its log


class LineWriter:
    """A queue of lines before a descriptor, and the thread that empties it."""

    def __init__(
        self,
        descriptor: int,
        tell_dropped: Callable[[int], bytes],
        gather: Callable[[], None] = lambda: None,
        seconds_between: float | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            descriptor: is written to.
            tell_dropped: makes the line that says how many were dropped.
            gather: is called by the thread each time before it writes, and may `write` more.
            seconds_between: after which it writes without being told to; None: never.
        """
        self._descriptor = descriptor
        self._tell_dropped = tell_dropped
        self._gather = gather
        self._seconds_between = seconds_between
        self._pieces: deque[bytes] = deque()
        self._dropped = 0
        self._wanted = Event()  # to write now
        self._idle = Event()
        self._stopping = False
        self._starting = Lock()
        self._thread: Thread | None = None

    def write(self, piece: bytes) -> None:
        """Leave whole lines, at most MAX_WRITE bytes of them where others write to the same pipe."""
        if len(self._pieces) >= _MAX_WAITING:
            self._dropped += piece.count(b"\n")
        else:
            self._pieces.append(piece)

    def start(self) -> None:
        """Start the thread, where it does not run."""
        with self._starting:
            if self._thread is None:
                self._stopping = False
                self._thread = Thread(target=self._keep_writing, name="log", daemon=True)
                self._thread.start()

    def write_now(self) -> None:
        """Have the thread gather and write."""
        self._idle.clear()
        self._wanted.set()

    def flush(self) -> None:
        """Wait until all is written; not for long: a log that nobody reads keeps no process from ending."""
        if self._thread is not None:
            self.write_now()
            self._idle.wait(_SECONDS_TO_FINISH)

    def stop(self) -> None:
        """End the thread once all is written, or leave it alone after a while."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self.write_now()
            thread.join(_SECONDS_TO_FINISH)

    def _keep_writing(self) -> None:
        while not self._stopping:
            self._wanted.wait(self._seconds_between)
            self._wanted.clear()
            self._write_waiting()
            if not self._wanted.is_set():
                self._idle.set()
        self._write_waiting()

    def _write_waiting(self) -> None:
        self._gather()
        if self._dropped:
            lines, self._dropped = self._dropped, 0
            self._send(self._tell_dropped(lines))
        while self._pieces:
            self._send(self._pieces.popleft())

    def _send(self, content: bytes) -> None:
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:  # the disk is full, or the reader gone: what comes later may fare better
            self._dropped += content.count(b"\n")
