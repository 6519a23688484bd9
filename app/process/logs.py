"""What the service says of itself, by structlog: readable lines on a terminal, JSON lines elsewhere; all on stderr.

Every line has `time` (UTC), `level`, `event` and `worker` (its process id). Of what a client sent, the line of a
request has the method, the path without its query, the request id and the digest of the image, and nothing else.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from threading import Event, Lock, Thread
from time import time
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from structlog.dev import ConsoleRenderer
from structlog.processors import format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from app.settings import LogFormat

__all__ = ["RequestLog", "configuration", "formatter"]

_SECONDS_BETWEEN_WRITES = 0.25
_SECONDS_TO_FINISH = 2.0
_MADE_AT_ONCE = 128  # lines: some 0.2 ms
_MAX_WRITE = 4096  # bytes: up to here Linux keeps a write to a pipe in one piece (PIPE_BUF), and workers share the pipe
_MAX_WAITING = 2_000  # such pieces: 8 MB, 25,000 lines, what one worker answers in a second or more
_MAX_PATH = 200  # characters
_MAX_TRACEBACK = 3000  # characters, from its end, so that its line fits into such a write


class _Entry(NamedTuple):
    """One answered request, waiting for its line."""

    time: float  # of the answer, seconds since 1970
    request_id: bytes
    method: str
    route: str
    path: str
    status: int
    seconds: float
    model: Mapping[str, object] | None
    image_digest: str | None


class RequestLog:
    """One line a request, written a quarter of a second later at most.

    Lines are made where requests are answered, a hundred in a row, and written by a thread of its own: answers never
    wait for whoever reads the log. What it does not take in time is dropped, and the number is told.
    """

    def __init__(self, log_format: LogFormat = "auto", *, enabled: bool = True, descriptor: int = 2) -> None:
        self._enabled = enabled
        self._descriptor = descriptor
        self._entries: deque[_Entry] = deque()
        self._making = Lock()  # or lines would change places
        self._pieces: deque[bytes] = deque()  # lines, for one write each
        self._dropped = 0
        self._running = False
        self._stop = Event()
        self._renderers = _renderers(log_format)

    def write(
        self,
        request_id: bytes,
        method: str,
        route: str,
        path: str,
        *,
        status: int,
        seconds: float,
        model: Mapping[str, object] | None = None,
        image: bytes | None = None,
    ) -> None:
        """Note one answered request; nothing is written while the log is not `running`.

        Args:
            request_id: ASCII.
            method: of the request; HEAD is GET.
            route: the path's template.
            path: as the client sent it, without the query.
            status: of the answer.
            seconds: that the answer took.
            model: name and version of the model that was asked.
            image: the file, of which the digest is written.
        """
        if not self._running:
            return
        digest = None if image is None else sha256(image).hexdigest()[:16]
        self._entries.append(_Entry(time(), request_id, method, route, path, status, seconds, model, digest))
        if len(self._entries) >= _MADE_AT_ONCE:
            self._make_lines()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write lines for as long as the context lasts, and those that wait at its end."""
        if not self._enabled:
            yield
            return
        thread = Thread(target=self._keep_writing, name="request log", daemon=True)
        self._stop.clear()
        self._running = True
        thread.start()
        try:
            yield
        finally:
            self._running = False
            self._stop.set()
            thread.join(_SECONDS_TO_FINISH)  # no longer: a log that nobody reads must not keep the service from ending

    def _make_lines(self) -> None:
        """Make one line of each entry; in a row, as the first of them takes several times as long as the others."""
        with self._making:
            if len(self._pieces) >= _MAX_WAITING:
                self._dropped += len(self._entries)
                self._entries.clear()
                return
            lines: list[bytes] = []
            size = 0
            while self._entries:
                line = self._line(_fields(self._entries.popleft()))
                if size + len(line) > _MAX_WRITE:
                    self._pieces.append(b"".join(lines))
                    lines, size = [], 0
                lines.append(line)
                size += len(line)
            if lines:
                self._pieces.append(b"".join(lines))

    def _keep_writing(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_WRITES):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._send(self._line({**_start(time(), "warning", "Lines of requests were dropped."), "dropped": dropped}))
        self._make_lines()
        while self._pieces:
            self._send(self._pieces.popleft())

    def _line(self, event: EventDict) -> bytes:
        """The renderers are called without structlog's loggers, which would take as long as all the rest."""
        rendered: Any = event
        for render in self._renderers:
            rendered = render(None, event["level"], rendered)
        line: bytes = rendered
        return line

    def _send(self, content: bytes) -> None:
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:  # the disk is full, or the reader gone: what comes later may fare better
            self._dropped += content.count(b"\n")


