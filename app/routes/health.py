"""`GET /livez` and `GET /readyz`, for probes: direct routes, so that they are answered soon whatever else goes on."""

import orjson
from fastapi import APIRouter, Response, status

from app.engine.routes import BodilessRoute, Call
from app.errors import NotReadyError
from app.serving.answers import Status

router = APIRouter(tags=["health"], route_class=BodilessRoute)


@router.get("/livez")
def livez(call: Call) -> Status:  # noqa: ARG001 - every direct route is given its call
    """The process answers."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    responses={503: {"model": Status, "description": "The default model can't answer, or the service is stopping"}},
    response_model=Status,
)
def readyz(call: Call) -> Status | Response:
    """The default model is loaded and proven, and the service is not about to stop."""
    try:
        call.components.check_ready()
    except NotReadyError as error:
        unready: Status = {"status": "not ready", "reason": str(error)}
        return Response(orjson.dumps(unready), status.HTTP_503_SERVICE_UNAVAILABLE, media_type="application/json")
    return {"status": "ready"}
