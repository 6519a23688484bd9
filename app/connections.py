"""One client's connection, as uvicorn runs it under `python -m app`: time limits, and the short way to the front.

A light call of a direct route, plainly written, goes from the socket to `Front.answer_in_turn` and back in the turn in
which its last byte is read: no parser, no task, no scope, no messages. Whatever else arrives goes uvicorn's own way,
through httptools to `Front.__call__`.
"""

import logging
import math
import re
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

from app.errors import BadRequestError, HeadersTooLargeError, OverCapacityError, ServiceError, SlowRequestError
from app.front import ALWAYS_ANSWERED, REFUSED, TURNED_AWAY, Answer, Call, Front, Match
from app.plain_requests import PlainHead, ordinary_post, read_plain_head

__all__ = ["Connection"]

logger = logging.getLogger(__name__)

_MAX_WAITING_BYTES = 16_384  # of one connection, for its turn; what is longer is gone on with as it comes
_LAST_CHANCE_SECONDS = 0.25  # for what was sent before the client could know that the service stops
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CLOSE = (b"connection", b"close")
_ORIGIN = re.compile(rb"\norigin:", re.IGNORECASE)
_UPGRADE_FIELDS = frozenset({b"connection", b"upgrade", b"http2-settings"})


class _Phase(Enum):
    IDLE = "between two requests"
    HEAD = "the request line and the headers"
    BODY = "the body"
    WORK = "the answer"


_IDLE, _HEAD, _BODY, _WORK = _Phase


class _Arriving:
    """A plain request whose body is not whole yet."""

    def __init__(self, head: PlainHead, match: Match, call: Call) -> None:
        self.head = head
        self.match = match
        self.call = call
        self._filled = 0
        call.content = memoryview(bytearray(head.body_bytes))

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""
        return self.head.body_bytes - self._filled

    def take(self, data: memoryview) -> None:
        """Add what has come, no more than was missing."""
        end = self._filled + len(data)
        self.call.content[self._filled : end] = data
        self._filled = end


