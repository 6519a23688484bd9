"""The outermost ASGI application: what it answers, what it leaves to FastAPI, and what both have in common."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import httpx
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.engine.access import Access
from app.engine.calls import Call, DepCall
from app.engine.dispatcher import SECURITY_HEADERS, Dispatcher
from app.engine.front import SHED, Front
from app.engine.keys import Keys
from app.engine.limits import Limits
from app.engine.routes import DirectRoute
from app.main import create_app
from app.settings import Settings

MAX_BYTES = 50
MAX_PENDING_BYTES = 80


class Route(DirectRoute):
    @staticmethod
    def max_body_bytes(limits: Limits) -> int:  # noqa: ARG004 - the same for all
        return MAX_BYTES

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:  # noqa: ARG004 - always
        return True


def echo(call: DepCall) -> Response:
    return Response(bytes(call.content), media_type="application/octet-stream")


class FastAPIs:
    """What stands in FastAPI's place: it says what it is asked."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            await PlainTextResponse("of FastAPI", headers={"referrer-policy": "origin"})(scope, receive, send)


class Answered(NamedTuple):
    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes


@pytest.fixture
def noted() -> list[Call]:
    return []


@pytest.fixture
def dispatcher(noted: list[Call]) -> Dispatcher:
    return dispatcher_of(noted)


def dispatcher_of(noted: list[Call], **more: Any) -> Dispatcher:
    limits = Limits(max_pending_bytes=MAX_PENDING_BYTES)
    return Dispatcher([Route("/echo", echo, methods=["POST", "GET"])], limits=limits, on_answered=noted.extend, **more)


async def exchange(
    application: ASGIApp, path: str, messages: Sequence[Message] = ({"type": "http.request"},), **scope: Any
) -> list[Message]:
    """What is sent to a server that has these messages, and no others: asking for more fails."""
    sent: list[Message] = []
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await application(
        {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], **scope}, receive, send
    )
    return sent


async def ask(*args: Any, **scope: Any) -> Answered:
    start, *rest = await exchange(*args, **scope)
    return Answered(start["status"], start["headers"], b"".join(message["body"] for message in rest))


def body(pieces: Sequence[bytes]) -> Iterable[Message]:
    for number, piece in enumerate(pieces, start=1):
        yield {"type": "http.request", "body": piece, "more_body": number < len(pieces)}


@pytest.mark.parametrize("codings", [[b"gzip", b"gzip"], [b"gzip, gzip"], [b"identity", b"gzip"]])
async def test_content_codings_in_several_fields_are_a_list(dispatcher: Dispatcher, codings: list[bytes]) -> None:
    headers = [(b"content-encoding", coding) for coding in codings]

    answer = await ask(Front(FastAPIs(), dispatcher), "/echo", headers=headers)

    assert answer.status == 415
    assert "gzip" in orjson.loads(answer.body)["detail"]


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5), st.booleans(), st.integers(0, MAX_PENDING_BYTES))
@example(pieces=[b"x" * MAX_BYTES, b""], is_declared=False, waiting=MAX_PENDING_BYTES - MAX_BYTES)
@example(pieces=[b"x" * MAX_BYTES, b"x"], is_declared=False, waiting=0)
@example(pieces=[b"x" * 9, b"x"], is_declared=False, waiting=MAX_PENDING_BYTES - 9)
def test_a_body_is_read_whole_however_it_comes_or_refused_where_it_is_too_long_or_too_many_wait(
    pieces: list[bytes],
    is_declared: bool,  # noqa: FBT001 - a parameter of the test
    waiting: int,
) -> None:
    whole = b"".join(pieces)
    fields = [(b"content-length", b"%d" % len(whole))] if is_declared else []
    dispatcher = dispatcher_of([])

    with dispatcher.pending.body() as add:
        add(waiting)
        answer = asyncio.run(ask(Front(FastAPIs(), dispatcher), "/echo", body(pieces), headers=fields))

    is_too_long, are_too_many = len(whole) > MAX_BYTES, len(whole) + waiting > MAX_PENDING_BYTES
    statuses = {413: is_too_long, 503: are_too_many, 200: not (is_too_long or are_too_many)}
    assert statuses[answer.status]
    if answer.status == 200:
        assert answer.body == whole
    assert dispatcher.pending.bytes == 0


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"51", 413), (b"9" * 10_000, 413), (b"50", 200), (b"none", 200), (b"-1", 200), (b"0" * 30, 200)],
)
async def test_what_is_declared_too_long_is_refused_unread(dispatcher: Dispatcher, length: bytes, status: int) -> None:
    messages = body([b"short"]) if status == 200 else ()

    answer = await ask(Front(FastAPIs(), dispatcher), "/echo", messages, headers=[(b"content-length", length)])

    assert answer.status == status


