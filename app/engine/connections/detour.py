"""uvicorn's own protocol, for whatever is not plain: one request at a time, handed over by the connection.

It reads no socket and closes none: the connection feeds it what it reads, up to the request's last byte, and is told
when it has answered.
"""

import re
from asyncio import Transport
from typing import Any, Protocol

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from app.engine.connections.plain_requests import HOST, MAX_FIELDS
from app.engine.connections.reading import Reading
from app.engine.connections.written import lines
from app.engine.front import ANSWERED, COUNTED, SHED
from app.engine.problems import BadRequestError, HeadersTooLargeError, RequestError

__all__ = ["Detour", "Owner"]

_VERSIONS = frozenset({"1.0", "1.1"})
_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)  # start of a target, as it is sent to a proxy
_UPGRADE_FIELDS = frozenset({b"connection", b"upgrade", b"http2-settings"})
_FED_AT_ONCE = 65_536  # bytes to the parser, in one turn
_SECTIONS_AT_ONCE = 128  # pieces of a request to the parser, in one turn: an empty line ends one, wherever it stands
_EMPTY_LINE = b"\r\n\r\n"  # ends a head, and a body in chunks
_FREE_CHUNKS = 1024  # of a body, however small they are
_BYTES_A_CHUNK = 64  # on average, at least, beyond these: each chunk costs as much time as some hundred bytes


class Owner(Protocol):
    """The connection, as its detour sees it."""

    transport: Transport

    def is_leaving(self) -> bool:
        """Whether nothing more is sent."""

    def is_stopping(self) -> bool:
        """Whether the next answer is the last."""

    def admits(self, path: str) -> bool:
        """Whether there is time to answer a request, now that its head has come."""

    def leave(self) -> None:
        """Send nothing more."""

    def pause_reading(self) -> None:
        """Feed nothing more for now."""

    def resume_reading(self) -> None:
        """Feed what there is."""

    def answered(self, *, keep_alive: bool) -> None:
        """The answer is written."""


class _Line(Transport):
    """What uvicorn takes for the connection's transport."""

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        self._owner = owner
        self.write = owner.transport.write  # type: ignore[method-assign]  # straight on
        self.is_closing = owner.is_leaving  # type: ignore[method-assign]
        self.close = owner.leave  # type: ignore[method-assign]
        self.pause_reading = owner.pause_reading  # type: ignore[method-assign]
        self.resume_reading = owner.resume_reading  # type: ignore[method-assign]


