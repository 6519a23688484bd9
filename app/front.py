"""What every request passes: request id, direct routes, refusals, and the count of what was answered.

FastAPI's own way from socket to endpoint takes several times as long as classifying an image: middleware, routing,
dependency solving, response validation. Routes that classify are therefore `DirectRoute`s: FastAPI documents them, and
the front, which stands before the whole of FastAPI, answers them without it. All others go on to FastAPI.
"""

import re
import secrets
from collections.abc import Iterable
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

from app.errors import BadRequestError, problem_response
from app.telemetry import Telemetry

__all__ = ["DirectRoute", "Front"]

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_CLIENT_CLOSED_REQUEST = 499  # nginx's number for a client that left before its answer; never sent, only counted


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request, its path parameters and `options`, and returns what is sent as JSON."""

    def __init__(self, path: str, endpoint: Any, **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        options = get_type_hints(endpoint).get("options")
        self._options: type[BaseModel] | None = options
        self._default_options = options() if options else None

    async def answer(self, request: Request) -> Response | bytes:
        """Call the endpoint as FastAPI would."""
        parameters = dict(request.path_params)
        if self._options is not None:
            query = request.scope["query_string"]
            parameters["options"] = _parse(self._options, query) if query else self._default_options
        result = await self.endpoint(request, **parameters)
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

    def __init__(self, fastapi: ASGIApp, routes: Iterable[DirectRoute], telemetry: Telemetry) -> None:
        self._fastapi = fastapi
        self._telemetry = telemetry
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}
        self._id_prefix = secrets.token_hex(6)
        self._id_number = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fastapi(scope, receive, send)
            return
        started = perf_counter()
        request = Request(scope, receive)
        request_id = scope["request_id"] = self._request_id(request)
        status = _CLIENT_CLOSED_REQUEST

        async def identified_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode("latin-1")))
            await send(message)

        route = self._routes.get((scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))))
        try:
            if route is None:
                await self._fastapi(scope, receive, identified_send)
            else:
                await _answer(route, request, identified_send)
        finally:
            name = route.path if route else getattr(scope.get("route"), "path", "unmatched")
            self._telemetry.request(scope["method"], name, status, perf_counter() - started)

    def _request_id(self, request: Request) -> str:
        given = request.headers.get("x-request-id", "")
        return given if _REQUEST_ID.fullmatch(given) else f"{self._id_prefix}-{next(self._id_number):x}"


async def _answer(route: DirectRoute, request: Request, send: Send) -> None:
    try:
        result = await route.answer(request)
    except ClientDisconnect:
        return
    except Exception as error:  # noqa: BLE001 - the table in app.errors knows each, and hides what it does not know
        result = problem_response(request, error)
    if isinstance(result, Response):
        await result(request.scope, request.receive, send)
        return
    length = str(len(result)).encode("latin-1")
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": result})
