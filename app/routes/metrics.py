"""`GET /metrics`: the accuracy and the figures in use, as JSON or for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from typing_extensions import TypedDict

from app.classifier.metadata import Evaluation
from app.engine.openapi import problems
from app.parts import DepParts
from app.routes.negotiation import preferred
from app.serving.answers import LiveFigures, ModelReference


class Metrics(TypedDict):
    """The default model's accuracy on its test set and the figures in use."""

    accuracy: float
    model: ModelReference
    evaluation: Evaluation
    live: LiveFigures


router = APIRouter(tags=["metrics"])

_PROMETHEUS_TYPES = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in _PROMETHEUS_TYPES}}, **problems(503)},
    response_model=Metrics,
)
async def metrics(parts: DepParts, accept: Annotated[str, Header()] = "") -> Metrics | Response:
    """The default model's accuracy, its whole evaluation and the live figures.

    Prometheus text where `Accept` names text/plain or OpenMetrics and not application/json first.
    """
    if preferred(accept, ("application/json", *_PROMETHEUS_TYPES)) != "application/json":
        content, content_type = parts.telemetry.exposition(accept)
        return Response(content, headers={"Content-Type": content_type})
    model = parts.models.get()
    evaluation = model.metadata.evaluation
    return {
        "accuracy": evaluation.accuracy,
        "model": model.reference,
        "evaluation": evaluation,
        "live": parts.telemetry.live_figures(),
    }
