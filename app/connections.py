"""One client's connection, as uvicorn runs it under `python -m app`: time limits, and the short way to the front.

A light call of a direct route goes from the parser to `Front.answer` and back into the socket as soon as its last byte
is there: no task, no scope, no messages. It must be the plain kind: HTTP/1.1, with a Content-Length within the route's
limit, nothing before it still unanswered. Whatever is not goes uvicorn's own way, to `Front.__call__`.
"""

import math
import re
from asyncio import TimerHandle, Transport
from enum import Enum
from http import HTTPStatus
from time import perf_counter
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import BadRequestError, HeadersTooLargeError, OverCapacityError, ServiceError, SlowRequestError
from app.front import ALWAYS_ANSWERED, Answer, Call, Front, Match, declared_length

__all__ = ["Connection"]

_LAST_CHANCE_SECONDS = 0.25  # for what was sent before the client could know that the service stops
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CLOSE = (b"connection", b"close")

_POST = re.compile(rb"POST /[^\r\n ]* HTTP/1\.1\r\n")
_SPECIAL_FIELD = re.compile(rb"\r\n(?:connection|expect|transfer-encoding|upgrade|x-request-id)\s*:", re.IGNORECASE)
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})(?=\r\n|$)", re.IGNORECASE)


class _Phase(Enum):
    IDLE = "between two requests"
    HEAD = "the request line and the headers"
    BODY = "the body"
    WORK = "the answer"


_IDLE, _HEAD, _BODY, _WORK = _Phase


