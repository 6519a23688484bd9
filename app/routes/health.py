"""`GET /livez` and `GET /readyz`, for probes: direct routes, so that they are answered soon whatever else goes on.

And OPTIONS the same, by which HAProxy checks unless it is told otherwise.
"""

from typing import Annotated, NotRequired

import orjson
from fastapi import Response, status
from pydantic import Field
from typing_extensions import TypedDict

from app.engine.calls import DepCall
from app.engine.routes import BodilessRoute, Router
from app.parts import DepParts
from app.serving.errors import NotReadyError


class Status(TypedDict):
    """Whether the service lives, or is ready, and if not, why."""

    status: Annotated[str, Field(description="alive, ready or not ready")]
    reason: NotRequired[Annotated[str, Field(description="why it is not ready")]]


router = Router(tags=["health"], route_class=BodilessRoute)

_NOT_FOR_ALL = "Ask with a key for the reason, or read the log."


@router.options("/livez", include_in_schema=False)
@router.get("/livez")
def livez() -> Status:
    """The process answers."""
    return {"status": "alive"}


@router.options("/readyz", include_in_schema=False, response_model=None)
@router.get(
    "/readyz",
    responses={503: {"model": Status, "description": "The default model can't answer, or the service is stopping"}},
    response_model=Status,
)
def readyz(call: DepCall, parts: DepParts) -> Status | Response:
    """The default model is loaded and proven, and the service is not about to stop.

    Where there are keys, only who sends one is told the reason, which may name files.
    """
    try:
        parts.check_ready()
    except NotReadyError as error:
        may_know = parts.access is None or parts.access.knows("GET", call.header_fields)
        unready: Status = {"status": "not ready", "reason": str(error) if may_know else _NOT_FOR_ALL}
        return Response(orjson.dumps(unready), status.HTTP_503_SERVICE_UNAVAILABLE, media_type="application/json")
    return {"status": "ready"}
