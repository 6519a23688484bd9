"""A request, what is sent back, and what there is to say of both afterwards."""

from collections.abc import Callable, Hashable
from time import perf_counter
from typing import Annotated, Any, NamedTuple, TypeVarTuple

from fastapi import Depends

__all__ = ["Answer", "Call", "DepCall"]

Arguments = TypeVarTuple("Arguments")


class Call:
    """A request, and once it is answered, what there is to say of it."""

    content: memoryview  # the whole body
    method = ""  # of what was answered; HEAD is GET
    route = "unmatched"  # the path's template
    status = 0  # of the answer
    connection: Hashable = None  # on which it came; None: not known
    seconds = 0.0  # from the reading of the request to its answer

    def __init__(self, path: str, query: bytes, header_fields: dict[bytes, bytes], request_id: bytes) -> None:
        self.started = perf_counter()
        self.path = path
        self.query = query
        self.header_fields = header_fields  # by lower-case name
        self.request_id = request_id
        self.notes: dict[str, object] = {}  # what its line of the log says besides
        self._afterwards: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def answered(self, method: str, route: str, status: int) -> None:
        """Note how it was answered, now."""
        self.method, self.route, self.status = method, route, status
        self.seconds = perf_counter() - self.started

    def afterwards(self, function: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
        """Call a function soon after the answer is sent: nobody need wait for it."""
        self._afterwards.append((function, arguments))

    def conclude(self) -> None:
        """Call what was to be called afterwards."""
        for function, arguments in self._afterwards:
            function(*arguments)
        self._afterwards.clear()  # which may hold this call: no circle is left to collect


def _given_by_the_engine() -> Call:
    raise NotImplementedError("FastAPI only documents direct routes.")


DepCall = Annotated[Call, Depends(_given_by_the_engine)]  # so that FastAPI takes it for no part of the body


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]  # all but the content's length and the request's id
    content: bytes
    request_id: bytes
