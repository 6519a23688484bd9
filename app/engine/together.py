"""One call of a function for the items of all calls of a turn: what several calls want is made at once.

Nothing waits for company longer than for the rest of its turn: with one client that is no time at all, with many it
saves most of the work.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from types import coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Batch", "Steps", "run_alone", "together"]

Item = TypeVar("Item")
Made = TypeVar("Made")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_FEW = 4  # calls in a turn: fewer are answered sooner one by one
_MAX_ITEMS = 32  # in one call of the function; more would save little, and make the first of them wait


Function = Callable[[Sequence[Any]], Sequence[Any]]  # from items to as many results
Wanted = tuple[Function, Any]  # a function, and one of its items
Steps = Generator[Wanted, Any, Result]  # a call that stops where it wants something made


@coroutine
def together(function: Callable[[Sequence[Item]], Sequence[Made]], item: Item) -> Steps[Made]:
    """What an endpoint awaits: what `function`, called with this item and others, makes of this one.

    Args:
        function: from items to as many results, in their order.
        item: one of them.
    """
    made: Made = yield function, item
    return made


def run_alone(steps: Steps[Result]) -> Result:
    """Take a call from its beginning to its end at once."""
    try:
        function, item = next(steps)
        while True:
            [made] = function((item,))
            function, item = steps.send(made)
    except StopIteration as stop:
        result: Result = stop.value
        return result


Done = Callable[[Result | None], None]  # gets the result, or None where the call failed
_Stopped = tuple[Any, Steps[Result], Done[Result]]  # a call at an item that it wants something made of


class Batch(Generic[Result]):
    """Calls of one turn, each of which has come to where it wants something made."""

    def __init__(self) -> None:
        self.expected = 0  # how many calls the turn has, of which some may want something made
        self._waiting: dict[Function, list[_Stopped[Result]]] = {}
        self._count = 0

    def run(self, steps: Steps[Result], done: Done[Result]) -> None:
        """Take a call to its end, alone or with others of its turn; `done` gets its result, or None where it fails."""
        if self.expected < _FEW:
            done(run_alone(steps))
            return
        self._advance(steps, done, steps.send, None)
        if self._count >= _MAX_ITEMS:
            self.finish()

    def finish(self) -> None:
        """Make what is wanted, and take all calls to their ends."""
        while self._count:
            waiting, self._waiting, self._count = self._waiting, {}, 0
            for function, group in waiting.items():
                self._make(function, group)

    def _make(self, function: Function, group: list[_Stopped[Result]]) -> None:
        try:
            made = function([item for item, _, _ in group])
        except Exception as error:  # noqa: BLE001 - each call makes an answer of it
            for _, steps, done in group:
                self._advance(steps, done, steps.throw, error)
        else:
            for (_, steps, done), result in zip(group, made, strict=True):
                self._advance(steps, done, steps.send, result)

    def _advance(
        self, steps: Steps[Result], done: Done[Result], resume: Callable[[Any], Wanted], value: object
    ) -> None:
        """To its end, or to the next item; what goes wrong with one call must not stop the others."""
        try:
            try:
                function, item = resume(value)
            except StopIteration as stop:
                done(stop.value)
            else:
                self._waiting.setdefault(function, []).append((item, steps, done))
                self._count += 1
        except Exception:
            logger.exception("A call could not be answered.")
            done(None)
