"""One client's connection, as uvicorn runs it under `python -m app`: its turn, and the short way to its answers.

A light call of a direct route, plainly written, goes from the socket to `Dispatcher.answer_in_turn` and back in the
turn in which its last byte is read: no parser, no task, no scope, no messages. Whatever else arrives goes uvicorn's own
way, through httptools to `Front.__call__` (`app.engine.connections.detour`).
"""

import logging
import re
from functools import lru_cache
from time import perf_counter
from typing import Any

from app.engine.calls import Answer, Call
from app.engine.connections.detour import BODY, IDLE, STATUS_LINES, TURN, WORK, GuardedConnection, lines
from app.engine.connections.plain_requests import PlainHead, ordinary_post, read_plain_head
from app.engine.problems import OverCapacityError, RequestError
from app.engine.routes import Match

__all__ = ["Connection"]

logger = logging.getLogger(__name__)

_MAX_WAITING_BYTES = 16_384  # of one connection, for its turn; what is longer is gone on with as it comes
_ORIGIN = re.compile(rb"\norigin:", re.IGNORECASE)


class _Arriving:
    """A plain request whose body is not whole yet."""

    def __init__(self, head: PlainHead, match: Match, call: Call) -> None:
        self.head = head
        self.match = match
        self.call = call
        self._filled = 0
        call.content = memoryview(bytearray(head.body_bytes))

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""
        return self.head.body_bytes - self._filled

    def take(self, data: memoryview) -> None:
        """Add what has come, no more than was missing."""
        end = self._filled + len(data)
        self.call.content[self._filled : end] = data
        self._filled = end


class Connection(GuardedConnection):
    """A connection whose requests wait for their turn; the plain ones among them are read and answered here."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._turn = self._dispatcher.turn
        self._gate = self._dispatcher.gate
        self._waiting: bytes | None = None  # what was read, and waits for its turn, or for the answer before
        self._arriving: _Arriving | None = None
        self._keep_alive = True  # after the answer that is being made

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._turn.enter(self.loop)
        if self._last_words is not None:
            return
        if self._waiting is not None:
            self._waiting += data
        elif self._phase is not IDLE:
            self._receive(data)
        elif not self._gate.may_wait():
            self._begin(data, admitted=False)
        elif len(data) <= _MAX_WAITING_BYTES:
            self._phase = TURN
            self._waiting = data
            self._turn.wait(self)
        else:
            self._begin(data, admitted=self._gate.admits())

    def take_turn(self) -> None:
        """Go on with what was read in this turn."""
        data, self._waiting = self._waiting, None
        self._phase = IDLE
        if not data or self.transport.is_closing():
            return
        try:
            self._receive(data)
        except Exception:
            logger.exception("A request could not be read.")
            self.transport.abort()

    def _receive(self, data: bytes) -> None:
        if self._arriving is not None:
            self._read_on(self._arriving, data)
            return
        if self._phase is IDLE:
            self._begin(data, admitted=self._gate.admits())
        else:
            self._parse(data)

    def _begin(self, data: bytes, *, admitted: bool) -> None:
        # Refusals would pile up before a client that does not read; uvicorn waits for it.
        self.admitted = admitted or self.flow.write_paused
        if not self.admitted and self._shed_ordinary(data):
            return
        head = read_plain_head(data)
        if head is None or not self._begin_plain(head, data):
            self._parse(data)

    def _shed_ordinary(self, data: bytes) -> bool:
        """Shed an ordinary request, as cheaply as can be; there are many of them, or none would be refused."""
        if self._stopping or (self._answers_other_origins and _ORIGIN.search(data)):
            return False
        target = ordinary_post(data)
        if target is None:
            return False
        self._gate.count_shed()
        template, size = _shed_lines(
            self._dispatcher.shed_template(target.decode()), tuple(self.server_state.default_headers)
        )
        request_id = self._dispatcher.new_request_id()
        self.transport.write(template % (size + len(request_id), request_id, request_id))
        self._since = perf_counter()
        return True

    def _begin_plain(self, head: PlainHead, data: bytes) -> bool:
        """Answer a plain request, now or once its body is whole; False: it must go uvicorn's own way."""
        missing = head.size + head.body_bytes - len(data)
        if missing < 0 or head.size > self._max_head_bytes or self.flow.write_paused or self.root_path:
            return False
        if not self.admitted and head.path not in self._dispatcher.always_answered:
            return False
        match = self._dispatcher.routes.match(head.method, head.path)
        if (
            match is None
            or head.body_bytes > match.max_bytes
            or (self._answers_other_origins and b"origin" in head.fields)
        ):
            return False
        call = self._dispatcher.call(head.path, head.query, head.fields)
        call.started = self._turn.clock.began  # it has waited since then
        if not (match.route.is_light(call, head.body_bytes) and self._dispatcher.permits(match.method, call)):
            return False
        if missing == 0:
            call.content = memoryview(data)[head.size :]
            self._answer(match, call, keep_alive=head.keep_alive)
        else:
            self._wait_for_body(head, match, call, data)
        return True

    def _wait_for_body(self, head: PlainHead, match: Match, call: Call, data: bytes) -> None:
        """Bodies that do not arrive in one piece are counted: many of them at once may fill the memory."""
        try:
            self._dispatcher.pending.add(head.body_bytes)
        except OverCapacityError as error:
            self._refuse(error, call)
            return
        self._arriving = _Arriving(head, match, call)
        self._arriving.take(memoryview(data)[head.size :])
        self._phase = BODY
        self._since = perf_counter()

    def _read_on(self, arriving: _Arriving, data: bytes) -> None:
        missing = arriving.missing
        arriving.take(memoryview(data)[:missing])
        if arriving.missing:
            return
        self._release()
        self._answer(arriving.match, arriving.call, keep_alive=arriving.head.keep_alive)
        if len(data) > missing:  # the next request, in a pipeline
            self.data_received(data[missing:])

    def _answer(self, match: Match, call: Call, *, keep_alive: bool) -> None:
        self._phase = WORK
        self._waiting = b""
        self._keep_alive = keep_alive
        self._dispatcher.answer_in_turn(match, call, self._answered)

    def _answered(self, answer: Answer | None) -> None:
        later, self._waiting = self._waiting, None
        if answer is None:
            self.transport.abort()
        elif not self.transport.is_closing():
            self._finish(answer, keep_alive=self._keep_alive)
            if later and not self.transport.is_closing():
                self._receive(later)

    def _end(self, error: RequestError) -> None:
        if self._arriving is None:
            super()._end(error)
        else:
            self._refuse(error, self._arriving.call)

    def _release(self) -> None:
        if self._arriving is not None:
            self._dispatcher.pending.remove(self._arriving.head.body_bytes)
            self._arriving = None


@lru_cache(maxsize=4)
def _shed_lines(answer: Answer, default_headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, int]:
    """All of it but the length and, twice, the request's id; and the length without the id."""
    fields = lines(default_headers), lines(answer.headers)
    head = b"%b%b%bcontent-length: %%d\r\nx-request-id: %%b\r\n\r\n" % (STATUS_LINES[answer.status], *fields)
    return head + answer.content, len(answer.content % b"")
