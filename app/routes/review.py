"""`GET /review`: recorded images of which a label would teach most."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from typing_extensions import TypedDict

from app.engine.openapi import problems
from app.engine.routes import Router
from app.parts import DepParts
from app.records.review import Reason, ToReview
from app.routes.predict import rows
from app.serving.answers import ModelReference
from app.serving.live_model import LiveModel


class ReviewImage(TypedDict):
    """One image that is worth a label, and what was answered."""

    id: Annotated[str, Field(description="of its answer")]
    time: Annotated[str, Field(description="of the answer, in UTC")]
    reason: Annotated[Reason, Field(description="why a label would teach much")]
    label: Annotated[str, Field(description="the answer")]
    probabilities: Annotated[dict[str, float], Field(description="of each label")]
    pixels: Annotated[list[list[int]], Field(description="what the model saw, 28 rows of 28 values in 0-255")]


class Review(TypedDict):
    """Images to review, in the order in which they are to be shown; `labels` are what they may be."""

    model: Annotated[ModelReference, Field(description="whose answers these are")]
    labels: Annotated[tuple[str, ...], Field(description="that they may be given")]
    images: Annotated[list[ReviewImage], Field(description="in the order to show them in")]


router = Router(tags=["classification"])


@router.get("/review", responses=problems(404, 409, 503))
async def review(
    parts: DepParts,
    model: Annotated[str | None, Query(description="its name; without it, the default model's images")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="the most images")] = 20,
) -> Review:
    """Recorded images without a label, of which one would teach most, each with the reason it was chosen.

    By turns: between two classes, possible in most classes, unlike the training images, and drawn by chance. Tell each
    label by `POST /feedback` with `"source": "review"`: those of images that were drawn by chance count towards the
    accuracy in use, as the others would bias it. An image that is of no class has the label `none of these`.
    """
    found = parts.models.get(model)
    images = await run_in_threadpool(parts.records.review, found, limit)
    return {
        "model": found.reference,
        "labels": found.metadata.labels,
        "images": [_shown(image, found) for image in images],
    }


def _shown(image: ToReview, model: LiveModel) -> ReviewImage:
    probabilities = dict(zip(model.metadata.labels, image.probabilities, strict=True))
    return {
        "id": image.id,
        "time": datetime.fromtimestamp(image.time, UTC).isoformat(),
        "reason": image.reason,
        "label": max(probabilities, key=probabilities.__getitem__),
        "probabilities": probabilities,
        "pixels": rows(image.pixels),
    }
