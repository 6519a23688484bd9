"""One client's connection, as uvicorn runs it under `python -m app`: its turn, its requests one by one, and its end.

A light call of a direct route, plainly written, goes from the socket to `Dispatcher.answer_in_turn` and back in the
turn in which its last byte is read: no parser, no task, no scope, no messages. Whatever else arrives takes the detour
through uvicorn's protocol to `Front.__call__`. Either way the next request waits, as bytes, until the one before is
answered, and then for its turn; nothing is read meanwhile. What can't be answered is refused, and the connection closed
in two steps: it stops sending, and reads and drops for a while, so that the refusal is not lost in a reset.
"""

import asyncio
import logging
import math
from asyncio import Transport
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from app.engine.calls import Answer, Call
from app.engine.connections.arriving import Arriving
from app.engine.connections.deadlines import BODY, HEAD, IDLE, LEAVING, WORK, Deadlines, Phase
from app.engine.connections.detour import Detour
from app.engine.connections.plain_requests import PlainHead, ordinary_post, read_plain_head
from app.engine.connections.reading import Reading
from app.engine.connections.written import lines, shed_answer, whole_answer
from app.engine.dispatcher import VARY, Dispatcher
from app.engine.limits import Limits
from app.engine.pending import TOO_MUCH
from app.engine.problems import OverCapacityError, RequestError, SlowRequestError, StoppingError
from app.engine.routes import Match

__all__ = ["Connection"]

logger = logging.getLogger(__name__)

_LEAVING_SECONDS = 30  # in which a client that still sends may take its last answer
_LAST_CHANCE_SECONDS = 0.25  # for what was sent before the client could know that the service stops
_STOPPING_SECONDS = 1.0  # for clients to take their last answers then
_SHED_BYTES = 65_536  # of a body, at most, that is read without the detour, only to be shed


