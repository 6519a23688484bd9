"""The gate, turn by turn, on a clock of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app import admission
from app.admission import Gate
from app.live_models import LiveModels
from app.telemetry import Telemetry
from app.turns import Turn

DELAY = 0.035


class Clock:
    """Stands still but for what it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(admission, "perf_counter", own)
    return own


@pytest.fixture
def take_turn(clock: Clock, tmp_path: Path) -> Callable[..., int]:
    """Read requests one after the other, each of which takes a while; returns how many were admitted."""
    turn = Turn()
    gate = Gate(DELAY, Telemetry(LiveModels(tmp_path)), turn)

    def take_turn(requests: int, *, seconds_each: float, waited: float) -> int:
        turn.began = clock.now
        turn.busy_since = clock.now - waited
        admitted = 0
        for _ in range(requests):
            if gate.admits(float("-inf")):
                admitted += 1
                clock.now += seconds_each
        for at_end in turn.at_end:
            at_end()
        return admitted

    return take_turn


def test_whoever_waited_less_than_the_limit_is_admitted(take_turn: Callable[..., int]) -> None:
    assert take_turn(30, seconds_each=0.001, waited=0.004) == 30


def test_whoever_waited_longer_is_refused(take_turn: Callable[..., int]) -> None:
    assert take_turn(100, seconds_each=0.001, waited=0.01) == pytest.approx(25, abs=1)


def test_each_turn_spends_some_time_on_answers_however_late_it_is(take_turn: Callable[..., int]) -> None:
    assert take_turn(100, seconds_each=0.0001, waited=1) == pytest.approx(35, abs=1)
    assert take_turn(100, seconds_each=10, waited=1) == 4


def test_the_limit_is_stricter_after_a_turn_in_which_most_were_refused(
    clock: Clock, take_turn: Callable[..., int]
) -> None:
    take_turn(100, seconds_each=0.001, waited=0.01)
    clock.now += 0.5
    assert take_turn(30, seconds_each=0.001, waited=0.004) < 15


def test_the_limit_is_as_before_a_second_later(clock: Clock, take_turn: Callable[..., int]) -> None:
    take_turn(100, seconds_each=0.001, waited=0.01)
    clock.now += 1.1
    assert take_turn(30, seconds_each=0.001, waited=0.004) == 30


def test_a_turn_in_which_few_were_refused_changes_nothing(take_turn: Callable[..., int]) -> None:
    assert take_turn(40, seconds_each=0.001, waited=0.01) < 40
    assert take_turn(30, seconds_each=0.001, waited=0.004) == 30
