"""Whole connections in memory: clients that send what they like, as they like, and what became of their requests.

A `Wire` is the transport of a real `Connection`; a `World` has several, on one loop, with a front whose endpoints write
down what they are asked. What was asked is told by httptools, which reads the whole of what a client sent.
"""

import asyncio
import logging
import re
from asyncio import Transport
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import httptools
from fastapi import APIRouter
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.engine.calls import Call, DepCall
from app.engine.connections.connection import Connection
from app.engine.dispatcher import Dispatcher
from app.engine.front import Front
from app.engine.limits import Limits
from app.engine.routes import DirectRoute

__all__ = ["ORIGIN", "UPGRADE", "Answer", "Asked", "Judgement", "Wire", "World", "complaints", "judge"]

UPGRADE = b"\r\nConnection: Upgrade\r\nUpgrade: h2c"  # means nothing here, and the rest of the connection to httptools
ORIGIN = "https://page.example"
_QUIET_TURNS = 12  # after which whoever has something to do has done it


class Asked(NamedTuple):
    """A whole request, as httptools reads it."""

    method: bytes
    path: str
    number: str  # its n in the query
    body: bytes
    keep_alive: bool


class Judgement(NamedTuple):
    """What a client asked, and what came after that."""

    asked: list[Asked]
    is_invalid: bool  # what came after it, up to which a connection is read
    begun: str  # the number of the request whose head came, but not its whole body


class Answer(NamedTuple):
    status: int
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def is_last(self) -> bool:
        return self.fields.get(b"connection") == b"close"


class _Judge:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.url = b""
        self.body = b""
        self.begun = ""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_headers_complete(self) -> None:
        self.begun = parse_qs(self.url.partition(b"?")[2].decode()).get("n", [""])[0]

    def on_message_complete(self) -> None:
        url, number, self.begun = httptools.parse_url(self.url), self.begun, ""
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        self.asked.append(Asked(self.parser.get_method(), url.path.decode(), number, self.body, keep_alive))
        if not keep_alive:
            raise EOFError


def judge(sent: bytes) -> Judgement:
    """What was asked in these bytes: all whole requests up to the last of the connection, or to what is no HTTP/1.1."""
    found = _Judge()
    try:
        found.parser.feed_data(sent.replace(UPGRADE, b""))
    except httptools.HttpParserCallbackError:
        return Judgement(found.asked, is_invalid=False, begun="")
    except httptools.HttpParserError:
        return Judgement(found.asked, is_invalid=True, begun=found.begun)
    return Judgement(found.asked, is_invalid=False, begun=found.begun)


class Wire(Transport):
    """A transport, and the client at its other end."""

    def __init__(self, connect: Callable[[], Connection], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.coming: deque[bytes | None] = deque()  # what the client has sent, and is not read yet; None: FIN
        self.sent = b""  # what the client has sent so far
        self.got = b""  # what it has read
        self._unread = b""  # what it has not
        self.takes = True
        self._reading = True
        self._closing = False
        self.half_closed = False
        self.lost = False
        self.was_reset = False
        self.was_told = False  # that the server stops
        self.protocol = connect()
        self.protocol.connection_made(self)

    # What the client does

    def sends(self, data: bytes) -> None:
        """Send more."""
        self.coming.append(data)

    def stops_sending(self) -> None:
        """Send FIN."""
        self.coming.append(None)

    def resets(self) -> None:
        """Be gone."""
        if not self.lost:
            self.lost = self.was_reset = True
            self.protocol.connection_lost(ConnectionResetError())

    def shuts_down(self) -> None:
        """Be told by the server that it stops."""
        if not self.lost:
            self.was_told = True
            self.protocol.shutdown()

    def takes_all(self) -> None:
        """Read what there is, and will be."""
        self.takes = True
        self.got += self._unread
        if self._unread and not self.lost:
            self._unread = b""
            self.protocol.resume_writing()
        if self._closing:
            self._loop.call_soon(self._end)

    def is_dropped_from(self) -> bool:
        """Whether what it has sent is still to be read, in a while, and dropped."""
        return self.half_closed and not (self._reading or self.lost or self._closing) and bool(self.coming)

    def is_read(self) -> bool:
        """Have the server read one piece of what was sent; whether it did."""
        if self.lost or self._closing or not self._reading or not self.coming:
            return False
        data = self.coming.popleft()
        if data is None:
            if not self.protocol.eof_received():
                self.close()
        else:
            self.sent += data
            self.protocol.data_received(data)
        return True

    # What the connection does

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.half_closed
        if self.lost or (self._closing and not self._unread):
            return
        if self.takes:
            self.got += data
            return
        was_paused = bool(self._unread)
        self._unread += data
        if not was_paused:
            self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def is_closing(self) -> bool:
        return self._closing or self.lost

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._unread:
                self._loop.call_soon(self._end)

    def abort(self) -> None:
        self._closing = True
        self.was_reset = self.was_reset or bool(self._unread)  # of which the client may have had a part
        self._unread = b""
        self._loop.call_soon(self._end)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 8000), "peername": ("127.0.0.1", 40_000)}.get(name, default)

    def _end(self) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(None)

    def answers(self) -> list[Answer]:
        """What the client has read, as it goes by what it asked; the last one may be cut off only where it is gone."""
        methods = [asked.method for asked in judge(self.sent).asked]
        answers: list[Answer] = []
        rest = self.got.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        while rest:
            head, end, rest = rest.partition(b"\r\n\r\n")
            assert end, head
            status_line, *lines = head.split(b"\r\n")
            [status] = re.findall(rb"^HTTP/1\.1 (\d{3}) ", status_line)
            fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
            assert len(fields) == len(lines), lines
            is_head = len(answers) < len(methods) and methods[len(answers)] == b"HEAD"
            length = 0 if is_head else int(fields[b"content-length"])
            if len(rest) < length and self.was_reset:
                break
            assert len(rest) >= length, rest
            answers.append(Answer(int(status), fields, rest[:length]))
            rest = rest[length:]
        return answers