class Connection(HttpToolsProtocol):
    """A connection, from its first byte to its last."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._front: Front = self.app_state["front"]
        self._gate = self._front.gate
        settings = self._front.components.settings
        self._answers_other_origins = bool(settings.cors_origins)
        self._max_head_bytes = settings.max_header_bytes
        self._limits = {
            _IDLE: settings.idle_seconds,
            _HEAD: settings.header_seconds,
            _BODY: settings.body_seconds,
            _WORK: math.inf,
        }
        self._phase = _IDLE
        self._since = perf_counter()  # when this phase began
        self._timer: TimerHandle | None = None
        self._head_bytes = 0
        self._direct: tuple[Match, Call] | None = None  # answered here, once its body is there
        self._refused: tuple[str, dict[bytes, bytes]] | None = None  # answered here, whatever its body is
        self._chunks: list[bytes] = []
        self._held_bytes = 0  # of the direct call's body, while it arrives
        self._admitted = True
        self._stopping = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._phase
        if before is _IDLE:
            self._admitted = self._gate.admits(self._since, self.loop)
            if not self._admitted and _is_whole_post(data):
                self._write(self._front.turn_away(data[5:9].decode("latin-1"), {}), keep_alive=not self._stopping)
                self._since = perf_counter()
                return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # to a protocol that is not spoken here; the request is answered as it is
            pass
        except httptools.HttpParserError:
            self._end(BadRequestError("The request is not valid HTTP/1.1."))
            return
        if self._direct is not None and not self._held_bytes:
            self._hold(self._direct[1])
        after = self._phase
        if after is not before or after is _IDLE:
            self._since = perf_counter()
        if after is _HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > self._max_head_bytes:
                limit = f"{self._max_head_bytes:,}"
                self._end(HeadersTooLargeError(f"The request line and headers have over {limit} bytes, the limit."))

    def _hold(self, call: Call) -> None:
        """Count a body that does not arrive in one piece: many of them at once may fill the memory."""
        length = declared_length(call.header_fields) or 0
        try:
            self._front.pending.add(length)
        except OverCapacityError as error:
            self._end(error)
        else:
            self._held_bytes = length

    def _release(self) -> None:
        self._front.pending.remove(self._held_bytes)
        self._held_bytes = 0

    def on_message_begin(self) -> None:
        self._phase = _HEAD
        self._head_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._phase = _BODY
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("latin-1")
        fields = dict(self.headers)
        if not self._is_answering():
            if not self._admitted and path not in ALWAYS_ANSWERED and not self.expect_100_continue:
                self._refused = path, fields
                return
            match = self._front.match(self.parser.get_method(), path)
            length = declared_length(fields)
            if match is not None and length is not None and length <= match.max_bytes and self._is_plain(fields):
                call = self._front.call(path, query, fields)
                if match.route.is_light(call, length) and self._front.permits(match.method, call):
                    self._direct = match, call
                    return
        self._begin_cycle()

    def _is_plain(self, fields: dict[bytes, bytes]) -> bool:
        return not (
            self.expect_100_continue
            or b"upgrade" in fields
            or (self._answers_other_origins and b"origin" in fields)
            or self.flow.write_paused
            or self.root_path
            or self.parser.get_http_version() != "1.1"
        )

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _begin_cycle(self) -> None:
        """Go uvicorn's own way, from the start of the request on."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self._direct is not None:
            self._chunks.append(body)
        elif self._refused is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._direct is not None:
            match, call = self._direct
            call.content = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self._direct = None
            self._chunks.clear()
            self._release()
            self._finish(self._front.answer(match, call))
        elif self._refused is not None:
            path, fields = self._refused
            self._refused = None
            self._finish(self._front.turn_away(path, fields))
        else:
            super().on_message_complete()
            self._phase = _WORK if self._is_answering() else _IDLE

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._phase is _WORK:
            self._phase = _IDLE
            self._since = perf_counter()

    def shutdown(self) -> None:
        self._stopping = True
        if self._is_answering():
            super().shutdown()
        else:  # what the client has sent already is read first
            self.loop.call_later(_LAST_CHANCE_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._phase is _IDLE:
            self.transport.close()

    def _finish(self, answer: Answer) -> None:
        """Answer the request that is complete now."""
        self._phase = _IDLE
        self._write(answer, keep_alive=not self._stopping and self.parser.should_keep_alive())

    def _end(self, error: ServiceError) -> None:
        """Refuse a request that is not complete, and close; an answer that has begun is not disturbed by another."""
        cycle = self.cycle if self._is_answering() else None
        if cycle is None or (self._phase is _BODY and not cycle.response_started and not self.pipeline):
            path = self.url.partition(b"?")[0].decode("latin-1")
            self._write(self._front.refuse(self._front.call(path, b"", dict(self.headers)), error), keep_alive=False)
        self.transport.close()

    def _write(self, answer: Answer, *, keep_alive: bool) -> None:
        closes = _CLOSE in answer.headers
        if not keep_alive and not closes:
            answer.headers.append(_CLOSE)
        lines = [b"%b: %b\r\n" % field for field in (*self.server_state.default_headers, *answer.headers)]
        self.transport.write(b"".join((_STATUS_LINES[answer.status], *lines, b"\r\n", answer.content)))
        self.server_state.total_requests += 1
        if closes or not keep_alive:
            self.transport.close()

    def _watch(self) -> None:
        """End what has taken too long. One timer for all limits: setting one anew for each request would cost more."""
        remaining = self._since + self._limits[self._phase] - perf_counter()
        if remaining > 0:
            self._timer = self.loop.call_later(min(remaining, *self._limits.values()), self._watch)
        elif self._phase is _IDLE:
            self.transport.abort()
        else:
            seconds = self._limits[self._phase]
            self._end(SlowRequestError(f"{self._phase.value.capitalize()} did not arrive within {seconds:g} s."))


def _is_whole_post(data: bytes) -> bool:
    """Whether this is a POST request, all of it and nothing more, that asks for nothing special.

    Then it can be refused without being parsed, which takes longer than all the rest of a refusal.
    """
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator or not _POST.match(head):
        return False
    lengths = _CONTENT_LENGTH.findall(head)
    return len(lengths) == 1 and int(lengths[0]) == len(body) and not _SPECIAL_FIELD.search(head)
