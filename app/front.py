"""What every request passes: request id, direct routes, refusals, and the count of what was answered.

FastAPI's own way from socket to endpoint takes several times as long as classifying an image: middleware, routing,
dependency solving, response validation. Routes that classify are therefore `DirectRoute`s: FastAPI documents them, and
the front, which stands before the whole of FastAPI, answers them without it. All others go on to FastAPI.
"""

import re
import secrets
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from time import perf_counter
from typing import Any, get_type_hints
from urllib.parse import parse_qsl

import orjson
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.components import Components
from app.errors import BadRequestError, TooLargeError, problem_response
from app.settings import Settings

__all__ = ["Call", "DirectRoute", "Front", "read_body"]

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_MAX_LENGTH_DIGITS = 18  # of a Content-Length; int() itself refuses some thousands
_CLIENT_CLOSED_REQUEST = 499  # nginx's number for a client that left before its answer; never sent, only counted


class Call(Request):
    """A request to a direct route: its body has arrived, and the service's parts are at hand."""

    content: bytes

    def __init__(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], components: Components) -> None:
        self.scope = scope
        self._receive = receive
        self.header_fields = headers  # by lower-case name
        self.components = components


class DirectRoute(APIRoute):
    """A route whose endpoint is a plain function of the call, its path parameters and `options`.

    Nothing waits once the body is there, so the endpoint is not asynchronous. What it returns is sent as JSON, unless
    it is a Response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self._options: type[BaseModel] | None = get_type_hints(endpoint).get("options")
        self._default_options = self._options() if self._options else None

    @staticmethod
    @abstractmethod
    def max_body_bytes(settings: Settings) -> int:
        """The longest body that this kind of route reads."""

    def answer(self, call: Call) -> Response | bytes:
        """Call the endpoint."""
        parameters = call.scope.get("path_params", {})
        if self._options is not None:
            query = call.scope["query_string"]
            parameters["options"] = _parse(self._options, query) if query else self._default_options
        result = self.endpoint(call, **parameters)
        return result if isinstance(result, Response) else orjson.dumps(result)


def _parse(options: type[BaseModel], query: bytes) -> BaseModel:
    try:
        return options.model_validate(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BadRequestError(f"Query parameter {name!r}: {first['msg']}.") from error


class Front:
    """The outermost ASGI application, around FastAPI with all its middleware."""

    def __init__(self, fastapi: ASGIApp, routes: Iterable[DirectRoute], components: Components) -> None:
        self._fastapi = fastapi
        self._components = components
        self._routes: dict[tuple[str, str], tuple[DirectRoute, int]] = {}
        self._patterns: list[tuple[str, re.Pattern[str], tuple[DirectRoute, int]]] = []
        for route in routes:
            direct = route, route.max_body_bytes(components.settings)
            for method in route.methods or ():
                if route.param_convertors:
                    self._patterns.append((method, route.path_regex, direct))
                else:
                    self._routes[method, route.path] = direct
        self._id_prefix = secrets.token_hex(6).encode()
        self._id_number = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fastapi(scope, receive, send)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id")
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%s-%x" % (self._id_prefix, next(self._id_number))
        scope["request_id"] = request_id
        method = scope["method"]
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        direct = self._routes.get((method, path)) or self._match(method, path, scope)
        if direct is None:
            passed = {**scope, "method": "GET"} if method == "HEAD" else scope  # the server leaves the body out
            status = await self._pass_on(passed, receive, send, request_id)
            path = getattr(passed.get("route"), "path", "unmatched")
        else:
            route, max_bytes = direct
            call = Call(scope, receive, headers, self._components)
            status = await _answer(route, call, max_bytes, send, request_id)
            path = route.path
        self._components.telemetry.request(method, path, status, perf_counter() - started)

    def _match(self, method: str, path: str, scope: Scope) -> tuple[DirectRoute, int] | None:
        for pattern_method, pattern, direct in self._patterns:
            match = pattern.match(path) if method == pattern_method else None
            if match is not None:
                scope["path_params"] = match.groupdict()
                return direct
        return None

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> int:
        status = _CLIENT_CLOSED_REQUEST

        async def identified_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id))
            await send(message)

        with suppress(Exception):  # it is answered and logged by then; FastAPI raises it again only for the server
            await self._fastapi(scope, receive, identified_send)
        return status


async def read_body(call: Call, max_bytes: int) -> bytes:
    """Read a body as it arrives, and no more than `max_bytes` of it.

    Raises:
        TooLargeError: by its Content-Length or by what arrived, it is longer.
        ClientDisconnect: the client went away before its end.
    """
    declared = call.header_fields.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > _MAX_LENGTH_DIGITS or int(declared) > max_bytes):
        raise TooLargeError(f"The body has {declared[:_MAX_LENGTH_DIGITS].decode()} bytes; the limit is {max_bytes:,}.")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise TooLargeError(f"The body has over {max_bytes:,} bytes, which is the limit.")
        if not message.get("more_body", False):
            return b"".join([*chunks, chunk]) if chunks else chunk
        chunks.append(chunk)


async def _answer(route: DirectRoute, call: Call, max_bytes: int, send: Send, request_id: bytes) -> int:
    try:
        call.content = await read_body(call, max_bytes)
        result = route.answer(call)
    except ClientDisconnect:
        return _CLIENT_CLOSED_REQUEST
    except Exception as error:  # noqa: BLE001 - app.errors knows each, and hides what it does not know
        result = problem_response(error, call.scope)
    if isinstance(result, Response):
        status, headers, content = result.status_code, result.raw_headers, bytes(result.body)
    else:
        status, content = 200, result
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    headers.append((b"x-request-id", request_id))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
    return status
