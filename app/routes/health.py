"""`GET /livez` and `GET /readyz`, for probes."""

from fastapi import APIRouter, Response, status

from app.components import Parts
from app.errors import NotReadyError
from app.schemas import Status

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> Status:
    """The process answers."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    responses={503: {"model": Status, "description": "The default model can't answer, or the service is stopping"}},
)
async def readyz(parts: Parts, response: Response) -> Status:
    """The default model is loaded and proven, and the service is not about to stop."""
    try:
        parts.check_ready()
    except NotReadyError as error:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return {"status": "not ready", "reason": str(error)}
    return {"status": "ready"}
