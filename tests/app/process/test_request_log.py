"""The lines of the log: what they say, what they never say, and what happens when nobody reads them."""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from logging.config import dictConfig
from typing import Any

import pytest

from app.process import line_writer, logs, request_log
from app.process.logs import LogFormat
from app.process.request_log import RequestLog


@dataclass
class Answered:
    request_id: bytes
    method: str
    route: str
    path: str
    status: int = 200
    seconds: float = 0.001
    notes: dict[str, object] = field(default_factory=dict)


class Pipe:
    """What a log is written to: its two ends."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def read(self) -> str:
        """All that was written; ends the writing."""
        os.close(self.writing)
        with os.fdopen(self.reading, "rb") as file:
            return file.read().decode()


@contextmanager
def written(log_format: LogFormat = "json") -> Iterator[tuple[RequestLog, list[str]]]:
    """A running log, and the lines that it has written once it has ended."""
    pipe = Pipe()
    log = RequestLog(log_format, descriptor=pipe.writing)
    lines: list[str] = []
    with log.running():
        yield log, lines
    lines += pipe.read().splitlines()


def test_a_line_has_all_that_is_known_of_a_request() -> None:
    with written() as (log, lines):
        log.write(
            [
                Answered(
                    b"id-1",
                    "POST",
                    "/predict",
                    "/predict",
                    200,
                    0.0012345,
                    {"model": "fashion-mnist", "version": "0123456789ab", "image_digest": "0123"},
                )
            ]
        )

    [line] = map(json.loads, lines)
    assert abs(datetime.fromisoformat(line.pop("time")).timestamp() - time.time()) < 10
    assert line == {
        "level": "info",
        "event": "request",
        "worker": os.getpid(),
        "request_id": "id-1",
        "method": "POST",
        "route": "/predict",
        "path": "/predict",
        "status": 200,
        "duration_ms": 1.234,
        "model": "fashion-mnist",
        "version": "0123456789ab",
        "image_digest": "0123",
    }


def test_a_request_that_no_model_answered_names_none() -> None:
    with written() as (log, lines):
        log.write([Answered(b"id-1", "GET", "/livez", "/livez")])

    [line] = map(json.loads, lines)
    assert line.keys().isdisjoint({"model", "version", "image_digest"})
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_path_can_neither_make_a_line_nor_steer_a_terminal(log_format: LogFormat) -> None:
    with written(log_format) as (log, lines):
        log.write([Answered(b"id-1", "GET", "unmatched", '/a\n{"level":"error"}\x1b[2J\x9b31m\u2028x', 404)])

    [line] = lines
    assert line.isascii()
    assert line.isprintable()
    assert "/a%0A%7B" in line


def test_a_long_path_is_cut() -> None:
    with written() as (log, lines):
        log.write([Answered(b"id-1", "GET", "unmatched", "/" + "x" * 60_000, 404)])

    assert len(json.loads(lines[0])["path"]) == 200


def test_readable_lines_for_a_terminal() -> None:
    with written("console") as (log, lines):
        log.write([Answered(b"id-1", "GET", "/models/{name}", "/models/x", 404)])

    [line] = lines
    assert "[info     ] request" in line
    assert "method=GET route=/models/{name} path=/models/x status=404 duration_ms=1.0" in line


def test_lines_come_soon_and_each_write_is_whole_lines_that_a_pipe_keeps_together() -> None:
    reading, writing = os.pipe2(os.O_DIRECT)  # so that a read returns what one write wrote
    log = RequestLog("json", descriptor=writing)
    writes: list[bytes] = []

    with log.running():
        for number in range(200):
            log.write([Answered(b"id-%d" % number, "GET", "/livez", "/livez")])
        while b"id-199" not in b"".join(writes):
            writes.append(os.read(reading, 65536))

    os.close(reading)
    os.close(writing)
    assert len(writes) < 20
    assert all(len(content) <= 4096 and content.endswith(b"\n") for content in writes)
    lines = b"".join(writes).splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [f"id-{number}" for number in range(200)]


def test_a_log_that_nobody_reads_delays_no_answer_and_tells_what_it_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_writer, "_MAX_WAITING", 50)
    monkeypatch.setattr(line_writer, "_SECONDS_TO_FINISH", 0.1)
    monkeypatch.setattr(request_log, "_SECONDS_BETWEEN_WRITES", 0.01)
    pipe = Pipe()
    fcntl.fcntl(pipe.writing, fcntl.F_SETPIPE_SZ, 4096)
    log = RequestLog("json", descriptor=pipe.writing)

    with log.running():
        started = time.perf_counter()
        for number in range(5000):
            log.write([Answered(b"id-%d" % number, "GET", "/livez", "/livez")])
        took = time.perf_counter() - started
        lines = read_until(pipe, "dropped")

    assert took < 20  # a slow machine needs a second; waiting 10 ms for each line would take 50
    told = [json.loads(line) for line in lines if '"dropped"' in line]
    assert told[0]["level"] == "warning"
    answered = sum('"request_id"' in line for line in lines)
    assert 0 < told[0]["dropped"] <= 5000 - answered


def read_until(pipe: Pipe, text: str) -> list[str]:
    content = ""
    deadline = time.monotonic() + 10
    while text not in content.rpartition("\n")[0]:
        assert time.monotonic() < deadline
        content += os.read(pipe.reading, 65536).decode()
    return content.splitlines()


def test_a_reader_that_is_gone_ends_nothing() -> None:
    pipe = Pipe()
    os.close(pipe.reading)
    log = RequestLog("json", descriptor=pipe.writing)

    with log.running():
        log.write([Answered(b"id-1", "GET", "/livez", "/livez")])

    os.close(pipe.writing)


def test_nothing_is_kept_while_the_log_does_not_run() -> None:
    pipe = Pipe()
    log = RequestLog("json", descriptor=pipe.writing)

    log.write([Answered(b"id-1", "GET", "/livez", "/livez")])
    with log.running():
        pass

    assert pipe.read() == ""


@pytest.fixture
def loggers() -> Iterator[None]:
    """The loggers as they were, afterwards."""
    named = [logging.getLogger(name) for name in ("uvicorn", "app")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in named]
    yield
    for logger, (handlers, level, propagate) in zip(named, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def said(capfd: pytest.CaptureFixture[str]) -> str:
    """What was written once the thread has written it."""
    logging.getLogger("app").handlers[0].flush()
    return capfd.readouterr().err


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize("name", ["uvicorn.error", "app.serving.live_models"])
def test_uvicorns_lines_and_the_services_have_the_same_form(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    dictConfig(logs.configuration("json"))

    logging.getLogger(name).info("Model %s, loaded.", "x\ny")

    line: dict[str, Any] = json.loads(said(capfd))
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {"level": "info", "event": "Model x\ny, loaded.", "worker": os.getpid(), "logger": name}


@pytest.mark.usefixtures("loggers")
def test_a_traceback_is_one_line_short_enough_for_one_write(capfd: pytest.CaptureFixture[str]) -> None:
    dictConfig(logs.configuration("json"))

    error = RuntimeError("x" * 10_000 + "the end")
    logging.getLogger("app").error("Request %s failed.", "id-1", exc_info=error)

    [line] = said(capfd).splitlines()
    assert len(line) < 4096
    assert json.loads(line)["exception"].endswith("the end")


@pytest.mark.usefixtures("loggers")
def test_a_terminal_is_safe_from_what_an_exception_says(capfd: pytest.CaptureFixture[str]) -> None:
    dictConfig(logs.configuration("console"))

    logging.getLogger("app").error("A request\nfailed.", exc_info=RuntimeError("\x1b[2J"))

    shown = said(capfd)
    assert "A request\\nfailed." in shown
    assert "RuntimeError: \\x1b[2J" in shown
    assert "\x1b" not in shown
