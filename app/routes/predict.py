"""`POST /predict`: one image file to its class probabilities."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.classifier.softmax import SIDE
from app.engine.routes import Call
from app.engine.turns import classify
from app.routes import bodies as documentation
from app.routes.images import OneImageRoute, decode, read_image
from app.serving.answers import ImageOptions, Prediction
from app.serving.live_model import LiveModel

router = APIRouter(tags=["classification"], route_class=OneImageRoute)


@router.post(
    "/predict",
    responses=documentation.problems(400, 404, 413, 415, 422, 503),
    openapi_extra=documentation.one_image(),
)
async def predict(call: Call, options: Annotated[ImageOptions, Query()]) -> Prediction:
    """Class probabilities of one image, sent as the form's part `file` or as the whole body."""
    model = call.model(options.model)
    pixels = decode(call, read_image(call), options)
    prediction = await classify(model, pixels)
    complete(prediction, model, pixels, options)
    call.predictions = [prediction]
    return prediction


def complete(prediction: Prediction, model: LiveModel, pixels: bytes, options: ImageOptions) -> None:
    """Add what the options ask for: the pixels that the model saw, and the prediction set.

    Raises:
        UncalibratedModelError: the model can't promise a coverage.
    """
    if options.pixels:
        prediction["pixels"] = rows(pixels)
    if options.coverage is not None:
        model.add_prediction_set(prediction, options.coverage)


def rows(pixels: bytes) -> list[list[int]]:
    """784 pixel values as 28 rows of 28."""
    return [list(pixels[start : start + SIDE]) for start in range(0, len(pixels), SIDE)]
