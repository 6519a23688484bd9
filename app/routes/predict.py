"""`POST /predict`: one image file to its class probabilities."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.classifier.images import read_pixels
from app.classifier.softmax import SIDE
from app.front import DirectRoute
from app.routes import documentation, state
from app.schemas import ImageOptions, Prediction
from app.uploads import read_upload

router = APIRouter(tags=["classification"], route_class=DirectRoute)


@router.post(
    "/predict",
    responses=documentation.problems(400, 404, 413, 415, 422, 503),
    openapi_extra=documentation.one_image(),
)
async def predict(request: Request, options: Annotated[ImageOptions, Query()]) -> Prediction:
    """Class probabilities of one image, sent as the form's part `file` or as the whole body."""
    model = state.models(request).get(options.model)
    upload = await read_upload(request, state.settings(request).max_image_bytes)
    pixels = read_pixels(upload.content, name=upload.name, resize=options.resize, invert=options.invert)
    [prediction] = model.predict([pixels])
    if options.pixels:
        prediction["pixels"] = [list(pixels[start : start + SIDE]) for start in range(0, len(pixels), SIDE)]
    state.telemetry(request).prediction(model.name, prediction["label"])
    return prediction
