"""`POST /explain`: a prediction with its exact reasons, as JSON or as a picture."""

from typing import Annotated

import torch
from fastapi import APIRouter, Query, Response
from torch import Tensor

from app.classifier.explanation import Border, Counterfactual, Explanation
from app.classifier.images import read_pixels
from app.classifier.picture import draw
from app.front import Call
from app.routes import documentation
from app.routes.negotiation import preferred
from app.routes.predict import rows
from app.schemas import BorderReport, ClassReport, CounterfactualReport, ExplainOptions, ExplanationReport, Prediction
from app.uploads import OneImageRoute, read_image

router = APIRouter(tags=["classification"], route_class=OneImageRoute)

_MEDIA_TYPES = ("application/json", "image/png")
_DECIMALS = 9  # of a map's values: 784 of them still add up to their sum within 1e-6


@router.post(
    "/explain",
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **documentation.problems(400, 404, 413, 415, 422, 503),
    },
    openapi_extra=documentation.one_image(),
    response_model=ExplanationReport,
)
def explain(call: Call, options: Annotated[ExplainOptions, Query()]) -> ExplanationReport | Response:
    """What each pixel contributed to the answer, and the smallest change that would flip it.

    A picture for a report where `Accept` names image/png.
    """
    model = call.components.models.get(options.model)
    upload = read_image(call)
    pixels = read_pixels(upload.content, name=upload.name, resize=options.resize, invert=options.invert)
    explanation = model.explain(pixels, options.against)
    if preferred(call.header_fields.get(b"accept", b"").decode("latin-1"), _MEDIA_TYPES) == "image/png":
        return Response(draw(explanation, pixels, model.metadata.labels), media_type="image/png")
    prediction = model.predict(pixels)
    if options.pixels:
        prediction["pixels"] = rows(pixels)
    return _report(prediction, explanation)


def _report(prediction: Prediction, explanation: Explanation) -> ExplanationReport:
    labels = list(prediction["probabilities"])
    return {
        **prediction,
        "rival": labels[explanation.rival],
        "classes": _class_reports(labels, explanation),
        "contributions": _map(explanation.contributions),
        "difference": _map(explanation.difference),
        "border": {"l2": _border(explanation.l2, labels), "linf": _border(explanation.linf, labels)},
        "counterfactual": _counterfactual(explanation.counterfactual, labels),
    }


def _class_reports(labels: list[str], explanation: Explanation) -> list[ClassReport]:
    columns = (explanation.logits.tolist(), explanation.bias.tolist(), explanation.sums.tolist())
    return [
        {"label": label, "logit": logit, "bias": bias, "contribution": contribution}
        for label, logit, bias, contribution in zip(labels, *columns, strict=True)
    ]


def _map(values: Tensor) -> list[list[float]]:
    rows: list[list[float]] = torch.round(values, decimals=_DECIMALS).tolist()
    return rows


def _border(border: Border | None, labels: list[str]) -> BorderReport | None:
    return None if border is None else {"label": labels[border.class_id], "distance": border.distance}


def _counterfactual(found: Counterfactual | None, labels: list[str]) -> CounterfactualReport | None:
    if found is None:
        return None
    class_id = int(found.probabilities.argmax())
    return {
        "label": labels[class_id],
        "confidence": float(found.probabilities[class_id]),
        "pixels": found.pixels.tolist(),
        "l2": found.l2,
        "linf": found.linf,
    }