async def test_of_a_body_in_chunks_the_declared_length_means_nothing(dispatcher: Dispatcher) -> None:
    fields = [(b"content-length", b"9999"), (b"transfer-encoding", b"chunked")]

    answer = await ask(Front(FastAPIs(), dispatcher), "/echo", body([b"short"]), headers=fields)

    assert (answer.status, answer.body) == (200, b"short")


@pytest.mark.parametrize("before", [[], [b"half"]])
async def test_a_client_that_leaves_gets_no_answer_and_is_counted_as_one_that_left(
    dispatcher: Dispatcher, noted: list[Call], before: list[bytes]
) -> None:
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in before]

    sent = await exchange(Front(FastAPIs(), dispatcher), "/echo", [*pieces, {"type": "http.disconnect"}])

    assert sent == []
    assert [(call.method, call.route, call.status) for call in noted] == [("POST", "/echo", 499)]


async def test_who_has_no_key_is_refused_unread_on_either_way(noted: list[Call]) -> None:
    fastapi = FastAPIs()
    front = Front(fastapi, dispatcher_of(noted, access=Access(Keys(["a-key-for-the-tests"]))))

    answers = [await ask(front, path, ()) for path in ("/echo", "/elsewhere")]

    assert [answer.status for answer in answers] == [401, 401]
    assert [(call.route, call.status) for call in noted] == [("/echo", 401), ("unmatched", 401)]
    assert fastapi.scopes == []


@pytest.mark.parametrize("path", ["/echo", "/elsewhere"])
async def test_what_the_connection_sheds_is_answered_and_is_no_call(
    dispatcher: Dispatcher, noted: list[Call], path: str
) -> None:
    fastapi = FastAPIs()
    fields = [(b"x-request-id", b"mine")]

    answer = await ask(Front(fastapi, dispatcher), path, (), headers=fields, state={SHED: True})

    assert answer.status == 503
    assert orjson.loads(answer.body)["request_id"] == "mine"
    assert (fastapi.scopes, noted) == ([], [])


@pytest.mark.parametrize("path", ["/echo", "/elsewhere"])
async def test_each_answer_has_its_id_and_each_security_header_once(dispatcher: Dispatcher, path: str) -> None:
    front = Front(FastAPIs(), dispatcher)

    answer = await ask(front, path, body([b""]), headers=[(b"x-request-id", b"mine")])

    names = [name for name, _ in answer.fields]
    assert [value for name, value in answer.fields if name == b"x-request-id"] == [b"mine"]
    assert [names.count(name) for name, _ in SECURITY_HEADERS] == [1] * len(SECURITY_HEADERS)
    if path == "/elsewhere":
        assert (b"referrer-policy", b"origin") in answer.fields  # its own


async def test_fastapi_is_asked_for_what_is_left_of_the_path_without_range_and_head_is_get(
    dispatcher: Dispatcher, noted: list[Call]
) -> None:
    fastapi = FastAPIs()
    fields = [(b"range", b"bytes=0-1"), (b"accept", b"a")]

    await ask(Front(fastapi, dispatcher, "/root"), "/root/elsewhere", headers=fields, method="HEAD")

    [scope] = fastapi.scopes
    assert (scope["method"], scope["root_path"], scope["path"]) == ("GET", "/root", "/root/elsewhere")
    assert scope["headers"] == [(b"accept", b"a")]
    assert scope["request_id"] == noted[0].request_id
    assert [(call.method, call.route, call.status) for call in noted] == [("GET", "unmatched", 200)]


