"""`GET /metrics`: the accuracy and the figures in use, as JSON or for Prometheus."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.components import Parts
from app.routes.documentation import problems
from app.schemas import Metrics

router = APIRouter(tags=["metrics"])

_QUALITY = re.compile(r"[01](\.\d{0,3})?")
_PROMETHEUS_TYPES = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in _PROMETHEUS_TYPES}}, **problems(503)},
    response_model=Metrics,
)
async def metrics(parts: Parts, accept: Annotated[str, Header()] = "") -> Metrics | Response:
    """The default model's accuracy, its whole evaluation and the live figures.

    Prometheus text where `Accept` names text/plain or OpenMetrics and not application/json first.
    """
    if _prefers_prometheus(accept):
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


def _prefers_prometheus(accept: str) -> bool:
    """Whether, of the types that are offered here, `Accept` rates one of Prometheus's highest (RFC 9110, 12.5.1)."""
    best, best_quality = "application/json", 0.0
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        weight = float(quality) if _QUALITY.fullmatch(quality) else 0.0
        if media_type in ("application/json", *_PROMETHEUS_TYPES) and weight > best_quality:
            best, best_quality = media_type, weight
    return best in _PROMETHEUS_TYPES
