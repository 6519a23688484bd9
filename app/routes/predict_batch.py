"""`POST /predict/batch`: many image files to their class probabilities, in one matrix product."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.classifier.errors import ImageError
from app.engine.routes import Call
from app.errors import ServiceError, describe, problem
from app.routes import bodies as documentation
from app.routes.images import ManyImagesRoute, Upload, decode, read_images
from app.routes.predict import complete
from app.serving.answers import BatchAnswer, FittingOptions, ImageOptions, ImageProblem

__all__ = ["decode_or_problem", "router"]

router = APIRouter(tags=["classification"], route_class=ManyImagesRoute)


@router.post(
    "/predict/batch",
    responses=documentation.problems(400, 404, 413, 415, 422, 503),
    openapi_extra=documentation.many_images(),
)
def predict_batch(call: Call, options: Annotated[ImageOptions, Query()]) -> BatchAnswer:
    """Class probabilities of each image, in order; one that can't be classified gets its problem, the others go on."""
    model = call.model(options.model)
    uploads = read_images(call)
    decoded = [decode_or_problem(call, upload, options, len(uploads)) for upload in uploads]
    call.predictions = model.predict_batch([image for image in decoded if isinstance(image, bytes)])
    predictions = iter(call.predictions)
    answer: BatchAnswer = {"model": model.reference, "predictions": []}
    for image in decoded:
        if isinstance(image, bytes):
            prediction = next(predictions)
            complete(prediction, model, image, options)
            answer["predictions"].append(prediction)
        else:
            answer["predictions"].append(image)
    return answer


def decode_or_problem(call: Call, upload: Upload, options: FittingOptions, among: int) -> bytes | ImageProblem:
    """What the model is to see of one of several images, or why it can't be classified."""
    try:
        return decode(call, upload, options, among)
    except (ImageError, ServiceError) as error:
        return problem(*describe(error))
