"""One line a request.

Of what a client sent, it has the method, the path without its query, the request id and what the service notes of it,
such as the digest of an image; nothing else.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from time import time
from typing import Protocol
from urllib.parse import quote

from app.process.line_writer import MAX_WRITE, LineWriter
from app.process.logs import LogFormat, beginning, dropped, renderer

__all__ = ["RequestLog"]

_SECONDS_BETWEEN_WRITES = 0.25  # seconds that a line waits at most
_MAX_PATH = 200  # characters of a path


class Answered(Protocol):
    """One answered request."""

    request_id: bytes  # ASCII
    method: str  # HEAD is GET
    route: str  # the path's template
    path: str  # as the client sent it, without the query
    status: int  # of the answer
    seconds: float  # that the answer took
    notes: dict[str, object]  # what its line says besides


class RequestLog:
    """Lines are made where requests are answered, and written a quarter of a second later at most.

    Each call of `write` should bring several: the first line takes several times as long as the others.
    """

    def __init__(self, log_format: LogFormat = "auto", *, enabled: bool = True, descriptor: int = 2) -> None:
        self._enabled = enabled
        self._making = Lock()  # or lines would change places
        self._lines: list[bytes] = []  # of the next piece
        self._size = 0  # bytes of these
        self._running = False
        self._render = renderer(log_format)
        self._writer = LineWriter(
            descriptor, lambda lines: dropped(self._render, lines), self._gather, _SECONDS_BETWEEN_WRITES
        )

    def write(self, answered: Iterable[Answered]) -> None:
        """Note what has just been answered; nothing is written while the log is not `running`."""
        if not self._running:
            return
        alike = beginning(time(), "info", "request")
        with self._making:
            for one in answered:
                self._add(self._render(alike | _own_fields(one)))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write lines for as long as the context lasts, and those that wait at its end."""
        if not self._enabled:
            yield
            return
        self._writer.start()
        self._running = True
        try:
            yield
        finally:
            self._running = False
            self._writer.stop()

    def _add(self, line: bytes) -> None:
        if self._size + len(line) > MAX_WRITE:
            self._hand_over()
        self._lines.append(line)
        self._size += len(line)

    def _gather(self) -> None:
        with self._making:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._lines:
            self._writer.write(b"".join(self._lines))
        self._lines, self._size = [], 0


def _own_fields(answered: Answered) -> dict[str, object]:
    return {
        "request_id": answered.request_id.decode("ascii"),
        "method": answered.method,
        "route": answered.route,
        "path": _plain(answered.path[:_MAX_PATH]),
        "status": answered.status,
        "duration_ms": int(answered.seconds * 1e6) / 1000,  # rounding takes longer than all of this
        **answered.notes,
    }


def _plain(path: str) -> str:
    """As it may stand in a line that a terminal shows: what is not plain ASCII in percent signs again."""
    return path if path.isascii() and path.isprintable() else quote(path, errors="replace")