class Connection(HttpToolsProtocol):
    """A connection, from its first byte to its last."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._front: Front = self.app_state["front"]
        self._turn = self._front.turn
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
        self.url = b""
        self.headers = []
        self._phase = _IDLE
        self.since = perf_counter()  # when this phase began
        self._timer: TimerHandle | None = None
        self._arriving: _Arriving | None = None
        self._waiting: bytes | None = None  # what was read, and waits for its turn, or for the answer before
        self._keep_alive = True  # after that answer
        self._refused: tuple[str, dict[bytes, bytes]] | None = None  # answered here, whatever its body is
        self._unread_bytes = 0  # of answers, when that was looked at last
        self._head_bytes = 0  # of the head, or of a body: between its parts, or behind the last of them
        self._begun = 0  # requests, in one read
        self._has_body = False  # of a request, in one read
        self._running: RequestResponseCycle | None = None  # of those that uvicorn answers, the first
        self._last_words: tuple[ServiceError, Call | None] | None = None  # once what came before is answered
        self._admitted = True
        self._stopping = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        if self._running is not None:  # uvicorn tells only the newest
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it: whether to stay open
        self._stopping = True
        if self._phase is _BODY and self.pipeline:
            self._end(BadRequestError("The request is cut off."))
        elif self._is_answering():
            self.cycle.keep_alive = False
        return self._waiting is not None or self._phase is _WORK or (self._phase is _HEAD and self._is_answering())

    def data_received(self, data: bytes) -> None:
        self._turn.enter(self.loop)
        if self._last_words is not None:
            return
        if self._waiting is not None:
            self._waiting += data
        elif self._phase is not _IDLE:
            self._receive(data)
        elif not self._gate.draw():
            self._begin(data, admitted=False)
        elif len(data) <= _MAX_WAITING_BYTES:
            self._waiting = data
            self._turn.wait(self)
        else:
            self._begin(data, admitted=self._gate.admits())

    def take_turn(self) -> None:
        """Go on with what was read in this turn."""
        data, self._waiting = self._waiting, None
        if not data or self.transport.is_closing():
            return
        try:
            self._receive(data)
        except Exception:
            logger.exception("A request could not be read.")
            self.transport.abort()

    def _receive(self, data: bytes) -> None:
        if self._arriving is not None:
            self._read_on(self._arriving, data)
            return
        if self._phase is _IDLE:
            self._begin(data, admitted=self._gate.admits())
        else:
            self._parse(data)

    def _begin(self, data: bytes, *, admitted: bool) -> None:
        # Refusals would pile up before a client that does not read; uvicorn waits for it.
        self._admitted = admitted or self.flow.write_paused
        if not self._admitted and self._turn_away(data):
            return
        head = read_plain_head(data)
        if head is None or not self._begin_plain(head, data):
            self._parse(data)

    def _turn_away(self, data: bytes) -> bool:
        """Refuse an ordinary request, as cheaply as can be; there are many of them, or none would be refused."""
        if self._stopping or (self._answers_other_origins and _ORIGIN.search(data)):
            return False
        target = ordinary_post(data)
        if target is None:
            return False
        self._gate.count_refused()
        template, size = _refusal(target.startswith(b"/v2/"), tuple(self.server_state.default_headers))
        request_id = self._front.new_request_id()
        self.transport.write(template % (size + len(request_id), request_id, request_id))
        self.since = perf_counter()
        return True

    def _begin_plain(self, head: PlainHead, data: bytes) -> bool:
        """Answer a plain request, now or once its body is whole; False: it must go uvicorn's own way."""
        missing = head.size + head.body_bytes - len(data)
        if missing < 0 or head.size > self._max_head_bytes or self.flow.write_paused or self.root_path:
            return False
        if not self._admitted and head.path not in ALWAYS_ANSWERED:
            return False
        match = self._front.match(head.method, head.path)
        if (
            match is None
            or head.body_bytes > match.max_bytes
            or (self._answers_other_origins and b"origin" in head.fields)
        ):
            return False
        call = self._front.call(head.path, head.query, head.fields)
        call.started = self._turn.began  # it has waited since then
        if not (match.route.is_light(call, head.body_bytes) and self._front.permits(match.method, call)):
            return False
        if missing == 0:
            call.content = memoryview(data)[head.size :]
            self._answer(match, call, keep_alive=head.keep_alive)
        else:
            self._wait_for_body(head, match, call, data)
        return True

    def _wait_for_body(self, head: PlainHead, match: Match, call: Call, data: bytes) -> None:
        """Bodies that do not arrive in one piece are counted: many of them at once may fill the memory."""
        try:
            self._front.pending.add(head.body_bytes)
        except OverCapacityError as error:
            self._end(error, call)
            return
        self._arriving = _Arriving(head, match, call)
        self._arriving.take(memoryview(data)[head.size :])
        self._phase = _BODY
        self.since = perf_counter()

    def _read_on(self, arriving: _Arriving, data: bytes) -> None:
        missing = arriving.missing
        arriving.take(memoryview(data)[:missing])
        if arriving.missing:
            return
        self._release()
        self._answer(arriving.match, arriving.call, keep_alive=arriving.head.keep_alive)
        if len(data) > missing:  # the next request, in a pipeline
            self.data_received(data[missing:])

    def _answer(self, match: Match, call: Call, *, keep_alive: bool) -> None:
        self._phase = _WORK
        self._waiting = b""
        self._keep_alive = keep_alive
        self._front.answer_in_turn(match, call, self._answered)

    def _answered(self, answer: Answer | None) -> None:
        later, self._waiting = self._waiting, None
        if answer is None:
            self.transport.abort()
        elif not self.transport.is_closing():
            self._finish(answer, keep_alive=self._keep_alive)
            if later and not self.transport.is_closing():
                self._receive(later)

    def _release(self) -> None:
        if self._arriving is not None:
            self._front.pending.remove(self._arriving.head.body_bytes)
            self._arriving = None

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
                self._end(raised if isinstance(raised, ServiceError) else invalid)
            return
        after = self._phase
        if after is not before or self._begun:
            self.since = perf_counter()
        # Where a read ended other requests, too, httptools does not tell how much of it is this one's.
        of_head = after is _HEAD and self._begun == (before is _IDLE)
        of_trailers = after is before is _BODY and not (self._begun or self._has_body)  # or of a chunk's extensions
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
        self._phase = _HEAD
        self._begun += 1
        self._head_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is _HEAD:  # else a trailer, which means nothing here
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
        if self._admitted or self._is_answering() or path in ALWAYS_ANSWERED:
            self._begin_cycle()
        else:
            self._gate.count_refused()
            if self._answers_other_origins and b"origin" in fields:  # what they may read, the middleware says
                self._begin_cycle()
                self.scope["state"][REFUSED] = True
            elif self.expect_100_continue:  # its body may never come
                self._finish(self._front.turn_away(path, fields), keep_alive=False)
                raise OverCapacityError("Nothing more is read.")
            else:
                self._refused = path, fields
        self._phase = _BODY
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
        if self._refused is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._refused is not None:
            path, fields = self._refused
            self._refused = None
            has_body = self.parser.get_method() != b"HEAD"  # what is sent all the same must not seem the next answer
            keep_alive = has_body and self.parser.should_keep_alive()
            self._finish(self._front.turn_away(path, fields), keep_alive=keep_alive)
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
        elif self._last_words is not None:
            self._refuse(*self._last_words)
        elif self._phase is _WORK:
            self._phase = _IDLE
            self.since = perf_counter()

    def shutdown(self) -> None:
        self._stopping = True
        if self._is_answering():
            super().shutdown()
        else:  # what the client has sent already is read first
            self.loop.call_later(_LAST_CHANCE_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._phase is _IDLE and self._waiting is None:
            self.transport.close()

    def _finish(self, answer: Answer, *, keep_alive: bool) -> None:
        """Answer the request that is complete now."""
        self._phase = _IDLE
        self._write(answer, keep_alive=keep_alive and not self._stopping)
        self.since = perf_counter()

    def _end(self, error: ServiceError, call: Call | None = None) -> None:
        """Refuse a request that is not complete, and close; those before it get their answers first."""
        is_begun = self._phase is _BODY and self._refused is None and self._arriving is None
        if is_begun and not self.pipeline:  # it is uvicorn's, and alone
            if self.cycle.response_started:  # an answer is not disturbed by another
                self._phase = _IDLE
                self.transport.close()
            else:
                self._refuse(error, call)
            return
        if is_begun:
            self.pipeline.popleft()
        if self._is_answering():
            self._phase = _WORK
            self._last_words = error, call
        else:
            self._refuse(error, call)

    def _refuse(self, error: ServiceError, call: Call | None) -> None:
        if call is None:
            call = self._front.call(self._path(), b"", dict(self.headers))
        self._finish(self._front.refuse(call, error), keep_alive=False)

    def _write(self, answer: Answer, *, keep_alive: bool) -> None:
        closes = _CLOSE in answer.headers
        self.transport.write(
            b"%b%bcontent-length: %d\r\n%b%bx-request-id: %b\r\n\r\n%b"
            % (
                _STATUS_LINES[answer.status],
                _lines(tuple(self.server_state.default_headers)),
                len(answer.content),
                _lines(answer.headers),
                b"" if keep_alive or closes else _lines((_CLOSE,)),
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
        if phase is _WORK and self._is_unread():
            phase = _IDLE  # as one that asks for nothing
        remaining = self.since + self._limits[phase] - perf_counter()
        if remaining <= 0 and self._waiting is None:
            if phase is _IDLE:
                self.transport.abort()
                return
            seconds = self._limits[phase]
            error = SlowRequestError(f"{phase.value.capitalize()} did not arrive within {seconds:g} s.")
            self._end(error, self._arriving.call if self._arriving else None)
            remaining = self._limits[_IDLE]  # for what was answered to be taken
        self._timer = self.loop.call_later(min(remaining, *self._limits.values()), self._watch)

    def _is_unread(self) -> bool:
        """Whether an answer waits for a client that takes nothing of it."""
        before, self._unread_bytes = self._unread_bytes, self.transport.get_write_buffer_size()
        if not self.flow.write_paused or self._unread_bytes < before or before == 0:
            self.since = perf_counter()
        return self.flow.write_paused


@lru_cache(maxsize=4)
def _refusal(of_protocol: bool, default_headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, int]:  # noqa: FBT001 - one caller
    """All of it but the length and, twice, the request's id; and the length without the id."""
    answer = TURNED_AWAY["/v2" if of_protocol else "/"]
    fields = _lines(default_headers), _lines(answer.headers)
    head = b"%b%b%bcontent-length: %%d\r\nx-request-id: %%b\r\n\r\n" % (_STATUS_LINES[answer.status], *fields)
    return head + answer.content, len(answer.content % b"")


@lru_cache(maxsize=256)
def _lines(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return _join(fields)


def _join(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