class Detour(HttpToolsProtocol):
    """The way of one request after another through httptools to the ASGI application."""

    def __init__(self, owner: Owner, max_head_bytes: int, **named: Any) -> None:
        super().__init__(**named)
        self._owner = owner
        self._max_head_bytes = max_head_bytes
        self.transport = _Line(owner)
        self.flow = FlowControl(self.transport)
        self.server = get_local_addr(owner.transport)
        self.client = get_remote_addr(owner.transport)
        self.scheme = "https" if is_ssl(owner.transport) else "http"
        self.is_whole = True  # it has arrived to its last byte
        self.missing: int | None = 0  # bytes of its body; None: it ends where its chunks end
        self._in_head = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._chunks = 0
        self._bytes_between = 0  # of chunks' heads and of trailers, since the last byte of the body

    @property
    def held_bytes(self) -> int:
        """How much it has been fed of a request that is not answered yet."""
        if self.cycle is not None and self.cycle.response_complete:
            return 0
        return self._head_bytes + self._body_bytes + self._bytes_between

    def begin(self) -> None:
        """Turn to the next request."""
        self.is_whole = False
        self.missing = None
        self.cycle = None  # type: ignore[assignment]  # as uvicorn has it before the first
        self.url = b""
        self.headers = []
        self._in_head = True
        self._head_bytes = self._body_bytes = self._chunks = self._bytes_between = 0

    def is_full(self) -> bool:
        """Whether the application has enough to read for now."""
        return self.flow.read_paused

    def take(self, reading: Reading) -> bool:
        """Read what waits of the request, a bounded amount of it; whether there may be more to read at once.

        Raises:
            RequestError: as `feed`.
        """
        limit = reading.start + _FED_AT_ONCE
        for _ in range(_SECTIONS_AT_ONCE):
            if self.is_whole or self.is_full():
                return False
            start = reading.start
            if start >= limit:
                return True
            end = start + self.missing if self.missing else _end_of_section(reading.data, start)
            piece = reading.data[start:end]
            if not piece:
                return False
            reading.take(start + len(piece))
            self.feed(piece)
        return True

    def feed(self, data: bytes) -> None:
        """Read more of the request, and nothing after it; the application is asked as soon as its head is whole.

        Raises:
            RequestError: it is no valid HTTP/1.1, or its head, its trailers or its chunks are too many.
        """
        if self.missing is not None:
            self.missing -= len(data)
        else:
            self._bytes_between += len(data)
            if self._in_head:
                self._check_length()
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade:  # no other protocol is spoken here, which a client has to expect
            without = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.begin()
            self._feed(without)
        self._check_length()

    def _check_length(self) -> None:
        if self._bytes_between > self._max_head_bytes:
            what = "The request line and headers have" if self._in_head else "What stands between the chunks has"
            raise HeadersTooLargeError(f"{what} over {self._max_head_bytes:,} bytes, the limit.")

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise
        except httptools.HttpParserError as error:
            raised = error.__context__  # by one of the methods below
            if isinstance(raised, RequestError):
                raise raised from None
            raise BadRequestError("The request is not valid HTTP/1.1.") from error

    def _head_without_upgrade(self) -> bytes:
        """The request as if it did not ask for another protocol."""
        fields = [field for field in self.headers if field[0] not in _UPGRADE_FIELDS]
        if not self.parser.should_keep_alive():
            fields.append((b"connection", b"close"))
        version = self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, lines(fields))

    def on_message_begin(self) -> None:
        if self.is_whole:  # a second request, which the connection took for a part of the first
            raise BadRequestError("The request is not valid HTTP/1.1.")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else a trailer, which means nothing here
            super().on_header(name, value.strip(b" \t"))
            if len(self.headers) > MAX_FIELDS:
                raise HeadersTooLargeError(f"The request has over {MAX_FIELDS} header fields, the limit.")

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        fields = dict(self.headers)
        self._in_head = False
        _check(self.parser.get_method(), version, self.headers)
        self._shorten_target()
        if self.parser.should_upgrade():
            return  # it is read again, as if it did not ask for that
        self._head_bytes, self._bytes_between = self._bytes_between, 0
        if b"transfer-encoding" not in fields:
            self.missing = int(fields.get(b"content-length", b"0"))
        if version == "1.0":
            self.expect_100_continue = False
        if not self._owner.admits(self.path()):
            self.scope["state"][SHED] = True
        self.scope["state"][COUNTED] = True
        super().on_headers_complete()
        # Until the body has arrived, an answer is the connection's last.
        self.cycle.keep_alive = False

    def _shorten_target(self) -> None:
        """Make an absolute target a path, and its authority the one that Host stands for (RFC 9112, 3.2.2)."""
        absolute = _ABSOLUTE.match(self.url)
        if absolute is None:
            return
        if not (absolute[1].partition(b":")[0] and HOST.fullmatch(absolute[1])):
            raise BadRequestError("The request's target needs a host and, if need be, a port, and nothing besides.")
        rest = self.url[absolute.end() :]
        self.url = rest if rest.startswith(b"/") else b"/" + rest
        self.headers[:] = [field for field in self.headers if field[0] != b"host"] + [(b"host", absolute[1])]

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS + self._body_bytes // _BYTES_A_CHUNK:
            raise BadRequestError(f"The body's chunks have less than {_BYTES_A_CHUNK} bytes each; send larger ones.")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._bytes_between = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.is_whole = True
        if not self.cycle.response_started:
            keeps = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
            self.cycle.keep_alive = keeps and not self._owner.is_stopping()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._owner.answered(keep_alive=self.cycle.keep_alive and self.is_whole)

    def path(self) -> str:
        """As it is written."""
        return self.url.partition(b"?")[0].decode("latin-1")

    def asks_for_head(self) -> bool:
        """Whether the answer has no body, as far as its method has come."""
        return bool(self.url) and self.parser.get_method() == b"HEAD"

    def be_last(self) -> None:
        """Have the answer that is being made be the last."""
        self.cycle.keep_alive = False

    def is_asking(self) -> bool:
        """Whether the application has been asked."""
        return self.cycle is not None

    def be_answered(self) -> str:
        """Let the application be, as the connection answers itself; the request's method, HEAD as GET."""
        self.scope["state"][ANSWERED] = True
        return "GET" if self.scope["method"] == "HEAD" else self.scope["method"]

    def has_answered(self) -> bool:
        """Whether an answer was begun."""
        return self.cycle is not None and self.cycle.response_started

    def is_answering(self) -> bool:
        """Whether an answer was begun, and is not all written."""
        return self.has_answered() and not self.cycle.response_complete

    def abandon(self) -> None:
        """Tell the application that its client is gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


def _end_of_section(data: bytes, start: int) -> int:
    """How far a head, or a body in chunks, may be read so that nothing is read of what follows it.

    Both end with an empty line: up to the first one, or to what may become one.
    """
    end = data.find(_EMPTY_LINE, start)
    if end >= 0:
        return end + len(_EMPTY_LINE)
    return next(len(data) - size for size in (3, 2, 1, 0) if data.endswith(_EMPTY_LINE[:size]))


def _check(method: bytes, version: str, fields: list[tuple[bytes, bytes]]) -> None:
    """Refuse what httptools lets pass, and RFC 9112 does not."""
    if method == b"CONNECT":
        raise BadRequestError("CONNECT is for proxies, and this is none.")
    if version not in _VERSIONS:
        raise BadRequestError(f"HTTP/{version} is not spoken here; send HTTP/1.1.")
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (version == "1.1" and not hosts) or not all(map(HOST.fullmatch, hosts)):
        raise BadRequestError("The request needs exactly one Host field, with a host and, if need be, a port.")
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise BadRequestError("Of transfer codings HTTP/1.1's 'chunked' is read, alone.")
