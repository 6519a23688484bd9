"""What a client sends: which of its bytes wait, and whether more are read meanwhile."""

import re
from asyncio import AbstractEventLoop, Transport

__all__ = ["Reading"]

_MOST_DROPPED = 32 * 2**20  # bytes
_DROPPING_SECONDS = 0.002  # between two looks at what is sent in vain: it gets little of the machine
_EMPTY_LINES = re.compile(rb"(?:\r\n)*+")  # that may stand before a request


class Reading:
    """The way in of one connection."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self.data = b""  # that was read; empty once all of it is taken
        self.start = 0  # of what is not taken yet
        self.has_ended = False  # the client sends no more
        self.is_paused = False  # no more is read for now
        self._transport = transport
        self._loop = loop
        self._dropped = 0  # bytes

    def add(self, data: bytes) -> None:
        """Have what was read wait behind what waits already."""
        self.data = self.data[self.start :] + data if self.data else data
        self.start = 0

    def take(self, end: int) -> None:
        """Go on behind what was taken, which ends at `end`."""
        if end == len(self.data):
            self.data = b""
            self.start = 0
        else:
            self.start = end

    def skip_empty_lines(self) -> None:
        """Take those that stand before a request."""
        if self.data.startswith(b"\r\n", self.start):
            self.take(_EMPTY_LINES.match(self.data, self.start).end())  # type: ignore[union-attr]  # it matches nothing, too

    def trim(self) -> None:
        """Keep no more of what was taken than of what was not."""
        if 2 * self.start > len(self.data):
            self.data, self.start = self.data[self.start :], 0

    def forget(self) -> None:
        """Let go of all that waits."""
        self.take(len(self.data))

    def drop(self, size: int) -> None:
        """Read so many bytes in vain, and go on in a while; a client that sends far too many is cut off."""
        self._dropped += size
        if self._dropped > _MOST_DROPPED:
            self._transport.abort()
            return
        self.pause()
        self._loop.call_later(_DROPPING_SECONDS, self.resume)

    def pause(self) -> None:
        """Read no more."""
        if not self.is_paused:
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, where there may be more."""
        if self.is_paused and not (self.has_ended or self._transport.is_closing()):
            self.is_paused = False
            self._transport.resume_reading()
