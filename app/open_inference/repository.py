"""`POST /v2/repository/models/{name}/load` and `/unload`: which models are served, as an admin says.

What is unloaded stays so over restarts and in every worker, until it is loaded: a file in the model's folder says it.
"""

from typing import Annotated

from fastapi import Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from app.engine.openapi import problems
from app.engine.problems import BadRequestError
from app.engine.routes import Router
from app.open_inference.bodies import check_json
from app.open_inference.schemas import ProtocolProblem, RepositoryRequest
from app.parts import DepAdministrator, DepParts
from app.serving.errors import NotReadyError

router = Router(prefix="/v2/repository/models", tags=["Open Inference Protocol"])

ModelName = Annotated[str, Path(description="of the model's folder")]

_REFUSALS = problems(400, 401, 403, 404, 409, 503, model=ProtocolProblem)
_USUAL = frozenset({"unload_dependents"})  # parameters that clients send by themselves


async def _read(request: Request, parts: DepParts) -> RepositoryRequest:
    """The body, whatever its Content-Type: `tritonclient` sends none.

    Raises:
        BadRequestError: it is no such request, or wants what is not supported.
        TooLargeError: it is over the limit of JSON.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        check_json(content, parts.settings.max_json_bytes)
    try:
        body = RepositoryRequest.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise BadRequestError('The body is not a repository request; send {"parameters": {}}, or nothing.') from error
    for name in body.parameters.keys() - _USUAL:
        raise BadRequestError(f"The parameter {name[:80]!r} is not supported: models are read from their folder.")
    return body


DepRequest = Annotated[RepositoryRequest, Depends(_read)]
_BODY = {"requestBody": {"content": {"application/json": {"schema": RepositoryRequest.model_json_schema()}}}}


@router.post("/{name}/load", responses=_REFUSALS, openapi_extra=_BODY)
async def load(name: ModelName, parts: DepParts, _administrator: DepAdministrator, _request: DepRequest) -> Response:
    """Serve a model of the models folder, in the version that lies there now; it takes an admin's key."""
    await run_in_threadpool(parts.rollouts.load, name)
    await parts.look_at_models(only=name)
    if name in parts.models.failures:
        raise NotReadyError(parts.models.failures[name])
    parts.models.get(name)
    return Response()


@router.post("/{name}/unload", responses=_REFUSALS, openapi_extra=_BODY)
async def unload(name: ModelName, parts: DepParts, _administrator: DepAdministrator, _request: DepRequest) -> Response:
    """Serve a model no longer, until it is loaded; it takes an admin's key. The other workers see it at their look."""
    await run_in_threadpool(parts.rollouts.unload, name)
    await parts.look_at_models(only=name)
    return Response()