async def test_what_fastapi_raises_once_it_has_answered_reaches_no_server(
    dispatcher: Dispatcher, noted: list[Call]
) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("failed", 500)(scope, receive, send)
        raise RuntimeError("for the server's log")

    answer = await ask(Front(failing, dispatcher), "/elsewhere")

    assert (answer.status, answer.body) == (500, b"failed")
    assert [call.status for call in noted] == [500]


async def test_a_request_that_fastapi_leaves_without_an_answer_is_one_whose_client_left(
    dispatcher: Dispatcher, noted: list[Call]
) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    assert await exchange(Front(silent, dispatcher), "/elsewhere") == []
    assert [call.status for call in noted] == [499]


async def test_the_route_that_fastapi_finds_is_counted(dispatcher: Dispatcher, noted: list[Call]) -> None:
    async def finding(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route("/items/{item}", echo, methods=["GET"])
        await Response()(scope, receive, send)

    await ask(Front(finding, dispatcher), "/items/7")

    assert [call.route for call in noted] == ["/items/{item}"]


async def test_what_is_no_http_goes_to_fastapi_as_it_is(dispatcher: Dispatcher) -> None:
    fastapi = FastAPIs()
    scope = {"type": "lifespan", "state": {}}

    await Front(fastapi, dispatcher)(scope, lambda: asyncio.sleep(0, {}), lambda _: asyncio.sleep(0))

    assert fastapi.scopes == [scope]


async def test_what_was_answered_in_turns_is_noted_before_whatever_is_asked_here(
    dispatcher: Dispatcher, noted: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.turns._SOON_SECONDS", 60)  # so that nothing else notes it
    seen: list[list[bytes]] = []

    async def looking(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append([call.request_id for call in noted])
        await Response()(scope, receive, send)

    match = dispatcher.routes.match(b"POST", "/echo")
    assert match is not None
    dispatcher.turn.enter(asyncio.get_running_loop())
    for number in (b"1", b"2"):
        call = dispatcher.call("/echo", b"", {b"x-request-id": number})
        call.content = memoryview(b"")
        dispatcher.answer_in_turn(match, call, lambda _: None)
    before = list(noted)
    for _ in range(2):
        await ask(Front(looking, dispatcher), "/elsewhere")

    assert before == []
    assert seen[0] == [b"1", b"2"]
    assert seen[1][:2] == [b"1", b"2"]
    assert len(noted) == 4


@pytest.mark.parametrize(
    ("root_path", "header", "path"),
    [
        ("/garments", {}, "/garments/models/"),
        ("/garments", {}, "/models/"),
        ("", {"X-Forwarded-Prefix": "/garments"}, "/models/"),
        ("", {"X-Forwarded-Prefix": "/garments/"}, "/models/"),
    ],
)
async def test_redirects_keep_the_prefix(settings: Settings, root_path: str, header: dict[str, str], path: str) -> None:
    app = create_app(settings.model_copy(update={"root_path": root_path}))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.get(path, headers=header)

    assert answer.status_code == 307
    assert answer.headers["Location"] == "http://service/garments/models"


@pytest.mark.parametrize("prefix", ["//elsewhere.example", "/a b", "https://elsewhere.example", "/a?b", "é"])
async def test_a_prefix_that_is_none_is_not_believed(client: httpx.AsyncClient, prefix: str) -> None:
    answer = await client.get("/models/", headers={b"X-Forwarded-Prefix": prefix.encode()})

    assert answer.headers["Location"] == "http://service/models"


@pytest.mark.parametrize(("path", "status"), [("/garments/livez", 200), ("/livez", 200), ("/garmentslivez", 404)])
async def test_a_path_is_found_under_the_root_path_and_without_it(settings: Settings, path: str, status: int) -> None:
    app = create_app(settings.model_copy(update={"root_path": "/garments"}))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        assert (await client.get(path)).status_code == status
        assert (await client.get("/garments/v2/nothing")).json()["error"]
        assert (await client.get("/garments")).headers["Location"] == "http://service/garments/"
