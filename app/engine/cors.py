"""CORS, with refusals that are problem documents."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.engine.dispatcher import Dispatcher
from app.engine.problems import BadRequestError

__all__ = ["Cors"]

_METHODS = ("GET", "HEAD", "POST")


class Cors(CORSMiddleware):
    """Lets pages of other origins ask."""

    def __init__(
        self,
        app: ASGIApp,
        dispatcher: Dispatcher,
        *,
        origins: Sequence[str],
        headers: Sequence[str],
        exposed: Sequence[str],
    ) -> None:
        """Stand before `app`.

        Args:
            app: is asked.
            dispatcher: makes the refusals, and counts preflights.
            origins: that may ask; * is all.
            headers: that they may send; * is all.
            exposed: that they may read.
        """
        super().__init__(
            app, allow_origins=origins, allow_methods=_METHODS, allow_headers=headers, expose_headers=exposed
        )
        self._dispatcher = dispatcher

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer the question whether a page may ask."""
        response = super().preflight_response(request_headers)
        call = self._dispatcher.call("", b"", {})
        if response.status_code == 200:
            self._dispatcher.note("OPTIONS", "preflight", 200, call)
            return response
        asked = [request_headers.get(name, "") for name in _ASKED]
        error = BadRequestError(
            f"A page of {asked[0][:80]!r} may not ask by {asked[1][:20]!r} with the headers {asked[2][:200]!r}: "
            f"{bytes(response.body).decode()}; SOFTMAX_CORS_ORIGINS and SOFTMAX_CORS_HEADERS say who may, and what."
        )
        answer = self._dispatcher.refuse(call, error, method="OPTIONS")
        refusal = Response(answer.content, answer.status)
        refusal.raw_headers += [*answer.headers, (b"x-request-id", answer.request_id), (b"vary", b"Origin")]
        return refusal


_ASKED = ("origin", "access-control-request-method", "access-control-request-headers")
