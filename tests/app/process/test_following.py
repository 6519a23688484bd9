"""Files are looked at again and again, each kind apart."""

import asyncio
from functools import partial
from threading import Event

import pytest

from app.process import following
from app.process.following import apart, follow


async def test_a_look_that_hangs_is_told_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.05)
    comes_back, often, looks = Event(), Event(), [0]

    def look() -> None:
        looks[0] += 1
        if looks[0] == 20:
            often.set()

    hangs = asyncio.ensure_future(follow("The share", partial(apart, comes_back.wait), 0.01))
    goes_on = asyncio.ensure_future(follow("The disk", partial(apart, look), 0.01))
    assert await asyncio.to_thread(often.wait, 30)

    assert "The share: a look takes over 0.05 s" in caplog.text
    assert "The disk" not in caplog.text
    for task in (hangs, goes_on):
        task.cancel()
    await asyncio.gather(hangs, goes_on, return_exceptions=True)
    comes_back.set()


async def test_what_goes_wrong_is_logged_and_looked_at_again(caplog: pytest.LogCaptureFixture) -> None:
    often, looks = Event(), [0]

    def fail() -> None:
        looks[0] += 1
        if looks[0] == 3:
            often.set()
        raise RuntimeError("broken")

    task = asyncio.ensure_future(follow("The disk", partial(apart, fail), 0.01))
    assert await asyncio.to_thread(often.wait, 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert caplog.text.count("The disk could not be looked at; what was read before stays.") >= 2
