"""`POST /feedback`: images with their true labels, for the accuracy in use."""

from typing import Annotated

from fastapi import APIRouter, Query
from typing_extensions import TypedDict

from app.engine.calls import DepCall
from app.engine.forms import Upload
from app.engine.openapi import problems
from app.engine.problems import ItemProblem
from app.parts import DepParts, Parts
from app.routes import bodies
from app.routes.images import FittingOptions, ManyImagesRoute, decode, read_labeled_images
from app.routes.predict_batch import decode_or_problem
from app.serving.answers import Judgment, ModelReference, Prediction


class FeedbackReport(TypedDict):
    """How the model did on the images that were sent, in their order."""

    model: ModelReference
    count: int
    correct: int
    answers: list[Judgment | ItemProblem]


router = APIRouter(tags=["classification"], route_class=ManyImagesRoute)


@router.post(
    "/feedback",
    responses=problems(400, 404, 413, 415, 422, 503),
    openapi_extra=bodies.labeled_images(),
)
def feedback(call: DepCall, parts: DepParts, options: Annotated[FittingOptions, Query()]) -> FeedbackReport:
    """Whether the model is right about images of which the truth is known; it counts towards the live accuracy.

    Of several images, one that can't be classified has a problem for an answer and is not counted; a lone one is
    refused. A label that the model does not have refuses the whole request before anything is counted.
    """
    model = parts.model(call, options.model)
    images = read_labeled_images(call, parts)
    for image in images:
        model.check_label(image.label)
    decoded = _decode_all(parts, [image.upload for image in images], options)
    predictions = iter(model.predict_batch([image for image in decoded if isinstance(image, bytes)]))
    report: FeedbackReport = {"model": model.reference, "count": 0, "correct": 0, "answers": []}
    for image, pixels in zip(images, decoded, strict=True):
        if not isinstance(pixels, bytes):
            report["answers"].append(pixels)
            continue
        judgment = _judge(next(predictions), image.label)
        parts.telemetry.feedback.count(model, judgment)
        report["answers"].append(judgment)
        report["count"] += 1
        report["correct"] += judgment["correct"]
    return report


def _decode_all(parts: Parts, uploads: list[Upload], options: FittingOptions) -> list[bytes | ItemProblem]:
    if len(uploads) == 1:
        return [decode(parts, uploads[0], options)]
    return [decode_or_problem(parts, upload, options, len(uploads)) for upload in uploads]


def _judge(prediction: Prediction, truth: str) -> Judgment:
    return {
        "label": prediction["label"],
        "true_label": truth,
        "correct": prediction["label"] == truth,
        "confidence": prediction["confidence"],
    }
