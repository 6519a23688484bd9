"""One account of the memory that waits: heads and bodies that arrive, and answers that their clients don't take.

Bytes count from the moment when they have arrived, not when they are announced. Over the limit those give way first
that have cost most, bytes times the seconds for which they are held: the slowest and the least read, not the newest.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol

from app.engine.admission import Shed, Shedding
from app.engine.problems import OverCapacityError

__all__ = ["TOO_MUCH", "Holder", "PendingBytes"]

TOO_MUCH = "Too many long requests at once; try again, or send smaller ones."

_KEPT = 0.875  # share of the limit that is left once some gave way: each time, all are looked at
_FULL = 0.75  # share of the limit over which no heavy call is computed, as its answer might have to wait
_PATIENCE_SECONDS = 1.0  # for which an answer may wait before it gives way to one that is not computed yet


class Holder(Protocol):
    """Whose bytes wait: one connection."""

    def held_bytes(self) -> int:
        """How many it holds now."""

    def give_way(self) -> bool:
        """Let them go; False: its request is being answered, and they go soon."""


class PendingBytes:
    """The bytes that wait, of all connections of a process, and what they may add up to."""

    def __init__(self, max_bytes: int, on_shed: Shed) -> None:
        self._max_bytes = max_bytes
        self._shedding = Shedding(
            on_shed, "pending_bytes", "%d requests refused or cut off, as too many bytes wait for their clients."
        )
        self._sizes: dict[Holder, int] = {}
        self._since: dict[Holder, float] = {}  # when each began to hold some
        self.bytes = 0  # of all

    def hold(self, holder: Holder, size: int) -> None:
        """Note how many bytes one holds; over the limit some give way, which may be this one."""
        if holder not in self._sizes:
            self._since[holder] = perf_counter()
        self.bytes += size - self._sizes.get(holder, 0)
        self._sizes[holder] = size
        if self.bytes > self._max_bytes:
            self._make_room(_KEPT * self._max_bytes)

    def release(self, holder: Holder) -> None:
        """Note that one holds no more."""
        self.bytes -= self._sizes.pop(holder, 0)
        self._since.pop(holder, None)

    def make_room_for_an_answer(self) -> None:
        """Have those give way that have held their bytes for a while, where there may be no room for another answer.

        Raises:
            OverCapacityError: that was not enough, so that the answer is better not computed.
        """
        if self.bytes <= _FULL * self._max_bytes:
            return
        self._make_room(_FULL * self._max_bytes, _PATIENCE_SECONDS)
        if self.bytes > _FULL * self._max_bytes:
            self._shedding.tell(1)
            raise OverCapacityError(TOO_MUCH)

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """One body under another server, whose connections can't be told to give way.

        It lasts as long as this context. The function that it gives takes the size of each chunk, and raises
        OverCapacityError where there is no room for it.
        """
        body = _Body()

        def add(size: int) -> None:
            body.size += size
            self.hold(body, body.size)
            if self.bytes > self._max_bytes:
                self._shedding.tell(1)
                raise OverCapacityError(TOO_MUCH)

        try:
            yield add
        finally:
            self.release(body)

    def _make_room(self, max_bytes: float, seconds: float = 0) -> None:
        """Have those give way that have cost most, until all others hold no more than `max_bytes`.

        Args:
            max_bytes: of all of them.
            seconds: for which one must have held them.
        """
        now = perf_counter()
        costs = []
        for holder, since in self._since.items():
            size = holder.held_bytes()  # a client may have taken some
            self.bytes += size - self._sizes[holder]
            self._sizes[holder] = size
            if now - since >= seconds:
                costs.append((size * (now - since), id(holder), holder))
        costs.sort(reverse=True)
        gone = 0
        for _, _, holder in costs:
            if self.bytes <= max_bytes:
                break
            if holder in self._sizes and holder.give_way():  # one that gave way may have made others do so, too
                self.release(holder)
                gone += 1
        self._shedding.tell(gone)


class _Body:
    size = 0

    def held_bytes(self) -> int:
        return self.size

    def give_way(self) -> bool:
        return False
