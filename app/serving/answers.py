"""Query options and response bodies. Bodies are typed dicts: what is built is what is sent."""

from typing import NotRequired

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from app.classifier.metadata import Evaluation, Metadata
from app.classifier.pixel_statistics import Oddity

__all__ = [
    "BatchAnswer",
    "BorderReport",
    "ClassReport",
    "CounterfactualReport",
    "ExplainOptions",
    "ExplanationReport",
    "FeedbackFigures",
    "FeedbackReport",
    "FittingOptions",
    "ImageOptions",
    "ImageProblem",
    "InputWarning",
    "Judgment",
    "LiveFigures",
    "Metrics",
    "ModelCard",
    "ModelList",
    "ModelReference",
    "Prediction",
    "Problem",
    "Status",
    "Templates",
]


class FittingOptions(BaseModel):
    """The query parameters of every route that takes images."""

    model: str | None = Field(None, description="name of the model; without it the default model answers")
    resize: bool = Field(default=False, description="fit an image of any size into 28×28 (letter-boxed, area-averaged)")
    invert: bool = Field(default=False, description="turn dark-on-light into light-on-dark")


class ImageOptions(FittingOptions):
    """The query parameters of `POST /predict`."""

    pixels: bool = Field(default=False, description="also return the 28×28 pixels that the model saw")
    coverage: float | None = Field(
        None, ge=0.5, le=0.999, description="also return the smallest set of labels that holds the truth this likely"
    )


class ExplainOptions(ImageOptions):
    """The query parameters of `POST /explain`."""

    against: str | None = Field(None, description="label to hold the answer against; else the nearest rival")


class ModelReference(TypedDict):
    """Which model gave an answer."""

    name: str
    version: str


class InputWarning(TypedDict):
    """The image looks unlike the training images."""

    code: Oddity
    detail: str


class Prediction(TypedDict):
    """The class probabilities of one image."""

    label: str
    class_id: int
    confidence: float
    probabilities: dict[str, float]
    model: ModelReference
    warnings: NotRequired[list[InputWarning]]
    pixels: NotRequired[list[list[int]]]
    coverage: NotRequired[float]
    prediction_set: NotRequired[list[str]]


class ClassReport(TypedDict):
    """One class's logit, taken apart: logit = bias + contribution."""

    label: str
    logit: float
    bias: float
    contribution: float


class BorderReport(TypedDict):
    """The nearest border of the answer: the smallest change of valid pixels, as inputs of 0-1, that reaches it."""

    label: str
    distance: float


class CounterfactualReport(TypedDict):
    """The nearest image (by L2) that is answered differently, rounded to 8-bit pixels, and the model's answer to it."""

    label: str
    confidence: float
    pixels: list[list[int]]
    l2: float
    linf: float


class ExplanationReport(Prediction):
    """A prediction with its exact reasons; maps are 28×28, in logits."""

    rival: str
    classes: list[ClassReport]
    contributions: list[list[float]]
    difference: list[list[float]]
    border: dict[str, BorderReport | None]
    counterfactual: CounterfactualReport | None


class Templates(TypedDict):
    """What a model has learnt: each class's weights as a 28×28 map, and its bias, in logits for a white pixel."""

    model: ModelReference
    bias: dict[str, float]
    weights: dict[str, list[list[float]]]


class Judgment(TypedDict):
    """The answer to one image of which the truth is known."""

    label: str
    true_label: str
    correct: bool
    confidence: float


class ImageProblem(TypedDict):
    """What every problem has, alone or among the answers to several images."""

    type: str
    title: str
    status: int
    detail: str


class Problem(ImageProblem):
    """A problem document (RFC 9457)."""

    request_id: str


class FeedbackReport(TypedDict):
    """How the model did on the images that were sent, in their order."""

    model: ModelReference
    count: int
    correct: int
    answers: list[Judgment | ImageProblem]


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
    """All models, and why model files were refused; of those an earlier version may be among the models.

    `problem` says why the models folder can't be read, where it can't.
    """

    models: list[ModelCard]
    failed: dict[str, str]
    problem: NotRequired[str]


class FeedbackFigures(TypedDict):
    """The accuracy in use of one model version, by the feedback on it."""

    count: int
    correct: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    calibration_error: float
    confusion_matrix: list[list[int]]
    warning: NotRequired[str]


class LiveFigures(TypedDict):
    """What the models that are served have done since the start, over all workers; feedback by the model's name."""

    requests: int
    predictions: dict[str, int]
    unusual_inputs: dict[str, int]
    unusual_share: float  # of the images that /predict and /predict/batch classified
    feedback: dict[str, FeedbackFigures]


class Metrics(TypedDict):
    """The default model's accuracy on its test set and the figures in use."""

    accuracy: float
    model: ModelReference
    evaluation: Evaluation
    live: LiveFigures
