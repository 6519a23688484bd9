"""What is not plain: one request at a time through uvicorn's own protocol; alone, in connections, and over a socket."""

import asyncio
import re
import socket
import time
from asyncio import Transport
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.engine.connections.detour import Detour
from app.engine.connections.written import lines
from app.engine.front import SHED
from app.engine.problems import BadRequestError, HeadersTooLargeError
from tests import drawings
from tests.app.engine.connections.plays import LARGE, chunked, played, post, request
from tests.app.engine.connections.wires import Wire, World
from tests.reliability.sockets import connect, read_answer


class Application:
    """Writes down what it is asked, and answers it early or when it has read all."""

    def __init__(self, *, early: bool = False) -> None:
        self.scope: Scope = {}
        self.body = b""
        self.was_left = False
        self._early = early

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        if self._early:
            await Response("early")(scope, receive, send)
        try:
            self.body = await Request(scope, receive).body()
        except ClientDisconnect:
            self.was_left = True
        if not self._early:
            await Response("read")(scope, receive, send)


class Client(Transport):
    """The owner of a detour and the transport at once: what it is told, and what it is sent."""

    def __init__(self, application: Application, *, admits: bool = True, is_stopping: bool = False) -> None:
        super().__init__()
        self.transport: Transport = self
        self.sent = b""
        self.told: list[str] = []
        self.kept_alive: list[bool] = []
        self._admits = admits
        self._is_stopping = is_stopping
        config = Config(application, lifespan="off", access_log=False, log_config=None)
        self.detour = Detour(
            self,
            2000,
            config=config,
            server_state=ServerState(),
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        self.detour.begin()

    def write(self, data: Any) -> None:
        self.sent += data

    def is_leaving(self) -> bool:
        return "leave" in self.told

    def is_stopping(self) -> bool:
        return self._is_stopping

    def admits(self, path: str) -> bool:
        self.told.append(f"head of {path}")
        return self._admits

    def leave(self) -> None:
        self.told.append("leave")

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def answered(self, *, keep_alive: bool) -> None:
        self.kept_alive.append(keep_alive)


async def settle() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


class Sent(NamedTuple):
    """A request, and what is in it."""

    pieces: list[bytes]
    fields: list[tuple[bytes, bytes]]
    body: bytes


FIELDS = ("Accept: a, b", "X-Empty:", "X-Padded: \t c \t", "X-A: 1", "X-A: 2", "Cookie: d=e; f=g", "Upgrade: h2c")


@st.composite
def sent_requests(draw: st.DrawFn) -> Sent:
    """In pieces, one of which ends with the head, as the connection sees to."""
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=4))
    fields += draw(st.sampled_from([[], ["Connection: Upgrade", "Upgrade: h2c"]]))
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    trailers = draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"]))
    body = b"".join(chunks)
    if draw(st.booleans()):
        whole = chunked("/a/b?c=d", *chunks, trailers=trailers).replace(
            b"\r\n\r\n", "".join(f"\r\n{field}" for field in fields).encode() + b"\r\n\r\n", 1
        )
        length = (b"transfer-encoding", b"chunked")
    else:
        whole = request("POST /a/b?c=d", f"Content-Length: {len(body)}", *fields, body=body)
        length = (b"content-length", b"%d" % len(body))
    named = [field.encode().partition(b":") for field in fields]
    expected = [(b"host", b"s"), length, *((name.lower(), value.strip()) for name, _, value in named)]
    if "Connection: Upgrade" in fields:  # which is not granted, and not told
        expected = [field for field in expected if field[0] not in {b"connection", b"upgrade"}]
    end_of_head = whole.index(b"\r\n\r\n") + 4
    cuts = sorted({0, end_of_head, len(whole)} | draw(st.sets(st.integers(0, len(whole)), max_size=6)))
    return Sent([whole[start:end] for start, end in pairwise(cuts)], expected, body)