def configuration(log_format: LogFormat = "auto") -> dict[str, Any]:
    """For `logging.config.dictConfig`, and so for uvicorn: its own lines and the service's, in the same form."""
    handler = {"class": "logging.StreamHandler", "formatter": "structlog", "stream": "ext://sys.stderr"}
    logger = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structlog": {"()": "app.process.logs.formatter", "log_format": log_format}},
        "handlers": {"stderr": handler},
        "loggers": {"uvicorn": logger, "app": logger},
    }


def formatter(log_format: LogFormat = "auto") -> logging.Formatter:
    """Of the standard library's log records."""
    return ProcessorFormatter(
        processors=[
            _from_record,
            ProcessorFormatter.remove_processors_meta,
            format_exc_info,
            _shortened,
            _in_order,
            *_renderers(log_format),
            _without_end,
        ]
    )


def _renderers(log_format: LogFormat) -> list[Processor]:
    """The last of which gives bytes, with the end of the line."""
    on_terminal = sys.stderr.isatty()
    if log_format == "json" or (log_format == "auto" and not on_terminal):
        return [_as_json]
    colors = on_terminal and "NO_COLOR" not in os.environ
    return [_escaped, ConsoleRenderer(colors=colors, sort_keys=False, timestamp_key="time", pad_event_to=0), _encoded]


def _fields(entry: _Entry) -> EventDict:
    fields = _start(entry.time, "info", "request")
    fields["request_id"] = entry.request_id.decode("ascii")
    fields["method"] = entry.method
    fields["route"] = entry.route
    fields["path"] = _plain(entry.path[:_MAX_PATH])
    fields["status"] = entry.status
    fields["duration_ms"] = int(entry.seconds * 1e6) / 1000  # rounding takes longer than all of this
    if entry.model is not None:
        fields["model"] = entry.model["name"]
        fields["version"] = entry.model["version"]
    if entry.image_digest is not None:
        fields["image_digest"] = entry.image_digest
    return fields


def _plain(path: str) -> str:
    """As it may stand in a line that a terminal shows: what is not plain ASCII in percent signs again."""
    return path if path.isascii() and path.isprintable() else quote(path, errors="replace")


def _from_record(_logger: Any, _level: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    return {**event, "time": record.created, "logger": record.name}


def _shortened(_logger: Any, _level: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = event["exception"][-_MAX_TRACEBACK:]
    return event


def _in_order(_logger: Any, level: str, event: EventDict) -> EventDict:
    return {**_start(event.pop("time"), level, event.pop("event")), **event}


def _start(moment: float, level: str, text: str) -> EventDict:
    """What every line begins with."""
    stamp = f"{_second(int(moment))}.{int(moment % 1 * 1000):03d}Z"
    return {"time": stamp, "level": level, "event": text, "worker": os.getpid()}


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Since 1970 -> in UTC, to the second: formatting it takes longer than all the rest of a line."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _as_json(_logger: Any, _level: str, event: EventDict) -> bytes:
    return orjson.dumps(event, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _encoded(_logger: Any, _level: str, line: Any) -> bytes:
    return f"{line}\n".encode()


def _without_end(_logger: Any, _level: str, line: Any) -> str:
    """As `logging` wants it, which ends the line itself."""
    text: str = line.decode()
    return text.removesuffix("\n")


def _escaped(_logger: Any, _level: str, event: EventDict) -> EventDict:
    """What could steer a terminal, or look like another line, is written out; a traceback keeps its lines."""
    return {key: _printable(value, keep="\n" if key == "exception" else "") for key, value in event.items()}


def _printable(value: Any, keep: str) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in value)
