"""The gate, turn by turn, on clocks and with lots of the test's own."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from app.engine import admission, clock
from app.engine.admission import Gate
from app.engine.clock import Clock
from app.engine.together import Batch
from app.engine.turns import Turn

LIMIT = 0.025


class Clocks:
    """Stand still but for what they are told."""

    now = 1000.0
    worked = 10.0

    def work(self, seconds: float) -> None:
        """Let the process run for a while."""
        self.now += seconds
        self.worked += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    own = Clocks()
    for module in (admission, clock):
        monkeypatch.setattr(module, "perf_counter", lambda: own.now)
    monkeypatch.setattr(clock, "process_time", lambda: own.worked)
    monkeypatch.setattr(admission, "random", Random(1).random)  # noqa: S311 - lots, not secrets
    return own


class Client:
    """Asks once in a turn."""

    def __init__(self, gate: Gate, clocks: Clocks) -> None:
        self._gate = gate
        self._clocks = clocks
        self.seconds_each = 0.0
        self.pause = 0.0
        self.has_waited = False
        self.admitted = False

    def ask(self, turn: Turn) -> None:
        self.has_waited = self._gate.may_wait()
        if self.has_waited:
            turn.wait(self)
        else:
            self.admitted = False
            self._gate.count_shed()

    def take_turn(self) -> None:
        self.admitted = self._gate.admits()
        if not self.admitted:
            self._gate.count_shed()
        else:
            self._clocks.work(self.seconds_each)
        self._clocks.work(0.00001)
        self._clocks.now += self.pause


@pytest.fixture
def gate_and_turn() -> tuple[Gate, Turn]:
    clock = Clock()
    gate = Gate(LIMIT, clock, lambda _why, _count: None)
    return gate, Turn(clock, gate, Batch())


@pytest.fixture
def make_clients(clocks: Clocks, gate_and_turn: tuple[Gate, Turn]) -> Callable[[int], list[Client]]:
    return lambda count: [Client(gate_and_turn[0], clocks) for _ in range(count)]


@pytest.fixture
def take_turn(clocks: Clocks, gate_and_turn: tuple[Gate, Turn]) -> Callable[..., int]:
    """All clients ask in one turn, each of which takes a while to answer; returns how many were admitted."""

    def take_turn(clients: list[Client], *, seconds_each: float, seconds_to_read: float = 0) -> int:
        async def run() -> None:
            _, turn = gate_and_turn
            for client in clients:
                client.seconds_each = seconds_each
                turn.enter(asyncio.get_running_loop())
                clocks.work(seconds_to_read)
                client.ask(turn)
            await asyncio.sleep(0)

        asyncio.run(run())
        return sum(client.admitted for client in clients)

    return take_turn


Clients = Callable[[int], list[Client]]
TakeTurn = Callable[..., int]


def test_all_are_admitted_that_a_turn_has_time_for(make_clients: Clients, take_turn: TakeTurn) -> None:
    clients = make_clients(24)
    for _ in range(5):
        assert take_turn(clients, seconds_each=0.001) == 24


def test_what_comes_after_that_is_refused(make_clients: Clients, take_turn: TakeTurn) -> None:
    assert take_turn(make_clients(40), seconds_each=0.001) == pytest.approx(25, abs=1)


def test_each_turn_answers_some_however_long_each_takes(make_clients: Clients, take_turn: TakeTurn) -> None:
    assert take_turn(make_clients(100), seconds_each=10) == 4


def test_a_process_that_was_not_run_for_a_while_refuses_nothing_for_it(
    make_clients: Clients, take_turn: TakeTurn
) -> None:
    clients = make_clients(20)
    clients[10].pause = 0.5
    assert take_turn(clients, seconds_each=0.001) == 20


def test_who_was_refused_is_answered_in_the_next_turn(make_clients: Clients, take_turn: TakeTurn) -> None:
    clients = make_clients(40)
    refused: list[Client] = []
    for _ in range(20):
        take_turn(clients, seconds_each=0.001)
        assert all(client.admitted for client in refused)
        refused = [client for client in clients if not client.admitted]
        assert refused


def test_after_a_turn_in_which_most_were_refused_most_are_refused_when_they_are_read(
    make_clients: Clients, take_turn: TakeTurn
) -> None:
    take_turn(make_clients(100), seconds_each=0.001)
    clients = make_clients(100)
    take_turn(clients, seconds_each=0.001)
    assert sum(client.has_waited for client in clients) == pytest.approx(2 * 25, abs=25)


def test_who_is_refused_then_is_drawn_by_lot(make_clients: Clients, take_turn: TakeTurn) -> None:
    clients = make_clients(100)
    admitted = dict.fromkeys(clients, 0)
    for _ in range(200):
        take_turn(clients, seconds_each=0.001)
        for client in clients:
            admitted[client] += client.admitted
    assert sum(admitted.values()) < 100 * 200 / 2
    assert min(list(admitted.values())[4:]) > 0  # the first four read always wait


def test_a_turn_is_short_then(make_clients: Clients, take_turn: TakeTurn) -> None:
    take_turn(make_clients(100), seconds_each=0.001)
    assert take_turn(make_clients(100), seconds_each=0.001) == pytest.approx(25 / 4, abs=1)


def test_few_that_come_then_are_answered_all_the_same(make_clients: Clients, take_turn: TakeTurn) -> None:
    take_turn(make_clients(100), seconds_each=0.001)
    assert take_turn(make_clients(4), seconds_each=0.001) == 4


def test_all_may_wait_again_once_there_was_time_for_more(make_clients: Clients, take_turn: TakeTurn) -> None:
    take_turn(make_clients(1000), seconds_each=0.001)
    for _ in range(6):
        take_turn(make_clients(24), seconds_each=0.0001)
    assert take_turn(make_clients(24), seconds_each=0.001) == 24


def test_however_long_it_takes_to_read_all_there_is_time_for_answers(
    make_clients: Clients, take_turn: TakeTurn
) -> None:
    assert take_turn(make_clients(100), seconds_each=0.0001, seconds_to_read=1) == pytest.approx(25, abs=2)


def test_a_turn_in_which_few_were_refused_changes_nothing(make_clients: Clients, take_turn: TakeTurn) -> None:
    assert take_turn(make_clients(40), seconds_each=0.001) < 40
    assert take_turn(make_clients(24), seconds_each=0.001) == 24


def test_all_that_were_refused_are_told_in_the_log(
    clocks: Clocks, make_clients: Clients, take_turn: TakeTurn, caplog: pytest.LogCaptureFixture
) -> None:
    clients = make_clients(100)
    refused = 0
    for _ in range(3):
        refused += 100 - take_turn(clients, seconds_each=0.01)
    clocks.work(11)
    take_turn(clients[:1], seconds_each=0.01)

    told = [int(word) for record in caplog.records for word in record.getMessage().split() if word.isdigit()]
    assert len(told) == 2
    assert sum(told) == refused


def test_what_was_shed_since_an_earlier_turn_keeps_nobody_of_the_next_one_out(
    gate_and_turn: tuple[Gate, Turn],
) -> None:
    gate, turn = gate_and_turn

    gate.count_shed()  # of a request that had waited
    gate.end_turn()

    turn.clock.reads = 100
    assert all(gate.may_wait() for _ in range(100))