@given(sent_requests())
def test_however_a_request_arrives_the_application_is_asked_what_was_sent(sent: Sent) -> None:
    async def run() -> Application:
        application = Application()
        client = Client(application)
        whole = []
        for piece in sent.pieces:
            client.detour.feed(piece)
            whole.append(client.detour.is_whole)
            await asyncio.sleep(0)
        await settle()
        assert whole == [False] * (len(sent.pieces) - 1) + [True]
        assert client.detour.missing in {0, None}
        assert client.kept_alive == [True]
        assert client.told == ["head of /a/b"]
        return application

    application = asyncio.run(run())

    assert (application.scope["method"], application.scope["path"]) == ("POST", "/a/b")
    assert application.scope["query_string"] == b"c=d"
    assert application.scope["headers"] == sent.fields
    assert application.body == sent.body


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (request("GET /"), True),
        (request("GET /", "Connection: close"), False),
        (request("GET /", version="1.0"), False),
        (request("GET /", "Connection: keep-alive", version="1.0"), False),
    ],
)
@pytest.mark.parametrize("is_stopping", [False, True])
async def test_an_answer_is_the_last_where_the_request_or_the_server_says_so(
    sent: bytes, *, kept: bool, is_stopping: bool
) -> None:
    client = Client(Application(), is_stopping=is_stopping)

    client.detour.feed(sent)
    await settle()

    assert client.kept_alive == [kept and not is_stopping]
    assert (b"connection: close" in client.sent) is not client.kept_alive[0]


async def test_an_answer_that_comes_before_the_body_is_the_last() -> None:
    client = Client(Application(early=True))

    client.detour.feed(request("POST /", "Content-Length: 5"))
    await settle()

    assert client.detour.has_answered()
    assert b"connection: close" in client.sent
    assert client.sent.endswith(b"early")
    assert client.kept_alive == [False]


@pytest.mark.parametrize("admits", [True, False])
async def test_the_application_is_told_what_there_is_no_time_for(*, admits: bool) -> None:
    application = Application()

    Client(application, admits=admits).detour.feed(request("GET /a?b"))
    await settle()

    assert (SHED in application.scope["state"]) is not admits


async def test_of_a_body_that_nobody_reads_yet_no_more_is_taken_until_it_is_read() -> None:
    application = Application()
    client = Client(application)

    client.detour.feed(request("POST /", f"Content-Length: {4 * len(LARGE) + 1}"))
    client.detour.feed(LARGE * 4)
    held = client.told.count("pause")
    await settle()
    client.detour.feed(b"x")
    await settle()

    assert held == 1
    assert client.told[-1] == "resume"
    assert application.body == LARGE * 4 + b"x"


async def test_the_application_hears_that_its_client_is_gone() -> None:
    application = Application()
    client = Client(application)

    client.detour.feed(request("POST /", "Content-Length: 5"))
    await settle()
    client.detour.abandon()
    await settle()

    assert application.was_left


async def test_one_request_after_another_is_read_and_none_takes_anything_from_the_one_before() -> None:
    application = Application()
    client = Client(application)
    for sent in (post("/one?a", b"first", "X-A: 1"), request("GET /two"), chunked("/three", b"third")):
        client.detour.begin()
        head, end, body = sent.partition(b"\r\n\r\n")
        client.detour.feed(head + end)
        if body:
            client.detour.feed(body)
        await settle()

    assert client.kept_alive == [True] * 3
    assert client.told == ["head of /one", "head of /two", "head of /three"]
    assert application.scope["headers"] == [(b"host", b"s"), (b"transfer-encoding", b"chunked")]
    assert (application.scope["query_string"], application.body) == (b"", b"third")


async def test_a_second_request_in_what_was_taken_for_the_first_is_refused() -> None:
    with pytest.raises(BadRequestError):
        Client(Application()).detour.feed(request("GET /one") + request("GET /two"))


@pytest.mark.parametrize("fields", [["A: " + "b" * 2000], ["A: b"] * 100])
async def test_a_refusal_of_a_head_says_what_it_is_of(fields: list[str]) -> None:
    with pytest.raises(HeadersTooLargeError):
        Client(Application()).detour.feed(request("GET /", *fields))


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://named.example:80/a/b?c=d", "/a/b", b"c=d"),
        (b"HTTP://named.example:80/a/b", "/a/b", b""),
        (b"https://named.example:80", "/", b""),
        (b"http://named.example:80?c=d", "/", b"c=d"),
    ],
)
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
async def test_an_absolute_target_is_a_path_and_its_host_is_the_one_that_counts(
    target: bytes, path: str, query: bytes, upgrade: bytes
) -> None:
    application = Application()
    client = Client(application)

    client.detour.feed(b"GET %b HTTP/1.1\r\nHost: s\r\nA: b\r\n%b\r\n" % (target, upgrade))
    await settle()

    assert client.told == [f"head of {path}"]
    assert (application.scope["path"], application.scope["query_string"]) == (path, query)
    assert sorted(application.scope["headers"]) == [(b"a", b"b"), (b"host", b"named.example:80")]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET http://a/livez HTTP/1.1\r\n\r\n",
        b"GET http://b@a/livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://:80/livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http:///livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a@b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a:b\r\n\r\n",
        b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET /livez\r\nHost: a\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_what_the_standard_wants_refused_is_refused(head: bytes) -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(head)
        await world.settle()

    assert [answer.status for answer in played(play).answers()] == [400]


