"""A call to its answer, whatever goes wrong.

Calls come in two ways: through the ASGI application (`app.engine.front`), under any server; or straight from a
connection (`app.engine.connections`), which hands over a light call as soon as the last byte of its body is there.
"""

import logging
import re
import secrets
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from http import HTTPMethod
from itertools import count
from types import CoroutineType
from typing import Any

import orjson
from starlette.responses import Response

from app.engine.access import Access
from app.engine.admission import Gate, HeavyWork, Shed
from app.engine.calls import Answer, Call
from app.engine.clock import Clock
from app.engine.codings import decompress
from app.engine.connections.crowd import Crowd
from app.engine.limits import Limits
from app.engine.neighbors import Neighbors
from app.engine.pending import PendingBytes
from app.engine.problems import HeadersTooLargeError, LongQueryError, OverCapacityError, Problems
from app.engine.routes import DirectRoutes, Match
from app.engine.together import Batch, Steps, run_alone
from app.engine.turns import Turn

__all__ = ["CLIENT_LEFT", "MAX_LIST_BYTES", "SECURITY_HEADERS", "VARY", "Dispatcher", "answer_of"]

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(rb"[!#-\[\]-~]{1,128}")  # printable, and the same in JSON
_METHODS = frozenset(HTTPMethod)  # each makes a series of figures of its own; all others make one together
CLIENT_LEFT = 499  # nginx's number for a client that left before its answer; never sent, only counted
_WAITING_THREADS = 4  # threads for calls that wait for something outside this process
_CODING = b"content-encoding"
VARY = (b"vary", b"Origin")
_MAX_QUERY_BYTES = 4096
_MAX_QUERY_FIELDS = 100
MAX_LIST_BYTES = 1024  # of a header field that is taken apart: each of its entries costs
_LISTS = (b"accept", b"accept-encoding", b"content-type", b"content-encoding")
SECURITY_HEADERS = (  # of every answer that has none of its own: it is data, and no page may show or embed it
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
_JSON = ((b"content-type", b"application/json"), *SECURITY_HEADERS)


class Dispatcher:
    """Answers calls, and tells who wants to know what was answered and what was shed."""

    def __init__(
        self,
        routes: Iterable[object],
        problems: Problems | None = None,
        limits: Limits | None = None,
        *,
        given: Mapping[str, Any] | None = None,
        access: Access | None = None,
        neighbors: Neighbors | None = None,
        always_answered: frozenset[str] = frozenset(),
        answers_other_origins: bool = False,
        on_answered: Callable[[Sequence[Call]], None] = lambda _: None,
        on_shed: Shed = lambda _why, _count: None,
        begin_thread: Callable[[], object] = lambda: None,
    ) -> None:
        """Put together what stands between a request and its endpoint.

        Args:
            routes: of which the direct ones are answered here.
            problems: what exceptions are answered with.
            limits: what requests may be and take.
            given: arguments for every endpoint that names them.
            access: who may ask; None: there are no keys.
            neighbors: which pages may ask then; None: all.
            always_answered: paths that are not shed, however much there is to do.
            answers_other_origins: whether pages of other origins may read the answers, as CORS lets them.
            on_answered: is told what was answered, once it is written.
            on_shed: is told why requests were shed, and how many.
            begin_thread: is called first in the thread of heavy calls.
        """
        self.limits = limits or Limits()
        self.access = access
        self._neighbors = neighbors
        self.always_answered = always_answered
        self.answers_other_origins = answers_other_origins
        self.routes = DirectRoutes(routes, self.limits, given or {})
        self._problems = problems or Problems()
        self._on_answered = on_answered
        clock = Clock()
        self.batch: Batch[Answer] = Batch()
        self.gate = Gate(self.limits.turn_seconds, clock, on_shed)
        self.turn = Turn(clock, self.gate, self.batch)
        self.pending = PendingBytes(self.limits.max_pending_bytes, on_shed)
        self.crowd = Crowd(on_shed)
        self._heavy_work = HeavyWork(on_shed, begin_thread)
        self._waiting_work = HeavyWork(on_shed, begin_thread, _WAITING_THREADS)
        self._answered: list[Call] = []  # and not noted yet
        self._id_prefix = secrets.token_hex(6).encode()
        self._id_number = count(1)
        self._shed = {start: self._shed_at(start) for start in ("/", *self._problems.detail_members)}

    def call(self, path: str, query: bytes, header_fields: dict[bytes, bytes]) -> Call:
        """A new call, under the id that its client gave it, or a new one."""
        return Call(path, query, header_fields, self.request_id(header_fields))

    def check(self, method: str, call: Call) -> None:
        """Do nothing where a call may be answered; comes before all that costs.

        Raises:
            UnauthorizedError: it has no key, or none that is accepted.
            ForeignRequestError: there are no keys, and it comes from elsewhere.
            LongQueryError: its query has too many bytes or fields.
            HeadersTooLargeError: a header field that is a list is too long.
        """
        if self.access is not None:
            self.access.check(method, call.path, call.header_fields)
        elif self._neighbors is not None:
            self._neighbors.check(method, call.path, call.header_fields)
        query = call.query
        if query and (len(query) > _MAX_QUERY_BYTES or query.count(b"&") >= _MAX_QUERY_FIELDS):
            raise LongQueryError(f"A query may have {_MAX_QUERY_BYTES:,} bytes and {_MAX_QUERY_FIELDS} fields.")
        for name in _LISTS:
            if len(call.header_fields.get(name, b"")) > MAX_LIST_BYTES:
                raise HeadersTooLargeError(f"The header field {name.decode()} may have {MAX_LIST_BYTES:,} bytes.")

    def new_request_id(self) -> bytes:
        """ASCII, and never given before."""
        return b"%b-%x" % (self._id_prefix, next(self._id_number))

    def answer(self, match: Match, call: Call) -> Answer:
        """Answer a call whose body has arrived; whatever goes wrong is an answer, too."""
        answer = run_alone(self._steps(match, call))
        self.note(match.method, match.route.path, answer.status, call)
        return answer

    async def answer_soon(self, match: Match, call: Call) -> Answer:
        """The same; in a thread, where others should not wait for it.

        Raises:
            OverCapacityError: too many wait for it, or too many bytes of answers for clients that don't take them.
        """
        if _CODING not in call.header_fields and match.route.is_light(call, len(call.content), match.named):
            return self.answer(match, call)
        self.pending.make_room_for_an_answer()
        work = self._waiting_work if match.route.waits else self._heavy_work
        return await work.run(partial(self.answer, match, call), self._asker(match.method, call))

    def _asker(self, method: str, call: Call) -> Hashable:
        """For whom a call is made: a key, where there are keys, else a connection."""
        return call.connection if self.access is None else self.access.digest(method, call.header_fields)

    def answer_in_turn(self, match: Match, call: Call, done: Callable[[Answer | None], None]) -> None:
        """The same, with others, at the end of this turn at the latest; `done` gets None where it fails.

        It is noted once the answer has gone out, or by `conclude`.
        """

        def finish(answer: Answer | None) -> None:
            done(answer)
            if answer is not None:
                call.answered(match.method, match.route.path, answer.status)
                self._answered.append(call)
                if len(self._answered) == 1:
                    self.turn.soon(self.conclude)

        self.batch.run(self._steps(match, call), finish)

    def refuse(self, call: Call, error: Exception, match: Match | None = None, method: str = "other") -> Answer:
        """Answer a call with the problem document of an exception."""
        answer = self._refusal(error, call)
        method, route = (match.method, match.route.path) if match else (method, "unmatched")
        self.note(method, route, answer.status, call)
        return answer

    def shed(self, path: str, header_fields: dict[bytes, bytes]) -> Answer:
        """Answer a request that was not admitted; it is no call, and only counted."""
        request_id = self.request_id(header_fields)
        template = self.shed_template(path)
        return Answer(503, template.headers, template.content % request_id, request_id)

    def shed_template(self, path: str) -> Answer:
        """The same with %b in the place of the request's id."""
        starts = (start for start in self._problems.detail_members if path.startswith(start))
        return self._shed[next(starts, "/")]

    def note(self, method: str, route: str, status: int, call: Call) -> None:
        """Tell that a call was answered, and do what was to be done afterwards."""
        call.answered(method if method in _METHODS else "other", route, status)
        self._tell([call])

    def conclude(self) -> None:
        """Note what was answered in turns and is not noted yet, before somebody looks at what is counted."""
        answered, self._answered = self._answered, []
        if answered:
            self._tell(answered)

    def note_left(self, match: Match, call: Call) -> None:
        """Tell that a client left before its request was whole."""
        self.note(match.method, match.route.path, CLIENT_LEFT, call)

    def _tell(self, answered: Sequence[Call]) -> None:
        """Do what was to be done afterwards; what fails of it stops nothing: it only looks on."""
        for call in answered:
            try:
                call.conclude()
            except Exception:
                logger.exception("What was to be done after an answer failed.")
        try:
            self._on_answered(answered)
        except Exception:
            logger.exception("Answers could not be counted.")

    def _steps(self, match: Match, call: Call) -> Steps[Answer]:
        try:
            if _CODING in call.header_fields:
                call.content = decompress(call.content, call.header_fields[_CODING], match.max_bytes)
            result = match.route.run(call, match.named)
            if isinstance(result, CoroutineType):
                result = yield from result.__await__()
            if isinstance(result, Response):
                return answer_of(result, call.request_id)
            return Answer(200, _JSON, orjson.dumps(result), call.request_id)
        except Exception as error:  # noqa: BLE001 - Problems knows each, and hides what it does not know
            return self._refusal(error, call)

    def _refusal(self, error: Exception, call: Call) -> Answer:
        return answer_of(self._problems.response(error, call.path, call.request_id), call.request_id)

    def _shed_at(self, path: str) -> Answer:
        error = OverCapacityError("More requests arrive than can be answered soon; try again in a second.")
        return answer_of(self._problems.response(error, path, b"%b"), b"")

    def request_id(self, header_fields: dict[bytes, bytes]) -> bytes:
        """The id that a client gave its request, or a new one."""
        request_id = header_fields.get(b"x-request-id")
        if request_id is not None and _REQUEST_ID.fullmatch(request_id):
            return request_id
        return self.new_request_id()


def answer_of(response: Response, request_id: bytes) -> Answer:
    """What is sent of a response that is made at once."""
    headers = [field for field in response.raw_headers if field[0] != b"content-length"]
    return Answer(response.status_code, (*headers, *SECURITY_HEADERS), bytes(response.body), request_id)
