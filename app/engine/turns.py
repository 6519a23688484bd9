"""Turns of the event loop: the sockets that have something to read are read, what was asked is answered, and so on.

What several calls of one turn want to have classified is classified together, in one matrix product. Nothing waits
for it longer than for the rest of its turn: with one client that is no time at all, with many it saves most of the
work.
"""

import logging
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Generator
from operator import attrgetter
from time import perf_counter, process_time
from types import coroutine
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from app.serving.answers import Prediction
from app.serving.live_model import WORTH_A_PRODUCT, LiveModel

__all__ = ["Asking", "Batch", "Steps", "Turn", "classify", "run_alone"]

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_ADMITTED = attrgetter("admitted")
_MAX_READS = 2048  # in a turn: while a thousand sockets can be read, libuv goes on reading, for up to a second
_MAX_IMAGES = 32  # in one product; more would save little, and make the first of them wait


class Asking(Protocol):
    """Who waits for its turn."""

    admitted: bool  # its last request; False: it is owed an answer, as one that is new

    def take_turn(self) -> None:
        """Go on with what was read; must not raise."""


class Turn:
    """The turn that the event loop is in."""

    def __init__(self) -> None:
        self.size = 0  # how many ask in it; until all have been read, how many asked in the turn before
        self.at_end: list[Callable[[], None]] = []  # called in this order
        self._waiting: list[Asking] = []
        self._later: deque[Callable[[], None]] = deque()
        self.newest_first = False  # whoever waits longest may wait too long: let that one be refused
        self.reads = 0  # of sockets
        self.began = 0.0  # when the first of them was read
        self.all_read = 0.0
        self._worked_before = 0.0  # CPU seconds of this process

    def enter(self, loop: AbstractEventLoop) -> None:
        """Note that a socket was read: the first one begins the turn, and one too many the next."""
        if self.reads == _MAX_READS:
            self._answer()
        if not self.reads:
            self.began = perf_counter()
            self._worked_before = process_time()
            loop.call_soon(self._answer)  # runs once all sockets that are readable now have been read
        self.reads += 1

    def wait(self, asking: Asking) -> None:
        """Go on once all sockets have been read.

        First those go on to whom an answer is owed, then the others: in the order in which they came and were read, so
        that each waits as long as the others; or, with `newest_first`, in the opposite one.
        """
        self._waiting.append(asking)

    def is_longer_than(self, seconds: float) -> bool:
        """Whether this turn has taken so long, without the time in which the system did not run this process."""
        return perf_counter() - self.began > seconds and process_time() - self._worked_before > seconds

    def later(self, function: Callable[[], None]) -> None:
        """Call a function at the very end of this turn, when all answers are written: nobody need wait for it."""
        self._later.append(function)

    def _answer(self) -> None:
        if not self.reads:
            return  # it has ended, as too many were read
        self.reads = 0
        self.all_read = perf_counter()
        waiting, self._waiting = self._waiting, []
        self.size = len(waiting)
        if self.newest_first:
            waiting.reverse()
        waiting.sort(key=_ADMITTED)  # leaves those that are alike in their order
        for asking in waiting:
            asking.take_turn()
        for function in self.at_end:
            function()
        while self._later:
            self._later.popleft()()


class Wanted(NamedTuple):
    """One image, and the model that is to classify it."""

    model: LiveModel
    image: bytes


Steps = Generator[Wanted, Prediction, Result]  # a call that stops where it wants an image classified


@coroutine
def classify(model: LiveModel, image: bytes) -> Steps[Prediction]:
    """What an endpoint awaits: the prediction for one image, as `read_pixels` returns it, whichever way it is made."""
    return (yield Wanted(model, image))


def run_alone(steps: Steps[Result]) -> Result:
    """Take a call from its beginning to its end at once."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(wanted.model.predict(wanted.image))
    except StopIteration as stop:
        result: Result = stop.value
        return result


class _Call(NamedTuple, Generic[Result]):
    steps: Steps[Result]
    done: Callable[[Result | None], None]


class Batch(Generic[Result]):
    """Calls of one turn, each of which has come to where it wants an image classified."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._waiting: list[tuple[Wanted, _Call[Result]]] = []
        turn.at_end.append(self.finish)

    def run(self, steps: Steps[Result], done: Callable[[Result | None], None]) -> None:
        """Take a call to its end, alone or with others of its turn; `done` gets its result, or None where it fails."""
        if self._turn.size < WORTH_A_PRODUCT:
            done(run_alone(steps))
            return
        self._advance(_Call(steps, done), steps.send, None)
        if len(self._waiting) >= _MAX_IMAGES:
            self.finish()

    def finish(self) -> None:
        """Classify what is wanted, and take all calls to their ends."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            for model in {wanted.model for wanted, _ in waiting}:
                self._classify(model, [(wanted.image, call) for wanted, call in waiting if wanted.model is model])

    def _classify(self, model: LiveModel, group: list[tuple[bytes, _Call[Result]]]) -> None:
        try:
            predictions = model.predict_batch([image for image, _ in group])
        except Exception as error:  # noqa: BLE001 - each call makes an answer of it
            for _, call in group:
                self._advance(call, call.steps.throw, error)
        else:
            for (_, call), prediction in zip(group, predictions, strict=True):
                self._advance(call, call.steps.send, prediction)

    def _advance(self, call: _Call[Result], resume: Callable[[Any], Wanted], value: object) -> None:
        """To its end, or to the next image; what goes wrong with one call must not stop the others."""
        try:
            try:
                self._waiting.append((resume(value), call))
            except StopIteration as stop:
                call.done(stop.value)
        except Exception:
            logger.exception("A call could not be answered.")
            call.done(None)
