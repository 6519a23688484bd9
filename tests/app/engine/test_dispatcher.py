"""A call to its answer, whatever goes wrong, and who is told of it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.engine.access import Access
from app.engine.calls import Call, DepCall
from app.engine.dispatcher import Dispatcher
from app.engine.front import Front
from app.engine.keys import Keys
from app.engine.problems import UnauthorizedError
from app.engine.routes import BodilessRoute, Match
from app.engine.together import together


def twice(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


async def good(call: DepCall, factor: int) -> int:
    call.notes["asked"] = factor
    return await together(twice, factor)


class Told:
    """What a dispatcher told."""

    def __init__(self) -> None:
        self.answered: list[Call] = []
        self.shed: list[tuple[str, int]] = []


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def dispatcher(told: Told) -> Dispatcher:
    routes = [BodilessRoute("/good", good, methods=["GET"]), BodilessRoute("/bad/{what}", bad_of, methods=["GET"])]
    return Dispatcher(
        routes,
        given={"factor": 21, "unwanted": None},
        on_answered=told.answered.extend,
        on_shed=lambda why, count: told.shed.append((why, count)),
    )


def bad_of(what: str) -> int:
    raise RuntimeError(f"not the caller's affair: {what}")


def ask(dispatcher: Dispatcher, path: str, **fields: str) -> tuple[Match, Call]:
    match = dispatcher.routes.match(b"GET", path)
    assert match is not None
    call = dispatcher.call(path, b"", {name.replace("_", "-").encode(): text.encode() for name, text in fields.items()})
    call.content = memoryview(b"")
    return match, call


def test_an_endpoint_gets_what_it_names_and_no_more(dispatcher: Dispatcher, told: Told) -> None:
    answer = dispatcher.answer(*ask(dispatcher, "/good"))

    assert (answer.status, answer.content) == (200, b"42")
    [call] = told.answered
    assert (call.method, call.route, call.status, call.notes) == ("GET", "/good", 200, {"asked": 21})


def test_what_goes_wrong_is_an_answer_and_counted_as_one(dispatcher: Dispatcher, told: Told) -> None:
    answer = dispatcher.answer(*ask(dispatcher, "/bad/luck"))

    assert answer.status == 500
    assert b"luck" not in answer.content
    assert [(call.route, call.status) for call in told.answered] == [("/bad/{what}", 500)]


def in_turn(dispatcher: Dispatcher, *calls: tuple[Match, Call]) -> None:
    """Have calls answered in one turn."""
    dispatcher.turn.enter(asyncio.get_running_loop())
    dispatcher.batch.expected = len(calls)
    for match, call in calls:
        dispatcher.answer_in_turn(match, call, lambda _: None)
    dispatcher.batch.finish()


async def until_told(told: Told, count: int) -> None:
    for _ in range(10_000):
        if len(told.answered) >= count:
            return
        await asyncio.sleep(0.001)
    pytest.fail(f"{count} answers were not told within ten seconds.")


async def test_what_is_answered_in_a_turn_is_told_once_soon_after_it_has_gone_out(
    dispatcher: Dispatcher, told: Told
) -> None:
    match, call = ask(dispatcher, "/good")
    order: list[str] = []
    call.afterwards(lambda: order.append("afterwards"))

    dispatcher.turn.enter(asyncio.get_running_loop())
    dispatcher.batch.expected = 9
    dispatcher.answer_in_turn(match, call, lambda _: order.append("answered"))
    assert order == []
    dispatcher.batch.finish()
    assert (order, told.answered) == (["answered"], [])
    await until_told(told, 1)
    dispatcher.conclude()
    call.conclude()

    assert order == ["answered", "afterwards"]
    assert [(one.route, one.status) for one in told.answered] == [("/good", 200)]


async def test_answers_of_several_turns_are_told_together_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.turns._SOON_SECONDS", 60)
    told: list[list[bytes]] = []
    dispatcher = Dispatcher(
        [BodilessRoute("/good", good, methods=["GET"])],
        given={"factor": 1},
        on_answered=lambda calls: told.append([call.request_id for call in calls]),
    )

    in_turn(dispatcher, *[ask(dispatcher, "/good", x_request_id=str(number)) for number in range(5)])
    in_turn(dispatcher, ask(dispatcher, "/good", x_request_id="5"))
    before = list(told)
    dispatcher.conclude()
    dispatcher.conclude()

    assert before == []
    assert told == [[b"0", b"1", b"2", b"3", b"4", b"5"]]


async def test_after_what_was_told_the_next_turn_is_told_soon_too(dispatcher: Dispatcher, told: Told) -> None:
    for count in (1, 2, 3):
        in_turn(dispatcher, ask(dispatcher, "/good"))
        await until_told(told, count)

    assert len(told.answered) == 3


def test_where_there_are_no_turns_an_answer_is_told_at_once(dispatcher: Dispatcher, told: Told) -> None:
    for count in (1, 2):
        dispatcher.answer_in_turn(*ask(dispatcher, "/good"), lambda _: None)

        assert len(told.answered) == count


@pytest.mark.parametrize(("sent", "kept"), [("mine-7", True), ("with space", False), ('"', False), ("x" * 129, False)])
def test_a_client_may_name_its_request(dispatcher: Dispatcher, *, sent: str, kept: bool) -> None:
    _, call = ask(dispatcher, "/good", x_request_id=sent)

    assert (call.request_id == sent.encode()) is kept


def test_no_two_requests_have_the_same_id(dispatcher: Dispatcher) -> None:
    ids = {dispatcher.new_request_id() for _ in range(100)} | {Dispatcher([]).new_request_id()}

    assert len(ids) == 101


def test_what_is_shed_gets_a_problem_document_with_its_id(dispatcher: Dispatcher) -> None:
    answer = dispatcher.shed("/good", {b"x-request-id": b"mine"})

    document: dict[str, Any] = orjson.loads(answer.content)
    assert (answer.status, document["status"], document["request_id"]) == (503, 503, "mine")
    assert (b"retry-after", b"1") in answer.headers


@pytest.mark.parametrize(
    ("query", "fields", "status"),
    [
        (b"a=" + b"x" * 4094, {}, 200),
        (b"a=" + b"x" * 4095, {}, 414),
        (b"a&" * 99, {}, 200),
        (b"a&" * 100, {}, 414),
        (b"", {b"accept": b"," * 1024}, 200),
        (b"", {b"accept": b"," * 1025}, 431),
        (b"", {b"content-type": b";" * 1025}, 431),
        (b"", {b"cookie": b";" * 9999}, 200),  # nobody takes it apart
    ],
)
async def test_what_is_taken_apart_is_bounded(
    dispatcher: Dispatcher, query: bytes, fields: dict[bytes, bytes], status: int
) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/good", "query_string": query, "headers": list(fields.items())}
    await Front(FastAPI(), dispatcher)(scope, receive, send)

    assert sent[0]["status"] == status


def test_the_key_is_asked_for_before_anything_else(told: Told) -> None:
    dispatcher = Dispatcher([], access=Access(Keys(["a-key-for-the-tests"])), on_answered=told.answered.extend)

    with pytest.raises(UnauthorizedError):
        dispatcher.check("GET", dispatcher.call("/good", b"a&" * 1000, {b"accept": b"," * 9999}))


def test_invented_methods_make_one_series_together(dispatcher: Dispatcher, told: Told) -> None:
    for method in ("BREW", "GET", "get", "OPTIONS"):
        dispatcher.note(method, "unmatched", 405, dispatcher.call("/", b"", {}))

    assert [call.method for call in told.answered] == ["other", "GET", "other", "OPTIONS"]


def test_what_fails_afterwards_stops_neither_the_others_nor_who_asks_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    def fail(_calls: object) -> None:
        raise OSError("no space left")

    dispatcher = Dispatcher([], on_answered=fail)
    failing, other = (dispatcher.call("/", b"", {}) for _ in range(2))
    failing.afterwards(lambda: fail(None))
    other.afterwards(lambda: done.append("other"))

    dispatcher.note("GET", "/", 200, failing)
    dispatcher.note("GET", "/", 200, other)

    assert done == ["other"]
    assert [record.message for record in caplog.records] == [
        "What was to be done after an answer failed.",
        "Answers could not be counted.",
        "Answers could not be counted.",
    ]
