"""The refusals of this package, and the problem document (RFC 9457) that any exception is answered with.

RequestError
├── BadRequestError             the request can't be read
├── UnauthorizedError           it has no key, or none that is accepted
├── ForbiddenError              its key is accepted, but not for this
├── ForeignRequestError         there are no keys, and it comes from elsewhere
├── SlowRequestError            it did not arrive within its time
├── TooLargeError               its body is over its limit
├── UnsupportedMediaTypeError   its body is of a kind that the route does not take
├── LongQueryError              its query, or the number of its fields, is over its limit
├── HeadersTooLargeError        its request line and header fields are over their limit, or one that is a list
├── OverCapacityError           it could not be answered soon
└── StoppingError               the service ended before it was answered
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, NamedTuple

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from typing_extensions import TypedDict

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "BadRequestError",
    "ForbiddenError",
    "ForeignRequestError",
    "HeadersTooLargeError",
    "ItemProblem",
    "Kind",
    "LongQueryError",
    "OverCapacityError",
    "Problem",
    "Problems",
    "RequestError",
    "SlowRequestError",
    "StoppingError",
    "TooLargeError",
    "UnauthorizedError",
    "UnsupportedMediaTypeError",
]

logger = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"


class RequestError(Exception):
    """A refusal; its text names the culprit, the limit and what to do."""

    status: ClassVar[int]
    title: ClassVar[str]


class BadRequestError(RequestError):
    status, title = 400, "Unreadable request"


class UnauthorizedError(RequestError):
    status, title = 401, "Key needed"


class ForbiddenError(RequestError):
    status, title = 403, "Admin key needed"


class ForeignRequestError(RequestError):
    status, title = 403, "Request from elsewhere"


class SlowRequestError(RequestError):
    status, title = 408, "Slow request"


class TooLargeError(RequestError):
    status, title = 413, "Body too large"


class LongQueryError(RequestError):
    status, title = 414, "Query too long"


class UnsupportedMediaTypeError(RequestError):
    status, title = 415, "Unsupported media type"


class HeadersTooLargeError(RequestError):
    status, title = 431, "Headers too large"


class OverCapacityError(RequestError):
    status, title = 503, "Over capacity"


class StoppingError(RequestError):
    status, title = 503, "Service stopping"


class ItemProblem(TypedDict):
    """What every problem has, alone or among the answers to several items of one request."""

    type: Annotated[str, Field(description="its kind, for programs: a URN that stays the same")]
    title: Annotated[str, Field(description="the kind in words")]
    status: Annotated[int, Field(description="the HTTP status")]
    detail: Annotated[str, Field(description="what was wrong, the limit, and what to do")]


class Problem(ItemProblem):
    """A problem document (RFC 9457)."""

    request_id: Annotated[str, Field(description="as in the header X-Request-ID and in the log")]


class Kind(NamedTuple):
    """How an exception of another package is answered."""

    status: int
    title: str
    hint: str = ""  # what the caller can do, behind the exception's own text


_EXTRA_HEADERS: dict[int, dict[str, str]] = {
    408: {"Connection": "close"},  # so that the rest need not be read, here and below
    413: {"Connection": "close"},
    431: {"Connection": "close"},
    503: {"Retry-After": "1"},
}


class Problems:
    """Makes a problem document of any exception; an unexpected one is logged, and tells nothing of itself."""

    def __init__(
        self,
        service: str = "service",
        kinds: Mapping[type[Exception], Kind] | None = None,
        detail_members: Mapping[str, str] | None = None,
    ) -> None:
        """Know how to answer the exceptions of this package, and those of others.

        Args:
            service: its name in the documents' types and in the challenge for a key.
            kinds: the exceptions of other packages; of their exact types, not of types that derive from them.
            detail_members: by the start of a path, another member that repeats the detail.
        """
        self._service = service
        self._kinds = kinds or {}
        self.detail_members = detail_members or {}
        self._challenges = (  # browsers take the second, and look for it at the start of a line
            f'Bearer realm="{service}"',
            f'Basic realm="{service}", charset="UTF-8"',
        )

    def of_item(self, error: Exception) -> ItemProblem:
        """The problem of one of several items of a request."""
        status, title, detail = self._describe(error)
        kind = title.lower().replace(" ", "-")
        return {"type": f"urn:{self._service}:{kind}", "title": title, "status": status, "detail": detail}

    def response(self, error: Exception, path: str, request_id: bytes) -> Response:
        """The answer to a request that ended in an exception; every problem document of the service is made here."""
        problem = self.of_item(error)
        if problem["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("Request %s failed.", request_id.decode(), exc_info=error)
        content: dict[str, Any] = {**problem, "request_id": request_id.decode()}
        for start, member in self.detail_members.items():
            if f"{path}/".startswith(start):
                content[member] = problem["detail"]
        headers = dict(_EXTRA_HEADERS.get(problem["status"], {}))
        if isinstance(error, HTTPException):
            headers |= error.headers or {}
        response = Response(orjson.dumps(content), problem["status"], headers, PROBLEM_MEDIA_TYPE)
        if problem["status"] == HTTPStatus.UNAUTHORIZED:
            for challenge in self._challenges:
                response.headers.append("WWW-Authenticate", challenge)
        return response

    def _describe(self, error: Exception) -> tuple[int, str, str]:
        if isinstance(error, RequestError):
            return error.status, error.title, str(error)
        if isinstance(error, HTTPException):
            return error.status_code, HTTPStatus(error.status_code).phrase, _http_detail(error)
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            return 400, BadRequestError.title, f"{place}: {first['msg']}."
        kind = self._kinds.get(type(error))
        if kind is None:
            return 500, "Internal error", "The service failed; its log has the reason under this request id."
        return kind.status, kind.title, f"{error} {kind.hint}".rstrip()


def _http_detail(error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "There is nothing at this path; /docs lists what there is."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"This path takes {(error.headers or {}).get('Allow', 'another method')}."
    return str(error.detail)
