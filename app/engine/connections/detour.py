"""uvicorn's connection, with an end to what takes too long, is too long or is not valid HTTP/1.1.

What ends here is answered with a problem document, after what came before it over the same connection.
"""

import math
from asyncio import TimerHandle, Transport
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.engine.calls import Answer, Call
from app.engine.dispatcher import Dispatcher
from app.engine.front import SHED
from app.engine.problems import (
    BadRequestError,
    HeadersTooLargeError,
    OverCapacityError,
    RequestError,
    SlowRequestError,
)

__all__ = ["BODY", "IDLE", "STATUS_LINES", "TURN", "WORK", "GuardedConnection", "lines"]

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

_LAST_CHANCE_SECONDS = 0.25  # for what was sent before the client could know that the service stops
_CLOSE = (b"connection", b"close")
_UPGRADE_FIELDS = frozenset({b"connection", b"upgrade", b"http2-settings"})


class _Phase(Enum):
    IDLE = "between two requests"
    TURN = "what was read waits for its turn"
    HEAD = "the request line and the headers"
    BODY = "the body"
    WORK = "the answer"


IDLE, TURN, HEAD, BODY, WORK = _Phase


class GuardedConnection(HttpToolsProtocol):
    """A connection, from its first byte to its last; the class that derives from it says when `_parse` reads."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._dispatcher: Dispatcher = self.app_state["dispatcher"]
        limits = self._dispatcher.limits
        self._answers_other_origins = self._dispatcher.answers_other_origins
        self._max_head_bytes = limits.max_head_bytes
        self._limits = {
            IDLE: limits.idle_seconds,
            TURN: math.inf,
            HEAD: limits.head_seconds,
            BODY: limits.body_seconds,
            WORK: math.inf,
        }
        self.url = b""
        self.headers = []
        self._phase = IDLE
        self._since = perf_counter()  # when this phase began
        self._timer: TimerHandle | None = None
        self.admitted = False  # the request that was begun last
        self._shed: tuple[str, dict[bytes, bytes]] | None = None  # answered here, whatever its body is
        self._unread_bytes = 0  # of answers, when that was looked at last
        self._head_bytes = 0  # of the head, or of a body: between its parts, or behind the last of them
        self._begun = 0  # requests, in one read
        self._has_body = False  # of a request, in one read
        self._running: RequestResponseCycle | None = None  # of those that uvicorn answers, the first
        self._last_words: RequestError | None = None  # once what came before is answered
        self._stopping = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None:  # uvicorn tells only the newest
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it: whether to stay open
        self._stopping = True
        if self._phase is BODY and self.pipeline:
            self._end(BadRequestError("The request is cut off."))
        elif self._is_answering():
            self.cycle.keep_alive = False
        return self._phase in (TURN, WORK) or (self._phase is HEAD and self._is_answering())

    def shutdown(self) -> None:
        self._stopping = True
        if self._is_answering():
            super().shutdown()
        else:  # what the client has sent already is read first
            self.loop.call_later(_LAST_CHANCE_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._phase is IDLE:
            self.transport.close()

    def _parse(self, data: bytes) -> None:
        before = self._phase
        self._begun = 0
        self._has_body = False
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            if not self.transport.is_closing():
                raised = error.__context__  # by one of the methods below
                invalid = BadRequestError("The request is not valid HTTP/1.1.")
                self._end(raised if isinstance(raised, RequestError) else invalid)
            return
        after = self._phase
        if after is not before or self._begun:
            self._since = perf_counter()
        # Where a read ended other requests, too, httptools does not tell how much of it is this one's.
        of_head = after is HEAD and self._begun == (before is IDLE)
        of_trailers = after is before is BODY and not (self._begun or self._has_body)  # or of a chunk's extensions
        if of_head or of_trailers:
            self._head_bytes += len(data)
            if self._head_bytes > self._max_head_bytes:
                self._end(self._headers_too_large())

    def _feed(self, data: bytes) -> None:
        """Have httptools read; it takes a request to upgrade for the last one, and its body for the other protocol."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        """The request as if it did not ask for another protocol: none is spoken here, which it has to expect."""
        version = self.parser.get_http_version().encode()
        fields = [field for field in self.headers if field[0] not in _UPGRADE_FIELDS]
        if not self.parser.should_keep_alive():
            fields.append(_CLOSE)
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, _join(fields))

    def on_message_begin(self) -> None:
        self._phase = HEAD
        self._begun += 1
        self._head_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is HEAD:  # else a trailer, which means nothing here
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self._max_head_bytes:
            raise self._headers_too_large()
        if self.parser.get_method() == b"CONNECT":
            raise BadRequestError("CONNECT is for proxies, and this is none.")
        if self.parser.should_upgrade():
            return  # it is read again, as if it did not ask for that
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False
        path, fields = self._path(), dict(self.headers)
        if self.admitted or self._is_answering() or path in self._dispatcher.always_answered:
            self._begin_cycle()
        else:
            self._dispatcher.gate.count_shed()
            if self._answers_other_origins and b"origin" in fields:  # what they may read, the middleware says
                self._begin_cycle()
                self.scope["state"][SHED] = True
            elif self.expect_100_continue:  # its body may never come
                self._finish(self._dispatcher.shed(path, fields), keep_alive=False)
                raise OverCapacityError("Nothing more is read.")
            else:
                self._shed = path, fields
        self._phase = BODY
        self._head_bytes = 0

    def _headers_too_large(self) -> HeadersTooLargeError:
        limit = f"{self._max_head_bytes:,}"
        return HeadersTooLargeError(f"The request line and headers have over {limit} bytes, the limit.")

    def _path(self) -> str:
        return self.url.partition(b"?")[0].decode("latin-1")

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _begin_cycle(self) -> None:
        """Go uvicorn's own way, from the start of the request on."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._has_body = True
        self._head_bytes = 0
        if self._shed is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._shed is not None:
            path, fields = self._shed
            self._shed = None
            has_body = self.parser.get_method() != b"HEAD"  # what is sent all the same must not seem the next answer
            keep_alive = has_body and self.parser.should_keep_alive()
            self._finish(self._dispatcher.shed(path, fields), keep_alive=keep_alive)
        else:
            super().on_message_complete()
            self._phase = WORK if self._is_answering() else IDLE

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_words is not None:
            self._refuse(self._last_words)
        elif self._phase is WORK:
            self._phase = IDLE
            self._since = perf_counter()

    def _finish(self, answer: Answer, *, keep_alive: bool) -> None:
        """Answer the request that is complete now."""
        self._phase = IDLE
        self._write(answer, keep_alive=keep_alive and not self._stopping)
        self._since = perf_counter()

    def _end(self, error: RequestError) -> None:
        """Refuse a request that is not complete, and close; those before it get their answers first."""
        has_cycle = self._phase is BODY and self._shed is None
        if has_cycle and not self.pipeline:
            if self.cycle.response_started:  # an answer is not disturbed by another
                self._phase = IDLE
                self.transport.close()
            else:
                self._refuse(error)
            return
        if has_cycle:
            self.pipeline.popleft()
        if self._is_answering():
            self._phase = WORK
            self._last_words = error
        else:
            self._refuse(error)

    def _refuse(self, error: RequestError, call: Call | None = None) -> None:
        if call is None:
            call = self._dispatcher.call(self._path(), b"", dict(self.headers))
        self._finish(self._dispatcher.refuse(call, error), keep_alive=False)

    def _write(self, answer: Answer, *, keep_alive: bool) -> None:
        closes = _CLOSE in answer.headers
        self.transport.write(
            b"%b%bcontent-length: %d\r\n%b%bx-request-id: %b\r\n\r\n%b"
            % (
                STATUS_LINES[answer.status],
                lines(tuple(self.server_state.default_headers)),
                len(answer.content),
                lines(answer.headers),
                b"" if keep_alive or closes else lines((_CLOSE,)),
                answer.request_id,
                answer.content,
            )
        )
        self.server_state.total_requests += 1
        if closes or not keep_alive:
            self.transport.close()

    def _watch(self) -> None:
        """End what has taken too long. One timer for all limits: setting one anew for each request would cost more."""
        phase = self._phase
        if phase is WORK and self._is_unread():
            phase = IDLE  # as one that asks for nothing
        remaining = self._since + self._limits[phase] - perf_counter()
        if remaining <= 0:
            if phase is IDLE:
                self.transport.abort()
                return
            seconds = self._limits[phase]
            self._end(SlowRequestError(f"{phase.value.capitalize()} did not arrive within {seconds:g} s."))
            remaining = self._limits[IDLE]  # for what was answered to be taken
        self._timer = self.loop.call_later(min(remaining, *self._limits.values()), self._watch)

    def _is_unread(self) -> bool:
        """Whether an answer waits for a client that takes nothing of it."""
        before, self._unread_bytes = self._unread_bytes, self.transport.get_write_buffer_size()
        if not self.flow.write_paused or self._unread_bytes < before or before == 0:
            self._since = perf_counter()
        return self.flow.write_paused


@lru_cache(maxsize=256)
def lines(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Header fields as they are sent."""
    return _join(fields)


def _join(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
