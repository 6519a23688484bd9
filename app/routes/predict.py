"""`POST /predict`: one image file to its class probabilities."""

from operator import itemgetter
from typing import Annotated, TypeVar

from fastapi import Query

from app.classifier.softmax import SIDE
from app.engine.calls import DepCall
from app.engine.openapi import problems
from app.engine.routes import Router
from app.engine.together import together
from app.parts import DepParts
from app.routes import bodies
from app.routes.images import ImageOptions, OneImageRoute, decode, read_image
from app.serving.answers import Classification, ExplanationReport, LeftOut, Prediction
from app.serving.live_model import LiveModel

Shown = TypeVar("Shown", Prediction, ExplanationReport)

router = Router(tags=["classification"], route_class=OneImageRoute)


@router.post(
    "/predict",
    responses=bodies.example(bodies.PREDICTION) | problems(400, 404, 413, 415, 422, 503),
    openapi_extra=bodies.one_image(),
)
async def predict(call: DepCall, parts: DepParts, options: Annotated[ImageOptions, Query()]) -> Prediction:
    """Class probabilities of one image, sent as the form's part `file` or as the whole body."""
    model = parts.model(call, options.model, options.version)
    pixels = decode(parts, model, read_image(call), options)
    prediction = await together(model.predict_batch, pixels)
    call.afterwards(parts.ledger.note, model, [prediction], [pixels])
    complete(prediction, model, pixels, options)
    return shown(prediction, options.top_k)


def complete(prediction: Classification, model: LiveModel, pixels: bytes, options: ImageOptions) -> None:
    """Add what the options ask for, the pixels that the model saw and the prediction set; and what else to ask for.

    Raises:
        UncalibratedModelError: the model can't promise a coverage.
    """
    for warning in prediction.get("warnings", ()):
        if warning["code"] == "inverted" and options.invert is None:
            otherwise = "false" if model.metadata.preparation.invert else "true"
            warning["detail"] += f" Ask for invert={otherwise} if it is."
    if options.pixels:
        prediction["pixels"] = rows(pixels)
    if options.coverage is not None:
        model.add_prediction_set(prediction, options.coverage)


def shown(prediction: Shown, top_k: int | None) -> Shown:
    """A prediction with its likeliest labels alone, and what was left out; without `top_k` the same one."""
    probabilities = prediction["probabilities"]
    if top_k is None or top_k >= len(probabilities):
        return prediction
    likeliest = dict(sorted(probabilities.items(), key=itemgetter(1), reverse=True)[:top_k])
    rest: LeftOut = {"labels": len(probabilities) - top_k, "probability": max(0.0, 1 - sum(likeliest.values()))}
    return {**prediction, "probabilities": likeliest, "left_out": rest}


def rows(pixels: bytes) -> list[list[int]]:
    """784 pixel values as 28 rows of 28."""
    return [list(pixels[start : start + SIDE]) for start in range(0, len(pixels), SIDE)]
