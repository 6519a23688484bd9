"""Routes that are answered without FastAPI, which documents them.

FastAPI's own way from socket to endpoint takes several times as long as an endpoint that takes microseconds:
middleware, routing, dependency solving, response validation.
"""

import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from operator import attrgetter
from typing import Any, NamedTuple, get_type_hints
from urllib.parse import parse_qsl

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from pydantic import BaseModel, ValidationError
from starlette import routing
from starlette.requests import Request
from starlette.types import Scope

from app.engine.calls import Call
from app.engine.limits import Limits
from app.engine.problems import BadRequestError
from app.engine.spelling import check_names

__all__ = ["BodilessRoute", "DirectRoute", "DirectRoutes", "Match", "Router", "methods_at"]


class DirectRoute(APIRoute):
    """A route whose endpoint is a function of any of these, by name: its `call`, its `options`, its path parameters.

    And of what the service gives to all endpoints. An asynchronous endpoint may await `together`, and nothing else.
    What it returns is sent as JSON, unless it is a Response.

    Attributes:
        waits: whether it may wait for something outside this process, such as a database.
    """

    waits = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self._options: type[BaseModel] | None = get_type_hints(endpoint).get("options")
        self._names = frozenset(signature(endpoint).parameters)
        self._takes_call = "call" in self._names

    @staticmethod
    @abstractmethod
    def max_body_bytes(limits: Limits) -> int:
        """The longest body that this kind of route reads."""

    @staticmethod
    @abstractmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:
        """Whether a call with a body of `length` bytes takes so little time that other calls may wait for it.

        `named` are the endpoint's other arguments.
        """

    def matches(self, scope: Scope) -> tuple[routing.Match, Scope]:
        """FastAPI never calls the endpoint: a path that was not taken before, as with a line feed, leads nowhere."""
        match, child_scope = super().matches(scope)
        return routing.Match.NONE if match is routing.Match.FULL else match, child_scope

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the endpoint takes of all that is given; and its options as they are where a query has none."""
        options = {"options": self._options()} if self._options else {}
        return {name: value for name, value in given.items() if name in self._names} | options

    def run(self, call: Call, named: dict[str, Any]) -> Any:
        """Call the endpoint: what it returns, or the coroutine that will.

        Args:
            call: the request.
            named: the endpoint's other arguments; with a query its `options` are read from there.

        Raises:
            BadRequestError: the query does not fit the options.
        """
        if call.query and self._options is not None:
            named = {**named, "options": _parse(self._options, call.query)}
        return self.endpoint(call=call, **named) if self._takes_call else self.endpoint(**named)


class BodilessRoute(DirectRoute):
    """A direct route that reads no body."""

    @staticmethod
    def max_body_bytes(limits: Limits) -> int:  # noqa: ARG004 - none, whatever the limits
        """A short one is read, and means nothing."""
        return 1024

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:  # noqa: ARG004 - always
        """There is nothing to read."""
        return True


class Match(NamedTuple):
    """The direct route of a request."""

    method: str
    route: DirectRoute
    max_bytes: int
    named: dict[str, Any]  # arguments of the endpoint


class DirectRoutes:
    """All of one service, by method and path."""

    def __init__(self, routes: Iterable[object], limits: Limits, given: Mapping[str, Any]) -> None:
        """Find the direct ones among `routes`; `given` are arguments for every endpoint that names them."""
        self._fixed: dict[tuple[bytes, str], Match] = {}
        self._patterns: dict[bytes, list[tuple[re.Pattern[str], Match]]] = defaultdict(list)
        for route in routes:
            if not isinstance(route, DirectRoute):
                continue
            for method in route.methods or ():
                match = Match(method, route, route.max_body_bytes(limits), route.wanted(given))
                if route.param_convertors:
                    self._patterns[method.encode()].append((route.path_regex, match))
                else:
                    self._fixed[method.encode(), route.path] = match

    def match(self, method: bytes, path: str) -> Match | None:
        """The direct route of a request, if it has one."""
        match = self._fixed.get((method, path))
        if match is not None:
            return match
        for pattern, match in self._patterns.get(method, ()):
            found = pattern.fullmatch(path)  # its $ would let a line feed pass
            if found is not None:
                return match._replace(named={**match.named, **found.groupdict()})
        return None


def methods_at(scope: Scope, routes: Iterable[routing.BaseRoute]) -> list[str]:
    """The methods that a request's path takes, by all of its routes; whatever takes GET takes HEAD."""
    found: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is not routing.Match.NONE:
            found.update(getattr(route, "methods", None) or ())
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


class Router(APIRouter):
    """Routes that refuse query parameters which they don't have; OpenAPI names their operations as we name functions.

    They are made once, for however many applications: `FastAPI(routes=…)` takes them as they are, where
    `include_router` makes each anew.
    """

    def __init__(self, **settings: Any) -> None:
        check = [Depends(_check_query)]
        super().__init__(dependencies=check, generate_unique_id_function=attrgetter("name"), **settings)


async def _check_query(request: Request) -> None:
    """Refuse query parameters that a route of FastAPI's does not have, as direct routes refuse them.

    Raises:
        BadRequestError: there is one.
    """
    check_names("query parameter", request.query_params, _query_names(request.scope["route"].dependant))


def _query_names(dependant: Dependant) -> set[str]:
    names = {parameter.alias for parameter in dependant.query_params}
    return names.union(*map(_query_names, dependant.dependencies))


def _parse(options: type[BaseModel], query: bytes) -> BaseModel:
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    check_names("query parameter", given, options.model_fields)
    try:
        return options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BadRequestError(f"Query parameter {name!r}: {first['msg']}.") from error
