"""What every request passes: its id, direct routes, refusals, and the count of what was answered.

FastAPI's own way from socket to endpoint takes several times as long as classifying an image: middleware, routing,
dependency solving, response validation. Routes that classify are therefore `DirectRoute`s: FastAPI documents them, and
the front, which stands before the whole of FastAPI, answers them without it. All others go on to FastAPI.

Calls reach the front in two ways: as an ASGI application under any server, or, under `python -m app`, straight from
the socket (`app.engine.connections.connection`), which hands over a light call as soon as the last byte of its body is there.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import count
from types import CoroutineType
from typing import NamedTuple

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.engine.access import OPEN_PATHS
from app.engine.admission import Gate, HeavyWork, PendingBodies
from app.engine.routes import Call, DirectRoute, DirectRoutes, Match
from app.engine.turns import Batch, Steps, Turn, run_alone
from app.errors import OverCapacityError, ServiceError, TooLargeError, UnauthorizedError, problem_response
from app.parts import Components

__all__ = ["ALWAYS_ANSWERED", "REFUSED", "TURNED_AWAY", "Answer", "Front"]

ALWAYS_ANSWERED = OPEN_PATHS | {"/metrics"}
REFUSED = "softmax.refused"  # in a scope's state: the connection did not admit the request

_REQUEST_ID = re.compile(rb"[!#-\[\]-~]{1,128}")  # printable, and the same in JSON
_MAX_LENGTH_DIGITS = 18  # of a Content-Length; int() itself refuses some thousands
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_JSON = ((b"content-type", b"application/json"), _NO_SNIFFING)
_CLIENT_CLOSED_REQUEST = 499  # nginx's number for a client that left before its answer; never sent, only counted


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]  # all but the content's length and the request's id
    content: bytes
    request_id: bytes


class Front:
    """The outermost ASGI application, around FastAPI with all its middleware."""

    def __init__(self, fastapi: ASGIApp, routes: Iterable[DirectRoute], components: Components) -> None:
        self._fastapi = fastapi
        self.components = components
        settings, telemetry = components.settings, components.telemetry
        self.turn = Turn()
        self._batch: Batch[Answer] = Batch(self.turn)
        self.gate = Gate(settings.max_delay_ms / 1000, telemetry, self.turn)
        self._heavy_work = HeavyWork(telemetry)
        self.pending = PendingBodies(settings.max_pending_bytes, telemetry)
        self.routes = DirectRoutes(routes, settings)
        self._id_prefix = secrets.token_hex(6).encode()
        self._id_number = count(1)

    def call(self, path: str, query: bytes, header_fields: dict[bytes, bytes]) -> Call:
        """A new call, under the id that its client gave it, or a new one."""
        return Call(path, query, header_fields, self._identify(header_fields), self.components)

    def permits(self, method: str, call: Call) -> bool:
        """Whether a call has the key that it needs."""
        try:
            self._check_access(method, call)
        except UnauthorizedError:
            return False
        return True

    def _identify(self, header_fields: dict[bytes, bytes]) -> bytes:
        request_id = header_fields.get(b"x-request-id")
        if request_id is not None and _REQUEST_ID.fullmatch(request_id):
            return request_id
        return self.new_request_id()

    def new_request_id(self) -> bytes:
        """ASCII, and never given before."""
        return b"%b-%x" % (self._id_prefix, next(self._id_number))

    def turn_away(self, path: str, header_fields: dict[bytes, bytes]) -> Answer:
        """Answer a request that was not admitted."""
        request_id = self._identify(header_fields)
        template = TURNED_AWAY["/v2" if path.startswith("/v2/") else "/"]
        return Answer(503, template.headers, template.content % request_id, request_id)

    def answer(self, match: Match, call: Call) -> Answer:
        """Answer a call whose body has arrived; whatever goes wrong is an answer, too."""
        answer = run_alone(self._steps(match, call))
        self._count(match.method, match.route.path, answer.status, call, call.age())
        return answer

    def answer_in_turn(self, match: Match, call: Call, done: Callable[[Answer | None], None]) -> None:
        """The same, with others, at the end of this turn at the latest; `done` gets None where it fails.

        It is counted at the very end of the turn, when all answers are written.
        """

        def finish(answer: Answer | None) -> None:
            done(answer)
            if answer is not None:
                self.turn.later(partial(self._count, match.method, match.route.path, answer.status, call, call.age()))

        self._batch.run(self._steps(match, call), finish)

    def _steps(self, match: Match, call: Call) -> Steps[Answer]:
        try:
            result = match.route.run(call, match.path_params)
            if isinstance(result, CoroutineType):
                result = yield from result.__await__()
            if isinstance(result, Response):
                return _answer(result, call.request_id)
            return Answer(200, _JSON, orjson.dumps(result), call.request_id)
        except Exception as error:  # noqa: BLE001 - app.errors knows each, and hides what it does not know
            return _refusal(error, call)

    def refuse(self, call: Call, error: Exception, match: Match | None = None, method: str = "unknown") -> Answer:
        """Answer a call with the problem document of an exception."""
        answer = _refusal(error, call)
        method, route = (match.method, match.route.path) if match else (method, "unmatched")
        self._count(method, route, answer.status, call, call.age())
        return answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fastapi(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if REFUSED in scope.get("state", ()):
            await _send(self.turn_away(path, dict(scope["headers"])), send)
            return
        call = self.call(path, scope["query_string"], dict(scope["headers"]))
        method = "GET" if scope["method"] == "HEAD" else scope["method"]  # the server leaves the body out
        match = self.routes.match(method.encode(), path)
        try:
            self._check_access(method, call)
        except UnauthorizedError as error:
            await _send(self.refuse(call, error, match, method), send)
            return
        if match is None:
            await self._pass_on(call, {**scope, "method": method, "request_id": call.request_id}, receive, send)
            return
        try:
            answer = await self._read_and_answer(match, call, receive)
        except ClientDisconnect:
            self._count(match.method, match.route.path, _CLIENT_CLOSED_REQUEST, call, call.age())
            return
        await _send(answer, send)

    async def _read_and_answer(self, match: Match, call: Call, receive: Receive) -> Answer:
        with self.pending.body() as add:
            try:
                call.content = memoryview(await _read_body(receive, call, match.max_bytes, add))
                if match.route.is_light(call, len(call.content)):
                    return self.answer(match, call)
                return await self._heavy_work.run(partial(self.answer, match, call))
            except ServiceError as error:
                return self.refuse(call, error, match)

    async def _pass_on(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        status = _CLIENT_CLOSED_REQUEST

        async def identified_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += (_NO_SNIFFING, (b"x-request-id", call.request_id))
            await send(message)

        # A server may ignore Range (RFC 9110); what stands in it need not be valid then.
        scope["headers"] = [field for field in scope["headers"] if field[0] != b"range"]
        with suppress(Exception):  # it is answered and logged by then; FastAPI raises it again only for the server
            await self._fastapi(scope, receive, identified_send)
        self._count(scope["method"], getattr(scope.get("route"), "path", "unmatched"), status, call, call.age())

    def _count(self, method: str, route: str, status: int, call: Call, seconds: float) -> None:
        parts = self.components
        parts.telemetry.request(method, route, status, seconds)
        if call.asked is not None and call.predictions:
            parts.telemetry.classified(call.asked["name"], call.predictions)
        parts.request_log.write(
            call.request_id,
            method,
            route,
            call.path,
            status=status,
            seconds=seconds,
            model=call.asked,
            image=call.image,
        )

    def _check_access(self, method: str, call: Call) -> None:
        access = self.components.access
        if access is not None:
            access.check(method, call.path, call.header_fields)


async def _send(answer: Answer, send: Send) -> None:
    length = b"%d" % len(answer.content)
    headers = [(b"content-length", length), *answer.headers, (b"x-request-id", answer.request_id)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})


def _refusal(error: Exception, call: Call) -> Answer:
    return _answer(problem_response(error, call.path, call.request_id), call.request_id)


def _answer(response: Response, request_id: bytes) -> Answer:
    headers = [field for field in response.raw_headers if field[0] != b"content-length"]
    return Answer(response.status_code, (*headers, _NO_SNIFFING), bytes(response.body), request_id)


def _turned_away(path: str) -> Answer:
    error = OverCapacityError("More requests arrive than can be answered soon; try again in a second.")
    return _answer(problem_response(error, path, b"%b"), b"")


TURNED_AWAY = {path: _turned_away(path) for path in ("/", "/v2")}  # with %b in the place of the request's id


async def _read_body(receive: Receive, call: Call, max_bytes: int, add: Callable[[int], None]) -> bytes:
    """Read a body as it arrives, and no more than `max_bytes` of it.

    Raises:
        TooLargeError: by its Content-Length or by what arrived, it is longer.
        OverCapacityError: with all other bodies, it is more than may wait.
        ClientDisconnect: the client went away before its end.
    """
    declared = _declared_length(call.header_fields)
    if declared is not None and declared > max_bytes:
        raise TooLargeError(f"The body has {declared:,} bytes; the limit is {max_bytes:,}.")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise TooLargeError(f"The body has over {max_bytes:,} bytes, which is the limit.")
        add(len(chunk))
        if not message.get("more_body", False):
            return b"".join([*chunks, chunk]) if chunks else chunk
        chunks.append(chunk)


def _declared_length(header_fields: dict[bytes, bytes]) -> int | None:
    """How many bytes the body will have, if its headers tell; of absurdly many digits, the first some count."""
    declared = header_fields.get(b"content-length", b"0")
    if b"transfer-encoding" in header_fields or not declared.isdigit():
        return None
    return int(declared[:_MAX_LENGTH_DIGITS])