class Connection(asyncio.Protocol):
    """A connection, from its first byte to its last."""

    transport: Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.loop = _loop or asyncio.get_event_loop()
        self.admitted = False  # the request that was begun last
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._dispatcher: Dispatcher = app_state["dispatcher"]
        self._turn = self._dispatcher.turn
        self._gate = self._dispatcher.gate
        self._crowd = self._dispatcher.crowd
        self._pending = self._dispatcher.pending
        self._limits = self._dispatcher.limits
        self._is_drawn = True  # by the lots that the gate draws among new requests
        self._vary = lines((VARY,)) if self._dispatcher.answers_other_origins else b""
        self._arriving: Arriving | None = None
        self._detour: Detour | None = None
        self._keep_alive = True  # after the answer that is being made
        self._in_turn = False  # it waits for its turn
        self._is_blocked = False  # the client takes nothing for now
        self._holds = False  # some of the bytes that wait
        self._is_told = False  # that the server stops

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.transport = transport
        self._reading = Reading(transport, self.loop)
        self._state.connections.add(self)  # type: ignore[arg-type]  # for uvicorn, one of its protocols
        self._deadlines = Deadlines(self.loop, _seconds(self._limits), self._miss, self.transport.get_write_buffer_size)
        self._crowd.welcome(self._state.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._deadlines.stop()
        self._crowd.forget(self)
        self._let_go()
        arriving, self._arriving = self._arriving, None
        if arriving is not None and arriving.match is not None and arriving.call is not None:
            self._dispatcher.note_left(arriving.match, arriving.call)
        if self._detour is not None:
            self._detour.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._turn.enter(self.loop)
        phase = self._deadlines.phase
        if phase is LEAVING:
            self._reading.drop(len(data))
            return
        self._reading.add(data)
        if self._in_turn or self._must_wait():
            self._reading.pause()
            self._hold()
        elif phase is IDLE and not self._gate.may_wait():
            self._is_drawn = False
            if not self._shed_ordinary():
                self._go_on()
        else:
            self._ask()

    def eof_received(self) -> bool:
        self._reading.has_ended = True
        is_busy = self._is_answering() or self._in_turn or bool(self._reading.data and self._must_wait())
        return is_busy and self._deadlines.phase is not LEAVING

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._let_go()  # what waits from now on is the answer
        self._hold()
        if self._detour is not None:
            self._detour.pause_writing()

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._let_go()
        if self._detour is not None:
            self._detour.resume_writing()
        self._ask_again()

    def shutdown(self) -> None:
        """Be told by uvicorn that the server stops."""
        self._is_told = True
        if self._deadlines.phase is LEAVING:
            self.loop.call_later(_STOPPING_SECONDS, self.transport.abort)
        elif self._deadlines.phase is IDLE:  # what the client has sent already is read first
            self.loop.call_later(_LAST_CHANCE_SECONDS, self._close_if_idle)
        elif self._detour is not None and self._deadlines.phase is WORK:
            self._detour.be_last()

    def end(self) -> None:
        """Answer what is not answered yet with the news that the service ends now."""
        if self.is_leaving():
            return
        if self._deadlines.phase is IDLE and not self._in_turn:
            self.leave()
        else:
            self._refuse(StoppingError("The service stops before the request was answered; send it again."))

    def abort(self) -> None:
        """Close it now, whatever waits."""
        self.transport.abort()

    def idle_since(self) -> float | None:
        """When its last answer was given; None: something is asked."""
        return None if self._in_turn else self._deadlines.idle_since()

    def held_bytes(self) -> int:
        """How much it holds of what was read and is not answered, and of answers that the client has not taken."""
        arriving = self._arriving.held_bytes if self._arriving is not None else 0
        detour = self._detour.held_bytes if self._detour is not None else 0
        return len(self._reading.data) + arriving + detour + self.transport.get_write_buffer_size()

    def give_way(self) -> bool:
        """Let go of all of this, as too much waits; False: it is being answered."""
        if self._is_blocked or self.is_leaving():
            self.transport.abort()
        elif self._deadlines.phase is WORK:
            return False
        else:
            self._refuse(OverCapacityError(TOO_MUCH))
        return True

    def take_turn(self, step: Callable[[], None] | None = None) -> None:
        """Go on with what was read, by a step that has waited for its turn."""
        self._in_turn = False
        self._is_drawn = True
        try:
            self._go_on(step)
        except Exception:
            logger.exception("A request could not be read.")
            self.transport.abort()

    # For the detour

    def is_leaving(self) -> bool:
        return self._deadlines.phase is LEAVING or self.transport.is_closing()

    def is_stopping(self) -> bool:
        return self._is_told

    def admits(self, path: str) -> bool:
        self._deadlines.enter(BODY)
        if self.admitted or path in self._dispatcher.always_answered:
            return True
        self._gate.count_shed()
        return False

    def pause_reading(self) -> None:
        self._reading.pause()

    def resume_reading(self) -> None:
        self._ask_again()

    def answered(self, *, keep_alive: bool) -> None:
        self._finish(keep_alive=keep_alive)
        self._ask_again()

    def leave(self) -> None:
        """Close in two steps (RFC 9112, 9.6): send nothing more, and read and drop what still comes."""
        if self.is_leaving():
            return
        self._reading.forget()
        self._arriving = None
        self._deadlines.enter(LEAVING)
        if self._detour is not None:
            self._detour.abandon()
        if self._reading.has_ended or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._crowd.begin_leaving(self)
        self._reading.resume()
        if self._is_told:
            self.loop.call_later(_STOPPING_SECONDS, self.transport.abort)

    # What is read

    def _must_wait(self) -> bool:
        if self._deadlines.phase is WORK or self._is_blocked:
            return True
        return self._detour is not None and self._detour.is_full()

    def _ask(self) -> None:
        """Go on in this turn; between two turns, in the next one."""
        self._in_turn = True
        self._turn.wait(self)

    def _ask_anew(self) -> None:
        self._turn.enter(self.loop)
        self._ask()

    def _ask_again(self, *, in_turn: bool = False) -> None:
        """Go on in the next turn, where there is something to go on with."""
        reading = self._reading
        if not (reading.data or reading.is_paused or reading.has_ended):
            return  # as nearly always: there is nothing
        if self._in_turn or self._must_wait() or self.is_leaving():
            return
        if not reading.data:
            self._rest()
        elif in_turn:
            self._in_turn = True
            self._turn.later(self._ask_anew)
            self._hold()
        else:
            self._ask_anew()
            self._hold()

    def _take_behind(self, step: Callable[[], None]) -> None:
        """Take a step that may take long once no other one of this turn need wait for it."""
        self._in_turn = True
        self._turn.wait_behind(partial(self.take_turn, step))
        self._hold()

    def _go_on(self, step: Callable[[], None] | None = None) -> None:
        if self._must_wait() or self.is_leaving():
            return
        try:
            if step is not None:
                step()
            elif self._deadlines.phase is IDLE:
                self._begin()
            elif self._arriving is not None:
                self._read_plain_body(self._arriving)
            elif self._detour is not None:
                self._take_behind(partial(self._feed, self._detour))
        except RequestError as error:
            self._refuse(error)
        phase = self._deadlines.phase
        if phase is BODY or phase is HEAD:
            if not (self._in_turn or self._must_wait()):
                self._rest()
            self._hold()

    def _rest(self) -> None:
        """Wait for more; where there will be none, the connection is at its end."""
        if not self._reading.has_ended:
            self._reading.resume()
        elif not self._is_answering():
            self.leave()

    def _is_answering(self) -> bool:
        """Whether an answer is made, or was begun before the request was whole."""
        phase = self._deadlines.phase
        return phase is WORK or (phase is BODY and self._detour is not None and self._detour.is_answering())

    def _begin(self) -> None:
        """Begin with the next request, if its head is there."""
        reading = self._reading
        reading.skip_empty_lines()
        if not reading.data:
            self._rest()
            return
        self.admitted = self._is_drawn and self._gate.admits()
        if not self.admitted and self._shed_ordinary():
            return
        head = read_plain_head(reading.data, reading.start)
        if head is None or head.size > self._limits.max_head_bytes or not self._begin_plain(head):
            self._take_behind(self._begin_detour)

    def _begin_plain(self, head: PlainHead) -> bool:
        """Answer a plain request, now or once its body is whole; False: it must take the detour."""
        if self._config.root_path or (self._dispatcher.answers_other_origins and b"origin" in head.fields):
            return False
        reading = self._reading
        body = reading.start + head.size
        end = body + head.body_bytes
        match, call = None, None
        if self.admitted or head.path in self._dispatcher.always_answered:
            match = self._dispatcher.routes.match(head.method, head.path)
            call = self._dispatcher.call(head.path, head.query, head.fields)
            call.started = self._turn.clock.began  # it has waited since then
            try:
                self._dispatcher.check(head.method.decode() if match is None else match.method, call)
            except RequestError as error:
                if end > len(reading.data):
                    return False
                self._take_behind(partial(self._refuse_plain, head, call, match, error))
                return True
            if (
                match is None
                or head.body_bytes > match.max_bytes
                or not match.route.is_light(call, head.body_bytes, match.named)
            ):
                return False
        elif head.body_bytes > _SHED_BYTES:
            return False
        if end <= len(reading.data):
            if call is not None:
                call.content = memoryview(reading.data)[body:end]
            reading.take(end)
            self._answer(head, match, call)
        else:
            reading.take(body)
            self._arriving = Arriving(head, match, call)
            self._deadlines.enter(BODY)
            self._read_plain_body(self._arriving)
        return True

    def _refuse_plain(self, head: PlainHead, call: Call, match: Match | None, error: RequestError) -> None:
        """Refuse a plain request that is whole, without the detour."""
        self._reading.take(self._reading.start + head.size + head.body_bytes)
        self._write(self._dispatcher.refuse(call, error, match, head.method.decode()), keep_alive=head.keep_alive)

    def _read_plain_body(self, arriving: Arriving) -> None:
        arriving.take(self._reading)
        if not arriving.missing:
            self._arriving = None
            if arriving.call is not None:
                arriving.call.content = memoryview(arriving.body)
            self._answer(arriving.head, arriving.match, arriving.call)

    def _answer(self, head: PlainHead, match: Match | None, call: Call | None) -> None:
        self._keep_alive = head.keep_alive
        if match is None or call is None:
            self._shed(head.path, self._dispatcher.request_id(head.fields))
        else:
            self._deadlines.phase = WORK  # for as long as it takes
            self._dispatcher.answer_in_turn(match, call, self._answered)

    def _answered(self, answer: Answer | None) -> None:
        if answer is None:
            self.transport.abort()
        elif not self.transport.is_closing():
            self._write(answer, keep_alive=self._keep_alive)

    def _shed_ordinary(self) -> bool:
        """Shed a request that is like most, as cheaply as can be; there are many, or none would be shed."""
        reading = self._reading
        target = ordinary_post(reading.data) if not (reading.start or self._config.root_path) else None
        if target is None:
            return False
        reading.forget()
        self._keep_alive = True
        self._shed(target, self._dispatcher.new_request_id())
        return True

    def _shed(self, path: str, request_id: bytes) -> None:
        """Refuse a plain request, as there is no time for it."""
        self._gate.count_shed()
        keep_alive = self._keep_alive and not self._is_told
        template, default_headers = self._dispatcher.shed_template(path), tuple(self._state.default_headers)
        self.transport.write(shed_answer(template, default_headers, self._vary, request_id, is_last=not keep_alive))
        self._finish(keep_alive=keep_alive)
        self._ask_again(in_turn=True)

    def _begin_detour(self) -> None:
        if self._detour is None:
            self._detour = Detour(
                self,
                self._limits.max_head_bytes,
                config=self._config,
                server_state=self._state,
                app_state=self._app_state,
                _loop=self.loop,
            )
        self._detour.begin()
        self._deadlines.enter(HEAD)
        self._feed(self._detour)

    def _feed(self, detour: Detour) -> None:
        stopped_early = detour.take(self._reading)
        if detour.is_whole:
            self._deadlines.enter(WORK)
        elif stopped_early:
            self._ask_again(in_turn=True)

    # What ends it

    def _finish(self, *, keep_alive: bool) -> None:
        """Go over to the next request."""
        if self._holds and not self._is_blocked:
            self._let_go()
        if keep_alive and not self._is_told:
            self._deadlines.enter(IDLE)
        else:
            self.leave()

    def _refuse(self, error: RequestError) -> None:
        """Answer a request that can't be read with a problem document, and close."""
        detour = self._detour if self._deadlines.phase is not IDLE and self._arriving is None else None
        if detour is not None and detour.has_answered():
            self.leave()  # an answer is not disturbed by another
            return
        call, match = (None, None) if self._arriving is None else (self._arriving.call, self._arriving.match)
        method = "other"
        if call is None:
            path, fields = ("", {}) if detour is None else (detour.path(), dict(detour.headers))
            call = self._dispatcher.call(path, b"", fields)
        if detour is not None and detour.is_asking():
            method = detour.be_answered()
            match = self._dispatcher.routes.match(method.encode(), call.path)
        asks_for_head = self._asks_for_head()
        answer = self._dispatcher.refuse(call, error, match, method)
        self._write(answer, keep_alive=False, head_alone=asks_for_head)

    def _asks_for_head(self) -> bool:
        """Whether the answer to the request that is read, or is next, has no body (RFC 9110, 9.3.2)."""
        if self._deadlines.phase is not IDLE:
            return self._arriving is None and self._detour is not None and self._detour.asks_for_head()
        self._reading.skip_empty_lines()
        return self._reading.data.startswith(b"HEAD ", self._reading.start)

    def _write(self, answer: Answer, *, keep_alive: bool, head_alone: bool = False) -> None:
        default_headers = tuple(self._state.default_headers)
        may_follow = keep_alive and not self._is_told
        text, keep_alive = whole_answer(answer, default_headers, self._vary, keep_alive=may_follow)
        self.transport.write(text.removesuffix(answer.content) if head_alone else text)
        self._state.total_requests += 1
        self._finish(keep_alive=keep_alive)
        self._ask_again(in_turn=True)

    def _miss(self, phase: Phase) -> None:
        """End what has taken too long."""
        if phase is IDLE and self._in_turn:
            return  # it waits for us
        if phase in (IDLE, LEAVING):
            self.transport.abort()
            return
        seconds = _seconds(self._limits)[phase]
        self._refuse(SlowRequestError(f"{phase.value.capitalize()} did not arrive within {seconds:g} s."))

    def _close_if_idle(self) -> None:
        if self._deadlines.phase is IDLE and not self._reading.data:
            self.transport.close()

    def _hold(self) -> None:
        """Count what waits here; the last thing that is done in a turn, as it may have to give way at once."""
        self._reading.trim()
        if not self.transport.is_closing():
            self._holds = True
            self._pending.hold(self, self.held_bytes())

    def _let_go(self) -> None:
        if self._holds:
            self._holds = False
            self._pending.release(self)


@lru_cache(maxsize=4)
def _seconds(limits: Limits) -> dict[Phase, float]:
    return {
        IDLE: limits.idle_seconds,
        HEAD: limits.head_seconds,
        BODY: limits.body_seconds,
        WORK: math.inf,
        LEAVING: _LEAVING_SECONDS,
    }
