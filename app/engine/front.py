"""The outermost ASGI application: what every request passes under any server.

Direct routes are answered by the dispatcher; all other requests go on to FastAPI.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.engine.calls import Answer, Call
from app.engine.dispatcher import CLIENT_LEFT, SECURITY_HEADERS, Dispatcher
from app.engine.problems import RequestError, TooLargeError
from app.engine.routes import Match

__all__ = ["ANSWERED", "COUNTED", "SHED", "Front", "send_answer"]

# In a scope's state, which the connection sets:
SHED = "engine.shed"  # the request was not admitted
COUNTED = "engine.counted"  # the connection counts its bytes
ANSWERED = "engine.answered"  # the connection has answered it, and told of that

_PREFIX = re.compile(rb"(/[\w.~-]+){1,16}", re.ASCII)  # of a path; none that a browser takes for another host
_MAX_LENGTH_DIGITS = 18  # of a Content-Length; int() itself refuses some thousands


class Front:
    """Stands around FastAPI with all its middleware."""

    def __init__(self, fastapi: ASGIApp, dispatcher: Dispatcher, root_path: str = "") -> None:
        """Stand under a root path, which requests may have or not: proxies take it off, or leave it on."""
        self._fastapi = fastapi
        self._dispatcher = dispatcher
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fastapi(scope, receive, send)
            return
        if ANSWERED in scope.get("state", ()):  # before there was time for it
            return
        dispatcher = self._dispatcher
        dispatcher.conclude()  # what is asked may be what was counted
        header_fields = _joined(scope["headers"])
        root_path = scope.get("root_path") or self._root_path
        path = _without(root_path, scope["path"])
        if SHED in scope.get("state", ()):
            await send_answer(dispatcher.shed(path, header_fields), send)
            return
        call = dispatcher.call(path, scope["query_string"], header_fields)
        call.connection = scope.get("client")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]  # the server leaves the body out
        match = dispatcher.routes.match(method.encode(), path)
        try:
            dispatcher.check(method, call)
        except RequestError as error:
            await send_answer(dispatcher.refuse(call, error, match, method), send)
            return
        if match is None:
            root_path = _forwarded_prefix(header_fields) or root_path
            whole = {"method": method, "root_path": root_path, "path": root_path + path}
            await self._pass_on(call, {**scope, **whole, "request_id": call.request_id}, receive, send)
            return
        try:
            answer = await self._read_and_answer(match, call, receive, is_counted=COUNTED in scope.get("state", ()))
        except ClientDisconnect:
            if ANSWERED not in scope.get("state", ()):
                dispatcher.note_left(match, call)
            return
        await send_answer(answer, send)

    async def _read_and_answer(self, match: Match, call: Call, receive: Receive, *, is_counted: bool) -> Answer:
        with nullcontext(_count_nothing) if is_counted else self._dispatcher.pending.body() as add:
            try:
                call.content = memoryview(await _read_body(receive, call, match.max_bytes, add))
                return await self._dispatcher.answer_soon(match, call)
            except RequestError as error:
                return self._dispatcher.refuse(call, error, match)

    async def _pass_on(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        status = CLIENT_LEFT

        async def identified_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name for name, _ in message["headers"]}
                missing = [field for field in SECURITY_HEADERS if field[0] not in names]
                message["headers"] += (*missing, (b"x-request-id", call.request_id))
            await send(message)

        # A server may ignore Range (RFC 9110); what stands in it need not be valid then.
        scope["headers"] = [field for field in scope["headers"] if field[0] != b"range"]
        with suppress(Exception):  # it is answered and logged by then; FastAPI raises it again only for the server
            await self._fastapi(scope, receive, identified_send)
        route = getattr(scope.get("route"), "path", "unmatched")
        if ANSWERED not in scope.get("state", ()):
            self._dispatcher.note(scope["method"], route, status, call)


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Header fields by their names; the values of one that is there again make a list (RFC 9110, 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def _without(root_path: str, path: str) -> str:
    within = path == root_path or path.startswith(f"{root_path}/")
    return path[len(root_path) :] if within else path


def _forwarded_prefix(header_fields: dict[bytes, bytes]) -> str:
    """What a proxy says that it took off the path; as FastAPI's redirects and description are to have it again."""
    prefix = header_fields.get(b"x-forwarded-prefix", b"").rstrip(b"/")
    return prefix.decode() if _PREFIX.fullmatch(prefix) else ""


async def send_answer(answer: Answer, send: Send) -> None:
    """Send a whole answer."""
    length = b"%d" % len(answer.content)
    headers = [(b"content-length", length), *answer.headers, (b"x-request-id", answer.request_id)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})


async def _read_body(receive: Receive, call: Call, max_bytes: int, add: Callable[[int], None]) -> bytes | bytearray:
    """Read a body as it arrives, and no more than `max_bytes` of it.

    Raises:
        TooLargeError: by its Content-Length or by what arrived, it is longer.
        OverCapacityError: with all other bodies, it is more than may wait.
        ClientDisconnect: the client went away before its end.
    """
    declared = _declared_length(call.header_fields)
    if declared is not None and declared > max_bytes:
        raise TooLargeError(f"The body has {declared:,} bytes; the limit is {max_bytes:,}.")
    body = bytearray()  # chunks of one byte kept each for itself would take forty times as much
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > max_bytes:
            raise TooLargeError(f"The body has over {max_bytes:,} bytes, which is the limit.")
        add(len(chunk))
        is_last = not message.get("more_body", False)
        if is_last and not body:
            return chunk
        body += chunk
        if is_last:
            return body


def _count_nothing(_size: int) -> None:
    pass


def _declared_length(header_fields: dict[bytes, bytes]) -> int | None:
    """How many bytes the body will have, if its headers tell; of absurdly many digits, the first some count."""
    declared = header_fields.get(b"content-length", b"0")
    if b"transfer-encoding" in header_fields or not declared.isdigit():
        return None
    return int(declared[:_MAX_LENGTH_DIGITS])