class World:
    """Connections to one front, and what its endpoints were asked."""

    def __init__(self, limits: Limits) -> None:
        self.executed: list[str] = []
        self._app = _Asgi(self.executed)
        self.dispatcher = Dispatcher(
            _direct_routes(self.executed),
            limits=limits,
            always_answered=frozenset({"/livez"}),
            answers_other_origins=True,
        )
        self.state = ServerState()
        self.wires: list[Wire] = []
        self.is_shut = False  # the gate, for everything but probes
        self._loop = asyncio.get_running_loop()
        self._config = Config(
            CORSMiddleware(Front(self._app, self.dispatcher), [ORIGIN]),
            lifespan="off",
            access_log=False,
            log_config=None,
        )

    def connect(self) -> Wire:
        """A new client."""

        def protocol() -> Connection:
            return Connection(self._config, self.state, {"dispatcher": self.dispatcher}, self._loop)

        self.wires.append(Wire(protocol, self._loop))
        return self.wires[-1]

    async def turn(self, *readable: Wire) -> None:
        """One turn of the loop, in which a piece is read of each of these."""
        await self._turn(readable)

    async def _turn(self, readable: Iterable[Wire]) -> bool:
        """Whether anything was read."""
        while self.is_shut and self.dispatcher.gate.admits():
            pass
        was_read = [wire.is_read() for wire in readable]
        await asyncio.sleep(0)
        return any(was_read)

    def release(self) -> None:
        """Let the endpoint that has waited longest go on."""
        if self._app.held:
            self._app.held.popleft().set()

    async def settle(self) -> None:
        """Let everything happen that is to happen without the clients."""
        quiet = 0
        while quiet < _QUIET_TURNS:
            is_busy = bool(self._app.held) or any(wire.is_dropped_from() for wire in self.wires)
            self.release()
            is_busy |= await self._turn(self.wires)
            quiet = 0 if is_busy else quiet + 1


class _Asgi:
    """What stands in FastAPI's place: an application that reads and answers in its own time."""

    def __init__(self, executed: list[str]) -> None:
        self._executed = executed
        self.held: deque[asyncio.Event] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        number = request.query_params.get("n", "")
        if request.url.path == "/early":
            self._executed.append(number)
            await Response(number)(scope, receive, send)
            return
        body = await request.body()
        self._executed.append(number)
        if request.url.path == "/held":
            self.held.append(asyncio.Event())
            await self.held[-1].wait()
        await Response(f"{number}:{len(body)}:{sum(body)}")(scope, receive, send)


class _Echo(DirectRoute):
    @staticmethod
    def max_body_bytes(limits: Limits) -> int:  # noqa: ARG004 - the same for all
        return 100_000

    @staticmethod
    def is_light(call: Call, length: int, named: object) -> bool:  # noqa: ARG004 - always
        return True


def _direct_routes(executed: list[str]) -> list[DirectRoute]:
    router = APIRouter(route_class=_Echo)

    def echo(call: DepCall) -> Any:
        number = parse_qs(call.query.decode()).get("n", [""])[0]
        executed.append(number)
        body = bytes(call.content)
        return Response(f"{number}:{len(body)}:{sum(body)}")

    router.add_api_route("/echo", echo, methods=["POST"])
    router.add_api_route("/livez", echo, methods=["GET"])
    return [route for route in router.routes if isinstance(route, DirectRoute)]


@contextmanager
def complaints() -> Iterator[list[str]]:
    """What is logged as an error meanwhile."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Handler(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)
