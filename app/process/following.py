"""Files that are looked at again and again, each kind apart: one that hangs, as on an absent share, stops no other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

__all__ = ["apart", "follow"]

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0  # after which a look that is not over is told


async def follow(what: str, look: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Look at files until this is cancelled; whatever goes wrong is logged, and looked at again.

    Args:
        what: is looked at, in words for the log.
        look: does so.
        seconds: between two looks.
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            await _told_when_slow(what, look)
        except Exception:
            logger.exception("%s could not be looked at; what was read before stays.", what)


async def apart(function: Callable[[], Result]) -> Result:
    """Call a function in a thread of its own, for which the end of the process does not wait."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            deliver = partial(future.set_result, function())
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            deliver = partial(future.set_exception, error)
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: future.done() or deliver())

    Thread(target=run, name="look", daemon=True).start()
    return await future


async def _told_when_slow(what: str, look: Callable[[], Awaitable[object]]) -> None:
    told = asyncio.get_running_loop().call_later(
        _LOOK_SECONDS, logger.error, "%s: a look takes over %g s, so changes go unseen.", what, _LOOK_SECONDS
    )
    try:
        await look()
    finally:
        told.cancel()
