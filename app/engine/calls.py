"""A request whose body has arrived, what is sent back, and what there is to say of both afterwards."""

from collections.abc import Callable
from time import perf_counter
from typing import Annotated, NamedTuple

from fastapi import Depends

__all__ = ["Answer", "Answered", "Call", "DepCall"]


class Call:
    """A request to a direct route."""

    content: memoryview  # the whole body

    def __init__(self, path: str, query: bytes, header_fields: dict[bytes, bytes], request_id: bytes) -> None:
        self.started = perf_counter()
        self.path = path
        self.query = query
        self.header_fields = header_fields  # by lower-case name
        self.request_id = request_id
        self.notes: dict[str, object] = {}  # what its line of the log says besides
        self._afterwards: list[Callable[[], None]] = []

    def age(self) -> float:
        """Seconds since it was read."""
        return perf_counter() - self.started

    def afterwards(self, function: Callable[[], None]) -> None:
        """Call a function once all answers of this turn are written: nobody need wait for it."""
        self._afterwards.append(function)

    def conclude(self) -> None:
        """Call what was to be called afterwards."""
        for function in self._afterwards:
            function()


def _given_by_the_engine() -> Call:
    raise NotImplementedError("FastAPI only documents direct routes.")


DepCall = Annotated[Call, Depends(_given_by_the_engine)]  # so that FastAPI takes it for no part of the body


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]  # all but the content's length and the request's id
    content: bytes
    request_id: bytes


class Answered(NamedTuple):
    """One answered call, for those who count and log."""

    call: Call
    method: str  # HEAD is GET
    route: str  # the path's template
    status: int
    seconds: float  # from the reading of the request to its answer
