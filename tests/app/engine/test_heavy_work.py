"""Heavy calls: how many wait, and whose go first."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event

import pytest

from app.engine import admission
from app.engine.admission import HeavyWork
from app.engine.problems import OverCapacityError

LONG = 1.0  # seconds that a call seems to take, so that eight are too many


class Work:
    """Heavy work that stands still until it is let go, and notes for whom it was done."""

    def __init__(self, shed: list[str]) -> None:
        self.let_go = Event()
        self.done: list[object] = []
        self.heavy = HeavyWork(lambda why, _: shed.append(why), lambda: None)

    def ask(self, asker: object) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(self.heavy.run(partial(self._do, asker), asker))

    def _do(self, asker: object) -> None:
        self.let_go.wait(30)
        self.done.append(asker)

    async def outcomes(self, *tasks: "asyncio.Task[None]") -> list[bool]:
        """Let go, and tell of each whether it was done."""
        self.let_go.set()
        return [not isinstance(result, Exception) for result in await asyncio.gather(*tasks, return_exceptions=True)]


@pytest.fixture
def shed() -> list[str]:
    return []


@pytest.fixture
def work(shed: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr(admission, "_FIRST_GUESS_SECONDS", LONG)
    made = Work(shed)
    yield made
    made.let_go.set()


async def asked(work: Work, *askers: object) -> list["asyncio.Task[None]"]:
    """Calls in this order, each of which waits by now, or is refused."""
    tasks = []
    for asker in askers:
        tasks.append(work.ask(asker))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def test_what_is_too_much_is_refused(work: Work, shed: list[str]) -> None:
    tasks = await asked(work, *range(10))

    assert await work.outcomes(*tasks) == [True] * 8 + [False] * 2
    assert shed == ["heavy_work"] * 2
    assert work.done == list(range(8))


async def test_who_has_none_waiting_takes_the_newest_place_of_who_has_several(work: Work) -> None:
    tasks = await asked(work, *["greedy"] * 8, "modest", "greedy")

    assert await work.outcomes(*tasks) == [True] * 7 + [False, True, False]


async def test_who_was_shed_the_last_time_goes_first(work: Work) -> None:
    crowd = await asked(work, *range(8))
    [first] = await asked(work, "shed")
    assert isinstance(first.exception(), OverCapacityError)

    [again] = await asked(work, "shed")

    assert await work.outcomes(again, *crowd) == [True] * 8 + [False]
    assert work.done[:2] == [0, "shed"]


async def test_who_gave_way_goes_first_the_next_time(work: Work) -> None:
    crowd = await asked(work, *range(8))
    [refused] = await asked(work, "shed")
    owed = await asked(work, "shed")
    [back] = await asked(work, 7)

    assert await work.outcomes(back, refused, *owed) == [True, False, True]
    assert await work.outcomes(*crowd) == [True] * 6 + [False] * 2


async def test_twelve_who_ask_again_and_again_leave_one_who_asks_like_them_its_share(work: Work) -> None:
    work.let_go.set()
    served = dict.fromkeys(range(13), 0)

    async def ask_on(asker: int) -> None:
        while sum(served.values()) < 400:
            try:
                await work.heavy.run(partial(time.sleep, 0.001), asker)
                served[asker] += 1
            except OverCapacityError:
                await asyncio.sleep(0.002 + 0.02 * (asker == 12))  # the good one does as it is told, and waits longer
            work.heavy._mean_seconds = LONG  # noqa: SLF001 - as if each had taken that long

    await asyncio.gather(*map(ask_on, served))

    assert min(served.values()) > max(served.values()) / 6


async def test_what_goes_wrong_in_a_thread_is_raised_here_and_the_next_is_done(work: Work) -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    fails: Callable[[], None] = fail
    with pytest.raises(RuntimeError, match="broken"):
        await work.heavy.run(fails)
    assert await work.outcomes(*await asked(work, "next")) == [True]
