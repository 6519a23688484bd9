"""Pages of other origins: CORS by Starlette, whose preflights are requests like all others."""

from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.engine.dispatcher import MAX_LIST_BYTES, Dispatcher, answer_of
from app.engine.front import send_answer
from app.engine.problems import BadRequestError, HeadersTooLargeError

__all__ = ["CrossOrigin"]

_WANTED_METHOD, _WANTED_HEADERS = b"access-control-request-method", b"access-control-request-headers"


class CrossOrigin(CORSMiddleware):
    """Answers preflights, which need no key: each has an id, is counted and logged, and is refused by a problem."""

    def __init__(self, app: ASGIApp, dispatcher: Dispatcher, **settings: Any) -> None:
        super().__init__(app, **settings)
        self._dispatcher = dispatcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            header_fields = dict(scope["headers"])
            if b"origin" in header_fields and _WANTED_METHOD in header_fields:
                await self._answer(scope, header_fields, send)
                return
        await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, header_fields: dict[bytes, bytes], send: Send) -> None:
        call = self._dispatcher.call(scope["path"], scope["query_string"], header_fields)
        if len(header_fields.get(_WANTED_HEADERS, b"")) > MAX_LIST_BYTES:
            error = HeadersTooLargeError(f"Access-Control-Request-Headers may have {MAX_LIST_BYTES:,} bytes.")
            await send_answer(self._dispatcher.refuse(call, error, method="OPTIONS"), send)
            return
        response = self.preflight_response(Headers(scope=scope))
        if response.status_code == 200:
            answer = answer_of(response, call.request_id)
            self._dispatcher.note("OPTIONS", "unmatched", answer.status, call)
        else:
            asked = [header_fields.get(name, b"")[:200].decode("latin-1") for name in (_WANTED_METHOD, _WANTED_HEADERS)]
            reason = BadRequestError(
                f"{bytes(response.body).decode()}: a page of another origin asked for {asked[0]!r} with {asked[1]!r}."
            )
            answer = self._dispatcher.refuse(call, reason, method="OPTIONS")
            allowed = [field for field in response.raw_headers if not field[0].startswith(b"content-")]
            answer = answer._replace(headers=(*answer.headers, *allowed))
        await send_answer(answer, send)