def test_no_field_of_an_answer_begins_another_one() -> None:
    assert lines([(b"x-model", b"a\r\nset-cookie: b\0")]) == b"x-model: a  set-cookie: b \r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (chunked("/echo?n=1", *[b"x"] * 1000), 200),
        (chunked("/echo?n=1", *[b"x" * 64] * 1400), 200),
        (chunked("/echo?n=1", *[b"x"] * 2000), 400),
        (request("GET /livez?n=1", *[f"A{number}: b" for number in range(99)]), 200),
        (request("GET /livez?n=1", *[f"A{number}: b" for number in range(100)]), 431),
        (request("GET /livez?n=1", *["A:"] * 30_000), 431),
        (request("GET /held?n=1", "A: " + "b" * 65_536), 431),
        (request("POST /echo?n=1", "Transfer-Encoding: chunked", body=b"0\r\n" + b"A: b\r\n" * 20_000), 431),
        (request("POST /echo?n=1", "Transfer-Encoding: chunked", body=b"1;" + b"a" * 70_000), 431),
    ],
    ids=[
        "some small chunks",
        "many chunks of 64 bytes",
        "too many small chunks",
        "a hundred fields",
        "one more",
        "an attack of them",
        "a long one",
        "endless trailers",
        "an endless extension of a chunk",
    ],
)
def test_a_request_costs_what_it_sends(sent: bytes, status: int) -> None:
    async def play(world: World, wire: Wire) -> None:
        for start in range(0, len(sent), 16_384):
            wire.sends(sent[start : start + 16_384])
        await world.settle()

    assert [answer.status for answer in played(play).answers()] == [status]


def test_a_body_that_nobody_wants_is_dropped_and_no_parser_reads_it() -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(request("POST /early?n=1", "Transfer-Encoding: chunked"))
        await world.settle()
        wire.sends(b"no chunks at all\r\n" + post("/echo?n=2", b"smuggled"))
        await world.settle()
        assert world.executed == ["1"]

    assert [answer.status for answer in played(play).answers()] == [200]


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


def predict(body: bytes, extra: bytes = b"") -> bytes:
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\n%bContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    return head % (extra, len(body)) + body


@pytest.mark.parametrize("extra", [b"", b"Proxy-Connection: x\r\n", H2C], ids=["plain", "parsed", "upgrade"])
def test_a_client_that_has_said_all_is_answered_before_its_connection_is_closed(server: str, extra: bytes) -> None:
    clients = [connect(server) for _ in range(24)]
    for client in clients:
        client.sendall(predict(drawings.png(), extra))
        client.shutdown(socket.SHUT_WR)

    assert [read_answer(client).status for client in clients] == [200] * 24
    for client in clients:
        assert client.recv(1) == b""
        client.close()


def statuses(client: socket.socket, count: int) -> list[bytes]:
    """Of so many answers to pipelined requests."""
    received = b""
    while received.count(b"x-request-id") < count or not received.endswith(b"}"):
        received += client.recv(65536)
    return re.findall(rb"HTTP/1\.1 (\d+)", received)


def test_a_request_to_upgrade_is_answered_as_if_it_did_not_ask_for_that(server: str) -> None:
    """So do Java's HttpClient and `curl --http2` ask, with the body right behind the head."""
    request = predict(drawings.png(), H2C)
    with connect(server) as client:
        for cut in (20, len(request) - 30, len(request)):
            client.sendall(request[:cut])
            time.sleep(0.01)
            client.sendall(request[cut:])
            assert statuses(client, 1) == [b"200"]

        client.sendall(request * 3)
        assert statuses(client, 3) == [b"200"] * 3


def test_a_request_to_upgrade_may_end_its_connection(server: str) -> None:
    with connect(server) as client:
        client.sendall(predict(drawings.png(), b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n"))

        assert read_answer(client).status == 200
        assert client.recv(1) == b""


def test_the_body_of_a_request_to_upgrade_is_not_taken_for_the_next_request(server: str) -> None:
    with connect(server) as client:
        client.sendall(predict(b"GET /smuggled HTTP/1.1\r\nHost: s\r\n\r\n", H2C) + predict(drawings.png()))

        assert statuses(client, 2) == [b"415", b"200"]
