"""`GET /metrics`: the accuracy and the figures in use, as JSON or for Prometheus."""

from typing import Annotated, Literal, NotRequired

from fastapi import Header, Query, Response
from pydantic import Field
from typing_extensions import TypedDict

from app.classifier.metadata import Evaluation
from app.engine.openapi import problems
from app.engine.routes import Router
from app.parts import DepParts, Parts
from app.records.errors import RecordsError
from app.records.figures import VersionFigures, WindowFigures
from app.records.metrics import window_metrics
from app.routes.negotiation import preferred
from app.serving.answers import LiveFigures, ModelReference


class Feedback(TypedDict):
    """The accuracy in use of one version, by all labels that speak for more than themselves."""

    count: Annotated[int, Field(description="images of which the truth was told")]
    correct: Annotated[int, Field(description="of them, those that were answered right")]
    accuracy: Annotated[float, Field(description="correct / count")]
    accuracy_interval: Annotated[tuple[float, float], Field(description="95 % Wilson interval of the accuracy")]
    calibration_error: Annotated[
        float, Field(description="expected calibration error over 15 equal bins of confidence")
    ]
    confusion_matrix: Annotated[list[list[int]], Field(description="rows: true class, columns: predicted class")]
    warning: NotRequired[
        Annotated[str, Field(description="in words, where the accuracy is below that on the test set")]
    ]


class RecordsState(TypedDict):
    """What is kept, and why it can't be read or written now, where it can't."""

    keeps: Annotated[Literal["labels", "answers", "images"], Field(description="how much of what is answered")]
    share: Annotated[float, Field(description="of the answers that are kept")]
    problem: NotRequired[Annotated[str, Field(description="why they can't be read or written now")]]


class Live(LiveFigures):
    """The figures in use.

    `feedback` and `windows` last over restarts, and are of all services on one database: `windows` by model, version
    and window (hour, day, week, all), of the versions that are served and of some before them; `feedback` by model, of
    the version that is served. Where a model is asked for, both have that one alone.
    """

    feedback: Annotated[dict[str, Feedback], Field(description="by model, of the version that is served")]
    windows: Annotated[dict[str, dict[str, VersionFigures]], Field(description="by model, version and window")]
    records: Annotated[RecordsState, Field(description="what is kept")]


class Metrics(TypedDict):
    """One model's accuracy on its test set, and the figures in use."""

    accuracy: Annotated[float, Field(description="on the test set")]
    model: Annotated[ModelReference, Field(description="that was asked for; else the one that answers unless named")]
    evaluation: Annotated[Evaluation, Field(description="what was measured on the test set")]
    live: Annotated[Live, Field(description="in use")]


router = Router(tags=["metrics"])

_PROMETHEUS_TYPES = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in _PROMETHEUS_TYPES}},
        **problems(404, 503),
    },
    response_model=Metrics,
)
def metrics(
    parts: DepParts,
    model: Annotated[
        str | None, Query(description="whose figures JSON shows; Prometheus gets those of all, by model")
    ] = None,
    accept: Annotated[str, Header(description="JSON unless it asks for Prometheus text")] = "",
) -> Metrics | Response:
    """One model's accuracy, its whole evaluation and the live figures: the default model's unless one is named.

    Prometheus text where `Accept` names text/plain or OpenMetrics and not application/json first.
    """
    windows, problem = _read(parts)
    if preferred(accept, ("application/json", *_PROMETHEUS_TYPES)) != "application/json":
        content, content_type = parts.telemetry.exposition(accept, window_metrics(windows, parts.models))
        return Response(content, headers={"Content-Type": content_type})
    shown = parts.models.get(model)
    if model is not None:
        windows = {name: figures for name, figures in windows.items() if name == shown.name}
    evaluation = shown.metadata.evaluation
    return {
        "accuracy": evaluation.accuracy,
        "model": shown.reference,
        "evaluation": evaluation,
        "live": _live(parts, shown.name, windows, problem),
    }


def _read(parts: Parts) -> tuple[dict[str, dict[str, VersionFigures]], str | None]:
    """The windows; or none, and why they can't be read."""
    if parts.records.writer.problem is not None:  # the next try to write will tell when it is gone
        return {}, parts.records.writer.problem
    try:
        return parts.records.windows(parts.models), None
    except RecordsError as error:
        return {}, str(error)


def _live(parts: Parts, name: str, windows: dict[str, dict[str, VersionFigures]], problem: str | None) -> Live:
    records: RecordsState = {"keeps": parts.settings.record, "share": parts.settings.record_share}
    if problem is not None:
        records["problem"] = problem
    feedback = {
        model.name: found
        for model in parts.models
        if (versions := windows.get(model.name)) and (found := _feedback(versions[model.version]["all"]))
    }
    return {**parts.telemetry.live_figures(name), "feedback": feedback, "windows": windows, "records": records}


def _feedback(found: WindowFigures) -> Feedback | None:
    accuracy, interval = found["accuracy"], found["accuracy_interval"]
    error, matrix = found["calibration_error"], found["confusion_matrix"]
    if accuracy is None or interval is None or error is None or matrix is None:
        return None
    feedback: Feedback = {
        "count": found["labels"] - found["reviewed"],
        "correct": sum(row[label] for label, row in enumerate(matrix)),
        "accuracy": accuracy,
        "accuracy_interval": interval,
        "calibration_error": error,
        "confusion_matrix": matrix,
    }
    if "warning" in found:
        feedback["warning"] = found["warning"]
    return feedback
