"""What the service refuses, and how a refusal looks: one table from exception to status, one problem document.

ServiceError
├── BadRequestError             the request can't be read
├── UnauthorizedError           it has no key, or none that is accepted
├── NoSuchModelError            the name is not among the models
├── NoSuchLabelError            the label is not among the model's
├── UncalibratedModelError      the model can't promise a coverage
├── TooLargeError               the body is over its limit
│   └── TooManyImagesError      it has more images than one request may have
├── HeadersTooLargeError        the request line and its header fields are over their limit
├── UnsupportedMediaTypeError   the body is of a kind that the route does not take
├── SlowRequestError            the request did not arrive within its time
├── OverCapacityError           it could not be answered soon
└── NotReadyError               there is no model to answer with

The classifier's own exceptions (`app.classifier.errors`) stand in the same table.
"""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.classifier.errors import (
    DamagedImageError,
    NotAnImageError,
    SeveralFramesError,
    TooManyPartsError,
    TooManyPixelsError,
    UnsupportedModeError,
    WrongSizeError,
)
from app.serving.answers import ImageProblem

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "BadRequestError",
    "HeadersTooLargeError",
    "NoSuchLabelError",
    "NoSuchModelError",
    "NotReadyError",
    "OverCapacityError",
    "ServiceError",
    "SlowRequestError",
    "TooLargeError",
    "TooManyImagesError",
    "UnauthorizedError",
    "UncalibratedModelError",
    "UnsupportedMediaTypeError",
    "describe",
    "problem",
    "problem_response",
]

logger = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"


class ServiceError(Exception):
    """A refusal; its text names the culprit, the limit and what to do."""


class BadRequestError(ServiceError):
    pass


class UnauthorizedError(ServiceError):
    pass


class NoSuchModelError(ServiceError):
    pass


class NoSuchLabelError(ServiceError):
    pass


class UncalibratedModelError(ServiceError):
    pass


class TooLargeError(ServiceError):
    pass


class TooManyImagesError(TooLargeError):
    pass


class HeadersTooLargeError(ServiceError):
    pass


class UnsupportedMediaTypeError(ServiceError):
    pass


class SlowRequestError(ServiceError):
    pass


class OverCapacityError(ServiceError):
    pass


class NotReadyError(ServiceError):
    pass


_STATUS_AND_TITLE: dict[type[Exception], tuple[int, str]] = {
    BadRequestError: (400, "Unreadable request"),
    UnauthorizedError: (401, "Key needed"),
    NoSuchModelError: (404, "No such model"),
    NoSuchLabelError: (422, "No such label"),
    UncalibratedModelError: (422, "Uncalibrated model"),
    TooLargeError: (413, "Body too large"),
    TooManyImagesError: (413, "Too many images"),
    TooManyPixelsError: (413, "Too many pixels"),
    UnsupportedMediaTypeError: (415, "Unsupported media type"),
    NotAnImageError: (415, "Not an image"),
    DamagedImageError: (422, "Damaged image"),
    WrongSizeError: (422, "Wrong image size"),
    TooManyPartsError: (422, "Too many parts"),
    SeveralFramesError: (422, "Several frames"),
    UnsupportedModeError: (422, "Unsupported pixels"),
    SlowRequestError: (408, "Slow request"),
    HeadersTooLargeError: (431, "Headers too large"),
    OverCapacityError: (503, "Over capacity"),
    NotReadyError: (503, "Not ready"),
}

_CHALLENGES = (  # browsers take the second, and look for it at the start of a line
    'Bearer realm="softmax-serving"',
    'Basic realm="softmax-serving", charset="UTF-8"',
)
_EXTRA_HEADERS: dict[int, dict[str, str]] = {
    408: {"Connection": "close"},  # so that the rest need not be read, here and below
    413: {"Connection": "close"},
    431: {"Connection": "close"},
    503: {"Retry-After": "1"},
}


def describe(error: Exception) -> tuple[int, str, str]:
    """The status, title and detail that an exception is answered with; an unexpected one tells nothing of itself."""
    if isinstance(error, HTTPException):
        return error.status_code, HTTPStatus(error.status_code).phrase, _http_detail(error)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return 400, "Unreadable request", f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
    status_and_title = _STATUS_AND_TITLE.get(type(error))
    if status_and_title is None:
        return 500, "Internal error", "The service failed; its log has the reason under this request id."
    if isinstance(error, WrongSizeError):  # the terminal has another option
        return *status_and_title, f"{error} Send that size, or ask for resize=true."
    return *status_and_title, str(error)


def problem_response(error: Exception, path: str, request_id: bytes) -> Response:
    """Answer an exception with a problem document (RFC 9457); every one of them is answered here."""
    status, title, detail = describe(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request %s failed.", request_id.decode(), exc_info=error)
    content: dict[str, Any] = {**problem(status, title, detail), "request_id": request_id.decode()}
    if f"{path}/".startswith("/v2/"):
        content["error"] = detail  # where the Open Inference Protocol has it
    headers = dict(_EXTRA_HEADERS.get(status, {}))
    if isinstance(error, HTTPException):
        headers |= error.headers or {}
    response = Response(orjson.dumps(content), status, headers, PROBLEM_MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        for challenge in _CHALLENGES:
            response.headers.append("WWW-Authenticate", challenge)
    return response


def problem(status: int, title: str, detail: str) -> ImageProblem:
    """The members that every problem has, alone or within a batch."""
    kind = title.lower().replace(" ", "-")
    return {"type": f"urn:softmax-serving:{kind}", "title": title, "status": status, "detail": detail}


def _http_detail(error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "There is nothing at this path; /docs lists what there is."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"This path takes {(error.headers or {}).get('Allow', 'another method')}."
    return str(error.detail)
