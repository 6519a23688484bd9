"""What the service says of itself: readable lines on a terminal, JSON lines elsewhere; all on stderr.

Every line has `time` (UTC), `level`, `event` and `worker` (its process id). No line is waited for: each is written by a
thread (`app.process.line_writer`), so that a reader of the log who stops reading stops nothing else.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from multiprocessing.util import Finalize
from time import time
from typing import Any, Literal

import orjson

from app.process.line_writer import LineWriter

__all__ = [
    "LineFormatter",
    "LineHandler",
    "LogFormat",
    "Render",
    "beginning",
    "configuration",
    "dropped",
    "flush",
    "renderer",
]

LogFormat = Literal["auto", "json", "console"]
Render = Callable[[Mapping[str, Any]], bytes]  # the fields of a line -> the line, with its end

_MAX_TRACEBACK = 3000  # characters of a traceback, from its end, so that its line fits into one write to a pipe
_COLORS = {"info": "32", "warning": "33", "error": "31", "critical": "31"}  # of levels, on a terminal


def configuration(log_format: LogFormat = "auto") -> dict[str, Any]:
    """For `logging.config.dictConfig`, and so for uvicorn: its own lines and the service's, in the same form."""
    logger = {"handlers": ["lines"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "app.process.logs.LineFormatter", "log_format": log_format}},
        "handlers": {"lines": {"()": "app.process.logs.LineHandler", "formatter": "lines"}},
        "loggers": {"uvicorn": logger, "app": logger},
        "root": {"handlers": ["lines"], "level": "WARNING"},  # of libraries, which would be written straight to stderr
    }


class LineHandler(logging.Handler):
    """Hands each record's line to a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._writer = LineWriter(2, tell_dropped=self._dropped)
        Finalize(self, self.flush, exitpriority=0)  # workers end without Python's own end of logging

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.write(f"{self.format(record)}\n".encode())
            self._writer.start()
            self._writer.write_now()
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all is written, or for two seconds."""
        self._writer.flush()

    def _dropped(self, lines: int) -> bytes:
        formatter = self.formatter
        return dropped(formatter.render, lines) if isinstance(formatter, LineFormatter) else b""


class LineFormatter(logging.Formatter):
    """Makes a line of a record of the standard library."""

    def __init__(self, log_format: LogFormat = "auto") -> None:
        super().__init__()
        self.render = renderer(log_format)

    def format(self, record: logging.LogRecord) -> str:
        fields = beginning(record.created, record.levelname.lower(), record.getMessage())
        fields["logger"] = record.name
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)[-_MAX_TRACEBACK:]
        return self.render(fields).decode().removesuffix("\n")


def flush() -> None:
    """Wait until the lines of this process are written: uvicorn ends by the signal that stopped it, which waits not."""
    for handler in logging.getLogger("uvicorn").handlers:
        handler.flush()


def beginning(moment: float, level: str, event: str) -> dict[str, Any]:
    """The fields that every line begins with; `moment` in seconds since 1970."""
    stamp = f"{_second(int(moment))}.{int(moment % 1 * 1000):03d}Z"
    return {"time": stamp, "level": level, "event": event, "worker": os.getpid()}


def dropped(render: Render, lines: int) -> bytes:
    """The line that tells of lines that nobody took in time."""
    return render(beginning(time(), "warning", "Lines of the log were dropped.") | {"dropped": lines})


def renderer(log_format: LogFormat) -> Render:
    """The one that a format asks for, on what stderr is now."""
    on_terminal = sys.stderr.isatty()
    if log_format == "json" or (log_format == "auto" and not on_terminal):
        return _as_json
    return partial(_as_text, in_color=on_terminal and "NO_COLOR" not in os.environ)


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Since 1970 -> in UTC, to the second: formatting it takes longer than all the rest of a line."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _as_json(fields: Mapping[str, Any]) -> bytes:
    return orjson.dumps(fields, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _as_text(fields: Mapping[str, Any], *, in_color: bool) -> bytes:
    """What could steer a terminal, or look like another line, is written out; a traceback keeps its lines."""
    shown = {key: _printable(str(value), keep="\n" if key == "exception" else "") for key, value in fields.items()}
    moment, level, event = (shown.pop(key) for key in ("time", "level", "event"))
    exception = shown.pop("exception", None)
    if in_color:
        level = f"\x1b[{_COLORS.get(level, '0')}m{level:<9}\x1b[0m"
    pairs = "".join(f" {key}={value}" for key, value in shown.items())
    return f"{moment} [{level:<9}] {event}{pairs}{'' if exception is None else f'{chr(10)}{exception}'}\n".encode()


def _printable(text: str, keep: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in text)
