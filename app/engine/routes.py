"""Routes that the front answers without FastAPI, which documents them: what a call is, and which route it is for."""

import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, NamedTuple, get_type_hints
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette import routing
from starlette.requests import Request
from starlette.types import Scope

from app.errors import BadRequestError
from app.parts import Components
from app.serving.answers import ModelReference, Prediction
from app.serving.live_model import LiveModel
from app.settings import Settings

__all__ = ["BodilessRoute", "Call", "DirectRoute", "DirectRoutes", "Match"]


class Call(Request):
    """A request to a direct route: its body has arrived, and the service's parts are at hand.

    It is a Request in name only, so that FastAPI doesn't take it for a part of the body when it reads a signature.
    """

    content: memoryview
    asked: ModelReference | None = None  # the model, for the log
    image: bytes | None = None  # the file, where it is one, for the log
    predictions: Sequence[Prediction] = ()  # what is answered, for the counters

    def __init__(
        self, path: str, query: bytes, header_fields: dict[bytes, bytes], request_id: bytes, components: Components
    ) -> None:
        self.started = perf_counter()
        self.path = path
        self.query = query
        self.header_fields = header_fields  # by lower-case name
        self.request_id = request_id
        self.components = components

    def model(self, name: str | None) -> LiveModel:
        """The model that is to answer; raises what `LiveModels.get` does."""
        model = self.components.models.get(name)
        self.asked = model.reference
        return model

    def age(self) -> float:
        """Seconds since it was read."""
        return perf_counter() - self.started


class DirectRoute(APIRoute):
    """A route whose endpoint is a function of the call, its path parameters and `options`.

    An asynchronous one may await `app.engine.turns.classify`, and nothing else. What it returns is sent as JSON, unless it is
    a Response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self._options: type[BaseModel] | None = get_type_hints(endpoint).get("options")
        self._default_options = self._options() if self._options else None

    @staticmethod
    @abstractmethod
    def max_body_bytes(settings: Settings) -> int:
        """The longest body that this kind of route reads."""

    @staticmethod
    @abstractmethod
    def is_light(call: Call, length: int) -> bool:
        """Whether a call with a body of `length` bytes takes so little time that other calls may wait for it."""

    def matches(self, scope: Scope) -> tuple[routing.Match, Scope]:
        """FastAPI never calls the endpoint: a path that the front did not take, as with a line feed, leads nowhere."""
        match, child_scope = super().matches(scope)
        return routing.Match.NONE if match is routing.Match.FULL else match, child_scope

    def run(self, call: Call, path_params: dict[str, str]) -> Any:
        """Call the endpoint: what it returns, or the coroutine that will."""
        parameters: dict[str, Any] = path_params
        if self._options is not None:
            options = _parse(self._options, call.query) if call.query else self._default_options
            parameters = {**path_params, "options": options}
        return self.endpoint(call, **parameters)


class BodilessRoute(DirectRoute):
    """A direct route that reads no body."""

    @staticmethod
    def max_body_bytes(settings: Settings) -> int:  # noqa: ARG004 - none, whatever the settings
        """A short one is read, and means nothing."""
        return 1024

    @staticmethod
    def is_light(call: Call, length: int) -> bool:  # noqa: ARG004 - always
        """There is nothing to read."""
        return True


class Match(NamedTuple):
    """The direct route of a request."""

    method: str
    route: DirectRoute
    max_bytes: int
    path_params: dict[str, str]


class DirectRoutes:
    """All of one service, by method and path."""

    def __init__(self, routes: Iterable[DirectRoute], settings: Settings) -> None:
        self._fixed: dict[tuple[bytes, str], Match] = {}
        self._patterns: dict[bytes, list[tuple[re.Pattern[str], Match]]] = defaultdict(list)
        for route in routes:
            for method in route.methods or ():
                match = Match(method, route, route.max_body_bytes(settings), {})
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
                return match._replace(path_params=found.groupdict())
        return None


def _parse(options: type[BaseModel], query: bytes) -> BaseModel:
    try:
        return options.model_validate(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BadRequestError(f"Query parameter {name!r}: {first['msg']}.") from error
