"""`POST /feedback`: images with their true labels, for the accuracy in use."""

from typing import Annotated, cast

from fastapi import APIRouter, Query

from app.classifier.errors import ImageError
from app.classifier.images import read_pixels
from app.errors import ServiceError, describe, problem
from app.front import Call
from app.live_models import LiveModel
from app.routes import documentation
from app.schemas import FeedbackReport, FittingOptions, ImageProblem, Judgment
from app.uploads import LabeledImage, LabeledImagesRoute, read_labeled_images

router = APIRouter(tags=["classification"], route_class=LabeledImagesRoute)


@router.post(
    "/feedback",
    responses=documentation.problems(400, 404, 413, 415, 422, 503),
    openapi_extra=documentation.labeled_images(),
)
def feedback(call: Call, options: Annotated[FittingOptions, Query()]) -> FeedbackReport:
    """Whether the model is right about images of which the truth is known; it counts towards the live accuracy.

    Of several images, one that can't be classified has a problem for an answer and is not counted; a lone one is
    refused. A label that the model does not have refuses the whole request before anything is counted.
    """
    model = call.components.models.get(options.model)
    images = read_labeled_images(call)
    for image in images:
        model.check_label(image.label)
    answers = [_answer(call, model, image, options, alone=len(images) == 1) for image in images]
    judged = [cast("Judgment", answer)["correct"] for answer in answers if "correct" in answer]
    return {"model": model.reference, "count": len(judged), "correct": sum(judged), "answers": answers}


def _answer(
    call: Call, model: LiveModel, image: LabeledImage, options: FittingOptions, *, alone: bool
) -> Judgment | ImageProblem:
    try:
        upload = image.checked(call.components.settings.max_image_bytes)
        pixels = read_pixels(upload.content, name=upload.name, resize=options.resize, invert=options.invert)
    except (ImageError, ServiceError) as error:
        if alone:
            raise
        return problem(*describe(error))
    prediction = model.predict(pixels)
    predicted, confidence = prediction["label"], prediction["confidence"]
    call.components.telemetry.feedback.count(model, image.label, predicted, confidence)
    correct = predicted == image.label
    return {"label": predicted, "true_label": image.label, "correct": correct, "confidence": confidence}
