"""Whole connections, held against httptools: whatever clients send and however, each gets its answers, and no more."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.engine.limits import Limits
from tests.app.engine.connections.plays import LARGE, LIMITS, chunked, played, post, request, with_world
from tests.app.engine.connections.wires import ORIGIN, UPGRADE, Wire, World, judge

KINDS: tuple[Callable[[str], bytes], ...] = (
    lambda n: request(f"GET /livez?n={n}", f"X-Request-ID: id-{n}"),
    lambda n: request(f"GET /livez?n={n}"),
    lambda n: post(f"/echo?n={n}", b"short", f"X-Request-ID: id-{n}"),
    lambda n: post(f"/echo?n={n}", b"\r\n\r\nGET /echo?n=none HTTP/1.1\r\n\r\n"),
    lambda n: post(f"/echo?n={n}", LARGE),
    lambda n: post(f"/echo?n={n}", LARGE, "Connection: close"),
    lambda n: post(f"/echo?n={n}", b"the last", "Connection: close"),
    lambda n: post(f"/echo?n={n}", b"the last", "connection: Close"),
    lambda n: b"\r\n" + post(f"/echo?n={n}", b"behind an empty line"),
    lambda n: post(f"/echo?n={n}", b"old", version="1.0"),
    lambda n: post(f"/echo?n={n}", b"asks first", "Expect: 100-continue"),
    lambda n: post(f"/echo?n={n}", b"from elsewhere", f"Origin: {ORIGIN}"),
    lambda n: chunked(f"/echo?n={n}", b"a", b"\r\n\r\n", LARGE),
    lambda n: chunked(f"/echo?n={n}", b"chunk", trailers=b"X-Trailer: 1\r\nContent-Length: 7\r\n"),
    lambda n: chunked(f"/held?n={n}", b"held"),
    lambda n: request(f"GET /held?n={n}", f"X-Request-ID: id-{n}"),
    lambda n: request(f"HEAD /held?n={n}"),
    lambda n: post(f"/held?n={n}", LARGE, f"X-Request-ID: id-{n}"),
    lambda n: request(f"GET /held?n={n}", "Connection: close"),
    lambda n: request(f"GET /held?n={n}").replace(b"\r\n\r\n", UPGRADE + b"\r\n\r\n"),
    lambda n: post(f"/early?n={n}", b"unread"),
    lambda n: post(f"/early?n={n}", LARGE),
    lambda n: post(f"/early?n={n}", LARGE * 4),  # more than uvicorn takes at once
    lambda n: chunked(f"/held?n={n}", *[b"small"] * 100, LARGE * 4),
    lambda n: chunked(f"/held?n={n}", b"\r\n" * 500, b"\r\n\r\n" * 60),
    lambda n: b"\r" + b"\n\r" * 500 + b"\n" + post(f"/echo?n={n}", b"behind many empty lines"),
)
PATIENT = replace(LIMITS, turn_seconds=60)
SHORT_OF_MEMORY = replace(LIMITS, max_pending_bytes=40_000)  # some have to give way
PHASES = (Phase.generate, Phase.shrink)
ENDS: tuple[bytes, ...] = (
    b"",
    b"",
    b"",
    b"\r\n",
    b"GET /livez?n=x HTTP/1.1\r\nHos",
    post("/echo?n=x", LARGE)[:-1],
    post("/echo?n=x", b"short")[:-1],
    post("/held?n=x", LARGE)[:-1],
    chunked("/echo?n=x", b"cut off")[:-1],
    b"\0\0\r\n\r\n",
    request("POST /echo?n=x", "Transfer-Encoding: chunked", body=b"no number\r\n"),
    request("CONNECT s:1"),
    request("GET /livez?n=x", "Content-Length: 1", "Content-Length: 2"),
)


class Client(NamedTuple):
    """What one client does: what it sends, in pieces, whether it sends FIN after it, or resets after some pieces."""

    pieces: list[bytes]
    stops_sending: bool
    resets_after: int | None


@st.composite
def clients(draw: st.DrawFn, number: int) -> Client:
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=5))
    stream = b"".join(kind(f"{number}{place}") for place, kind in enumerate(kinds)) + draw(st.sampled_from(ENDS))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(stream) - 1)), max_size=5)))
    pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)]) if start < end]
    return Client(pieces, draw(st.booleans()), draw(st.none() | st.none() | st.integers(0, len(pieces))))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.lists(st.integers(0, 2), min_size=1, max_size=4)),
        st.tuples(
            st.sampled_from(["release", "blocks", "takes", "shuts down"]), st.lists(st.integers(0, 2), max_size=1)
        ),
    ),
    max_size=25,
)


def check(wire: Wire, world: World, *, may_lose: bool) -> None:
    """What one client got is what it asked for."""
    judgement = judge(wire.sent)
    answers = wire.answers()
    asked = {request.number: request for request in judgement.asked}
    refused = set()
    for answer, wanted in zip(answers, judgement.asked, strict=False):
        if answer.status == 503:
            refused.add(wanted.number)
            assert may_lose or wanted.path != "/livez"  # a pipeline that gives way does so whatever comes next
        elif answer.status == 200:
            echo = f"{wanted.number}:{len(wanted.body)}:{sum(wanted.body)}".encode()
            early = wanted.number.encode()
            assert answer.body == (b"" if wanted.method == b"HEAD" else early if wanted.path == "/early" else echo)
        else:
            assert answer.is_last
        assert answer.fields[b"vary"] == b"Origin"
        request_id = answer.fields[b"x-request-id"]
        assert request_id == f"id-{wanted.number}".encode() or not request_id.startswith(b"id-")
    assert not any(answer.is_last for answer in answers[:-1])
    executed = [number for number in world.executed if number[:1] == str(world.wires.index(wire))]
    expected = [number for number in [*asked, judgement.begun] if number not in refused]
    assert executed == expected[: len(executed)]
    ends_early = bool(answers and answers[-1].is_last) or wire.half_closed
    if not (may_lose or ends_early):
        assert len(answers) == len(asked)
        assert not judgement.is_invalid
    if len(answers) > len(asked):
        assert judgement.begun or answers[-1].status in {400, 503}
        assert len(answers) == len(asked) + 1


def send(wire: Wire, script: Client) -> None:
    for piece in script.pieces[: script.resets_after]:
        wire.sends(piece)
    if script.stops_sending and script.resets_after is None:
        wire.stops_sending()


async def step(world: World, what: str, which: list[int]) -> None:
    """Let something happen: what is read by all in one turn, the rest by each of them."""
    wires = [world.wires[number % len(world.wires)] for number in which]
    if what == "read":
        await world.turn(*wires)
    elif what == "release":
        world.release()
    for wire in wires:
        if what == "blocks":
            wire.takes = False
        elif what == "takes":
            wire.takes_all()
        elif what == "shuts down":
            wire.shuts_down()


async def run(world: World, scripts: list[Client], steps: list[tuple[str, list[int]]], *, may_lose: bool) -> None:
    """Have each client do what its script says, and look at what became of it."""
    for script in scripts:
        send(world.connect(), script)
    for what, which in steps:
        await step(world, what, which)
    for wire, script in zip(world.wires, scripts, strict=True):
        if script.resets_after is not None:
            wire.resets()
    await world.settle()
    for wire in world.wires:
        wire.takes_all()
    await world.settle()
    for wire, script in zip(world.wires, scripts, strict=True):
        check(wire, world, may_lose=may_lose or wire.was_told or script.resets_after is not None)
        assert wire.lost or not script.stops_sending
    if world.is_shut:
        asked = [request for wire in world.wires for request in judge(wire.sent).asked]
        assert set(world.executed) <= {request.number for request in asked if request.path == "/livez"}


@examples(max_examples=500, phases=PHASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    scripts=st.integers(1, 3).flatmap(lambda count: st.tuples(*map(clients, range(count)))),
    steps=STEPS,
    is_shut=st.booleans(),
    limits=st.sampled_from([LIMITS, LIMITS, SHORT_OF_MEMORY]),
)
def test_each_request_gets_its_answer_in_order_and_nothing_is_done_after_the_last(
    scripts: tuple[Client, ...],
    steps: list[tuple[str, list[int]]],
    is_shut: bool,  # noqa: FBT001 - a parameter of the test
    limits: Limits,
) -> None:
    note(f"{scripts}\n{steps}")

    async def play(world: World) -> None:
        world.is_shut = is_shut
        await run(world, list(scripts), steps, may_lose=limits is SHORT_OF_MEMORY)

    with_world(play, limits)


@pytest.mark.parametrize("following", [post("/echo?n=2", LARGE), post("/echo?n=2", b"x"), chunked("/held?n=2", b"x")])
@pytest.mark.parametrize("last", [post("/echo?n=1", b"last", "Connection: close")])
def test_nothing_is_executed_after_the_last_request(last: bytes, following: bytes) -> None:
    executed: list[str] = []

    async def play(world: World, wire: Wire) -> None:
        wire.sends(last[:-1])
        await world.turn(wire)
        wire.sends(last[-1:] + following)
        await world.settle()
        executed.extend(world.executed)

    wire = played(play)

    assert [answer.status for answer in wire.answers()] == [200]
    assert executed == ["1"]


@pytest.mark.parametrize("rest", ENDS)
@pytest.mark.parametrize("before", [b"", post("/echo?n=1", b"whole"), request("GET /held?n=1") * 3])
def test_a_connection_ends_when_its_client_has_sent_all(before: bytes, rest: bytes) -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(before + rest)
        wire.stops_sending()
        await world.turn(wire, wire)
        await world.settle()
        assert wire.lost

    wire = played(play)

    answers = [answer.status for answer in wire.answers()]
    assert answers[: before.count(b"HTTP/1.1")] == [200] * before.count(b"HTTP/1.1")


def test_a_probe_opens_no_gate_for_what_follows_it() -> None:
    async def play(world: World, wire: Wire) -> None:
        world.is_shut = True
        wire.sends(request("GET /livez?n=1") + post("/echo?n=2", b"x") + request("GET /held?n=3"))
        await world.settle()

    wire = played(play)

    assert [answer.status for answer in wire.answers()] == [200, 503, 503]


def test_a_refused_head_request_gets_no_body() -> None:
    async def play(world: World, wire: Wire) -> None:
        world.is_shut = True
        wire.sends(request("HEAD /held?n=1") * 2)
        await world.settle()

    wire = played(play)

    assert [(answer.status, answer.body) for answer in wire.answers()] == [(503, b"")] * 2


@pytest.mark.parametrize(
    "head",
    [
        request("POST /early?n=1", "Content-Length: 100000"),
        request("POST /early?n=1", "Transfer-Encoding: chunked"),
        request("POST /echo?n=1", "Content-Length: 100001"),
        request("POST /echo?n=1", "Expect: 100-continue", "Content-Length: 100001"),
        request("GET /" + "a" * 70_000),
        b"\0\0\r\n\r\n",
    ],
)
def test_a_refusal_that_comes_before_the_body_is_not_lost_in_a_reset(head: bytes) -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(head)
        await world.settle()
        assert (wire.half_closed, wire.is_closing()) == (True, False)
        for _ in range(50):
            wire.sends(LARGE)
        await world.settle()
        assert not wire.is_closing()
        assert not wire.coming
        wire.stops_sending()
        await world.settle()
        assert wire.lost

    assert len(played(play).answers()) == 1


@pytest.mark.parametrize(
    "sent",
    [chunked("/echo?n=1", b"\r\n" * 30_000), b"\r" + b"\n\r" * 30_000 + b"\n" + request("GET /livez?n=1")],
    ids=["a body", "a head"],
)
def test_what_is_made_of_empty_lines_is_read_in_many_turns(sent: bytes) -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(sent[:1])
        await world.turn(wire)
        wire.sends(sent[1:])
        for _ in range(100):
            await world.turn(wire)
        assert world.executed == []

    assert [answer.status for answer in played(play).answers()] == [200]


def test_between_two_requests_of_a_pipeline_others_have_their_turn() -> None:
    async def play(world: World, wire: Wire) -> None:
        other = world.connect()
        wire.sends(request("GET /livez?n=1") * 8)
        await world.turn(wire)
        other.sends(request("GET /livez?n=2"))
        await world.turn(other)
        await world.turn()

        assert len(other.answers()) == 1
        assert 1 <= len(wire.answers()) <= 3

    assert len(played(play).answers()) == 8


def test_a_plain_request_waits_for_none_of_those_that_take_the_detour() -> None:
    async def play(world: World) -> None:
        wire, *others = [world.connect() for _ in range(7)]
        for number, other in enumerate(others):
            other.sends(chunked(f"/early?n={number}", b"x"))
        wire.sends(post("/echo?n=plain", b"x"))

        await world.turn(*others, wire)

        assert len(wire.answers()) == 1
        await world.turn()
        assert world.executed == ["plain", *"01"]
        await world.settle()
        assert world.executed == ["plain", *"012345"]

    with_world(play, PATIENT)


def test_who_waits_for_a_step_is_not_idle_and_is_told_that_the_service_ends() -> None:
    async def play(world: World) -> None:
        others = [world.connect() for _ in range(6)]
        for number, other in enumerate(others[:-1]):
            other.sends(chunked(f"/early?n={number}", b"x"))
        others[-1].sends(request("HEAD /echo?n=5"))
        await world.turn(*others)

        assert all(wire.protocol.idle_since() is None for wire in others[-2:])
        for wire in others[-2:]:
            wire.protocol.end()

        assert [answer.status for answer in others[-2].answers()] == [503]
        assert others[-1].got.startswith(b"HTTP/1.1 503 ")
        assert others[-1].got.endswith(b"\r\n\r\n")  # a body is not expected
        assert others[-1].half_closed

    with_world(play, PATIENT)


def test_who_is_answered_and_takes_leave_is_told_nothing_when_the_service_ends() -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(request("POST /echo?n=1", "Connection: close"))
        await world.settle()
        answered = wire.got

        wire.protocol.end()

        assert wire.got == answered
        assert wire.half_closed

    assert [answer.status for answer in played(play).answers()] == [200]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\r\n", b"HEAD /echo?n=1 HTTP/1.1\r\n"], id="of which a part has come"),
        pytest.param([b"HEAD /held?n=1 HTTP/1.1\r\nHost: a\r\n\r\n"], id="that is being answered"),
    ],
)
def test_a_refusal_of_a_request_for_a_head_has_no_body(pieces: list[bytes]) -> None:
    async def play(world: World, wire: Wire) -> None:
        for piece in pieces:
            wire.sends(piece)
            await world.turn(wire)
        await world.turn(wire)

        wire.protocol.end()

        assert wire.got.startswith(b"HTTP/1.1 503 ")
        assert wire.got.endswith(b"\r\n\r\n")

    played(play)


def test_what_is_sent_in_vain_is_read_with_pauses() -> None:
    async def play(world: World, wire: Wire) -> None:
        wire.sends(request("POST /echo?n=1", "Content-Length: 100001"))
        await world.settle()
        wire.sends(LARGE)
        wire.sends(LARGE)

        await world.turn(wire)

        assert wire.is_dropped_from()
        await world.settle()
        assert not wire.coming

    assert [answer.status for answer in played(play).answers()] == [413]
