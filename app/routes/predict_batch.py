"""`POST /predict/batch`: many image files to their class probabilities, in one matrix product."""

from typing import Annotated

from fastapi import Query
from pydantic import Field
from typing_extensions import TypedDict

from app.classifier.errors import ImageError
from app.engine.calls import DepCall
from app.engine.forms import Upload
from app.engine.openapi import problems
from app.engine.problems import ItemProblem, RequestError
from app.engine.routes import Router
from app.parts import DepParts, Parts
from app.routes import bodies
from app.routes.images import FittingOptions, ImageOptions, ManyImagesRoute, decode, read_images
from app.routes.predict import complete, shown
from app.serving.answers import ModelReference, Prediction
from app.serving.live_model import LiveModel

__all__ = ["decode_or_problem", "router"]


class BatchAnswer(TypedDict):
    """A prediction or a problem for each image, in the order of the files."""

    model: Annotated[ModelReference, Field(description="which answered")]
    predictions: Annotated[
        list[Prediction | ItemProblem],
        Field(description="one for each file, in their order; with `status` where it is a problem"),
    ]


router = Router(tags=["classification"], route_class=ManyImagesRoute)


@router.post(
    "/predict/batch",
    responses=bodies.example(bodies.BATCH) | problems(400, 404, 413, 415, 422, 503),
    openapi_extra=bodies.many_images(),
)
def predict_batch(call: DepCall, parts: DepParts, options: Annotated[ImageOptions, Query()]) -> BatchAnswer:
    """Class probabilities of each image, in order; one that can't be classified gets its problem, the others go on."""
    model = parts.model(call, options.model, options.version)
    uploads = read_images(call, parts)
    decoded = [decode_or_problem(parts, model, upload, options, len(uploads)) for upload in uploads]
    images = [image for image in decoded if isinstance(image, bytes)]
    made = model.predict_batch(images)
    call.afterwards(parts.ledger.note, model, made, images)
    predictions = iter(made)
    answer: BatchAnswer = {"model": model.reference, "predictions": []}
    for image in decoded:
        if isinstance(image, bytes):
            prediction = next(predictions)
            complete(prediction, model, image, options)
            answer["predictions"].append(shown(prediction, options.top_k))
        else:
            answer["predictions"].append(image)
    return answer


def decode_or_problem(
    parts: Parts, model: LiveModel, upload: Upload, options: FittingOptions, among: int
) -> bytes | ItemProblem:
    """What the model is to see of one of several images, or why it can't be classified."""
    try:
        return decode(parts, model, upload, options, among)
    except (ImageError, RequestError) as error:
        return parts.problems.of_item(error)
