"""What the models that are served answer, as typed dicts: what is built is what is sent."""

from typing import NotRequired

from typing_extensions import TypedDict

from app.classifier.pixel_statistics import Oddity

__all__ = [
    "BorderReport",
    "ClassReport",
    "Classification",
    "CounterfactualReport",
    "ExplanationReport",
    "InputWarning",
    "LiveFigures",
    "ModelReference",
    "Prediction",
    "Templates",
]


class ModelReference(TypedDict):
    """Which model gave an answer."""

    name: str
    version: str


class InputWarning(TypedDict):
    """The image looks unlike the training images."""

    code: Oddity
    detail: str


class Classification(TypedDict):
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


class Prediction(Classification):
    """The answer to one image, under an id by which its truth can be told later."""

    id: str


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


class ExplanationReport(Classification):
    """A classification with its exact reasons; maps are 28×28, in logits."""

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


class LiveFigures(TypedDict):
    """What the models that are served have done since the start, over all workers."""

    requests: int
    predictions: dict[str, int]
    unusual_inputs: dict[str, int]
    unusual_share: float  # of the images that /predict and /predict/batch classified
