"""The account of the bytes that wait, on a clock of the test's own."""

from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.engine import pending
from app.engine.pending import PendingBytes
from app.engine.problems import OverCapacityError

LIMIT = 1000


class Holder:
    """A connection that holds what it is told to; one that is being answered does not give way."""

    def __init__(self, account: PendingBytes, *, is_answered: bool = False) -> None:
        self._account = account
        self._is_answered = is_answered
        self._held = 0
        self.is_gone = False

    def hold(self, size: int) -> None:
        self._held = size
        self._account.hold(self, size)

    def takes(self, size: int) -> None:
        """Have its client take some, of which nobody is told."""
        self._held -= min(size, self._held)

    def held_bytes(self) -> int:
        return self._held

    def give_way(self) -> bool:
        if self._is_answered:
            return False
        self.is_gone = True
        self._held = 0
        return True


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(pending, "perf_counter", lambda: own.now)
    return own


@pytest.fixture
def shed() -> Counter[str]:
    return Counter()


@pytest.fixture
def account(shed: Counter[str]) -> PendingBytes:
    return PendingBytes(LIMIT, lambda why, count: shed.update({why: count}))


def test_the_slowest_gives_way_and_not_the_newest(clock: Clock, account: PendingBytes, shed: Counter[str]) -> None:
    slow, quick, newest = (Holder(account) for _ in range(3))

    slow.hold(300)
    clock.now += 10
    quick.hold(500)
    clock.now += 1
    newest.hold(350)

    assert [holder.is_gone for holder in (slow, quick, newest)] == [True, False, False]
    assert shed == {"pending_bytes": 1}


def test_who_holds_next_to_nothing_for_long_gives_way_after_who_holds_much(clock: Clock, account: PendingBytes) -> None:
    slow = [Holder(account) for _ in range(100)]
    large, newest = Holder(account), Holder(account)

    for holder in slow:
        holder.hold(1)
    clock.now += 5
    large.hold(800)
    clock.now += 5
    newest.hold(400)

    assert large.is_gone
    assert not any(holder.is_gone for holder in (*slow, newest))


def test_who_has_read_most_of_its_answer_gives_way_last(clock: Clock, account: PendingBytes) -> None:
    reads, reads_not = Holder(account), Holder(account)

    for holder in (reads, reads_not):
        holder.hold(450)
        clock.now += 1
    reads.takes(400)
    Holder(account).hold(450)

    assert (reads.is_gone, reads_not.is_gone) == (False, True)
    assert account.bytes == 50 + 450


def test_one_that_is_too_large_alone_gives_way_itself(clock: Clock, account: PendingBytes) -> None:
    small, large = Holder(account), Holder(account)

    small.hold(100)
    clock.now += 1
    large.hold(600)
    clock.now += 1
    large.hold(LIMIT + 1)

    assert (small.is_gone, large.is_gone) == (False, True)


def test_what_is_being_answered_stays(clock: Clock, account: PendingBytes) -> None:
    answered, newest = Holder(account, is_answered=True), Holder(account)

    answered.hold(900)
    clock.now += 100
    newest.hold(200)

    assert (answered.is_gone, newest.is_gone) == (False, True)


def test_an_answer_that_is_not_computed_yet_gets_the_room_of_those_that_nobody_takes(
    clock: Clock, account: PendingBytes
) -> None:
    unread, fresh = Holder(account), Holder(account)
    unread.hold(600)
    clock.now += 2
    fresh.hold(300)

    account.make_room_for_an_answer()

    assert (unread.is_gone, fresh.is_gone) == (True, False)


def test_an_answer_for_which_there_is_no_room_is_not_computed(
    clock: Clock, account: PendingBytes, shed: Counter[str]
) -> None:
    Holder(account).hold(900)
    clock.now += 0.5

    with pytest.raises(OverCapacityError):
        account.make_room_for_an_answer()

    assert shed == {"pending_bytes": 1}


@pytest.mark.usefixtures("clock")
def test_while_there_is_room_nobody_gives_way_for_an_answer(account: PendingBytes) -> None:
    holder = Holder(account)
    holder.hold(700)

    account.make_room_for_an_answer()

    assert not holder.is_gone


@given(st.lists(st.lists(st.integers(0, 400), max_size=5), max_size=8))
def test_bodies_under_another_server_are_refused_over_the_limit_and_leave_nothing(bodies: list[list[int]]) -> None:
    account = PendingBytes(LIMIT, lambda _why, _count: None)
    held = 0
    with ExitStack() as stack:
        for chunks in bodies:
            add = stack.enter_context(account.body())
            for size in chunks:
                held += size
                if held <= LIMIT:
                    add(size)
                else:
                    with pytest.raises(OverCapacityError):
                        add(size)
        assert account.bytes == held

    assert account.bytes == 0


class Connections(RuleBasedStateMachine):
    """Whoever comes, holds, takes and goes: the sum is that of all, and never stays over the limit."""

    @initialize()
    def begin(self) -> None:
        self.account = PendingBytes(LIMIT, lambda _why, _count: None)
        self.holders = [Holder(self.account) for _ in range(5)]

    @rule(which=st.integers(0, 4), size=st.integers(0, LIMIT + 50))
    def holds(self, which: int, size: int) -> None:
        if self.holders[which].is_gone:
            self.holders[which] = Holder(self.account)
        self.holders[which].hold(size)

    @rule(which=st.integers(0, 4), size=st.integers(0, LIMIT))
    def takes(self, which: int, size: int) -> None:
        self.holders[which].takes(size)

    @rule(which=st.integers(0, 4))
    def goes(self, which: int) -> None:
        self.account.release(self.holders[which])
        self.holders[which] = Holder(self.account)

    @invariant()
    def is_bounded(self) -> None:
        if hasattr(self, "account"):
            assert sum(holder.held_bytes() for holder in self.holders) <= self.account.bytes <= LIMIT


test_the_account_is_right_whoever_comes_and_goes = Connections.TestCase
test_the_account_is_right_whoever_comes_and_goes.settings = examples(max_examples=50, stateful_step_count=20)
