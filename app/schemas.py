"""Query options and response bodies. Bodies are typed dicts: what is built is what is sent."""

from typing import Any, NotRequired

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from app.classifier.artifact import Evaluation, Metadata

__all__ = [
    "BatchAnswer",
    "ImageOptions",
    "ImageProblem",
    "LiveFigures",
    "Metrics",
    "ModelCard",
    "ModelList",
    "ModelReference",
    "Prediction",
    "Problem",
    "Status",
]


class ImageOptions(BaseModel):
    """The query parameters of every route that takes images."""

    model: str | None = Field(None, description="name of the model; without it the default model answers")
    resize: bool = Field(default=False, description="fit an image of any size into 28×28 (letter-boxed, area-averaged)")
    invert: bool = Field(default=False, description="turn dark-on-light into light-on-dark")
    pixels: bool = Field(default=False, description="also return the 28×28 pixels that the model saw")


class ModelReference(TypedDict):
    """Which model gave an answer."""

    name: str
    version: str


class Prediction(TypedDict):
    """The class probabilities of one image."""

    label: str
    class_id: int
    confidence: float
    probabilities: dict[str, float]
    model: ModelReference
    pixels: NotRequired[list[list[int]]]


class ImageProblem(TypedDict):
    """Why one image of a batch could not be classified."""

    type: str
    title: str
    status: int
    detail: str


class Problem(ImageProblem):
    """A problem document (RFC 9457)."""

    request_id: str


class BatchAnswer(TypedDict):
    """A prediction or a problem for each image, in the order of the files."""

    model: ModelReference
    predictions: list[Prediction | ImageProblem]


class Status(TypedDict):
    """Whether the service lives, or is ready, and if not, why."""

    status: str
    reason: NotRequired[str]


class ModelCard(TypedDict):
    """One model that is served."""

    name: str
    version: str
    default: bool
    metadata: Metadata


class ModelList(TypedDict):
    """All models, and the model files that could not be loaded with the reason for each."""

    models: list[ModelCard]
    failed: dict[str, str]


class LiveFigures(TypedDict):
    """What the service has done since it started, over all its workers."""

    requests: int
    predictions: dict[str, int]


class Metrics(TypedDict):
    """The default model's accuracy on its test set and the figures in use."""

    accuracy: float
    model: ModelReference
    evaluation: Evaluation
    live: LiveFigures


ProblemResponses = dict[int | str, dict[str, Any]]
