"""What the models that are served answer, as typed dicts: what is built is what is sent."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from app.classifier.pixel_statistics import WarningCode

__all__ = [
    "BorderReport",
    "ClassReport",
    "Classification",
    "CounterfactualReport",
    "ExplanationReport",
    "InputWarning",
    "LeftOut",
    "LiveFigures",
    "ModelReference",
    "Prediction",
    "Templates",
]


class ModelReference(TypedDict):
    """Which model gave an answer."""

    name: Annotated[str, Field(description="of its folder")]
    version: Annotated[str, Field(description="the first 12 hex digits of its file's SHA-256")]


class InputWarning(TypedDict):
    """The image looks unlike the training images."""

    code: Annotated[WarningCode, Field(description="what it warns of")]
    detail: Annotated[str, Field(description="the same in words, and what may help")]


class LeftOut(TypedDict):
    """Labels that were not asked for."""

    labels: Annotated[int, Field(description="how many")]
    probability: Annotated[float, Field(description="theirs together")]


class Classification(TypedDict):
    """The class probabilities of one image."""

    label: Annotated[str, Field(description="the most probable class")]
    class_id: Annotated[int, Field(description="its place among the model's labels, from 0")]
    confidence: Annotated[float, Field(description="its probability")]
    probabilities: Annotated[dict[str, float], Field(description="of each label; they sum to 1")]
    model: Annotated[ModelReference, Field(description="which answered")]
    left_out: NotRequired[Annotated[LeftOut, Field(description="with `top_k`, the other labels")]]
    warnings: NotRequired[
        Annotated[list[InputWarning], Field(description="what is unusual about the image; absent where nothing is")]
    ]
    pixels: NotRequired[
        Annotated[
            list[list[int]], Field(description="what the model saw, 28 rows of 28 values in 0-255; with `pixels=true`")
        ]
    ]
    coverage: NotRequired[Annotated[float, Field(description="as it was asked for")]]
    prediction_set: NotRequired[
        Annotated[list[str], Field(description="the labels that hold the truth with that probability, likeliest first")]
    ]


class Prediction(Classification):
    """The answer to one image, under an id by which its truth can be told later."""

    id: Annotated[str, Field(description="by which its truth can be told later; unique")]


class ClassReport(TypedDict):
    """One class's logit, taken apart: logit = bias + contribution."""

    label: Annotated[str, Field(description="of the class")]
    logit: Annotated[float, Field(description="its score")]
    bias: Annotated[float, Field(description="the part of the logit that every image gets")]
    contribution: Annotated[float, Field(description="the part of the logit that this image's pixels give")]


class BorderReport(TypedDict):
    """The nearest border of the answer: the smallest change of valid pixels, as inputs of 0-1, that reaches it."""

    label: Annotated[str, Field(description="the answer beyond the border")]
    distance: Annotated[float, Field(description="to the border, in the norm that names this report")]


class CounterfactualReport(TypedDict):
    """The nearest image (by L2) that is answered differently, rounded to 8-bit pixels, and the model's answer to it."""

    label: Annotated[str, Field(description="the model's answer to the changed image")]
    confidence: Annotated[float, Field(description="its probability")]
    pixels: Annotated[list[list[int]], Field(description="of the changed image, 28 rows of 28 values in 0-255")]
    l2: Annotated[float, Field(description="distance to the image that was sent, as inputs of 0-1")]
    linf: Annotated[float, Field(description="the largest change of one pixel, as inputs of 0-1")]


class ExplanationReport(Classification):
    """A classification with its exact reasons; maps are 28×28, in logits."""

    rival: Annotated[str, Field(description="the label that the answer is held against")]
    classes: Annotated[
        list[ClassReport], Field(description="each class's logit, taken apart, in the order of class_id")
    ]
    contributions: Annotated[list[list[float]], Field(description="of each pixel to the logit of the answer")]
    difference: Annotated[list[list[float]], Field(description="of each pixel to the answer's logit less the rival's")]
    border: Annotated[
        dict[str, BorderReport | None],
        Field(description="the nearest border of the answer, by `l2` and by `linf`; null where none can be reached"),
    ]
    counterfactual: Annotated[
        CounterfactualReport | None,
        Field(description="the nearest image that is answered differently; null where none was found"),
    ]


class Templates(TypedDict):
    """What a model has learnt: each class's weights as a 28×28 map, and its bias, in logits for a white pixel."""

    model: Annotated[ModelReference, Field(description="whose weights these are")]
    bias: Annotated[dict[str, float], Field(description="of each label")]
    weights: Annotated[dict[str, list[list[float]]], Field(description="of each label, 28 rows of 28")]


class LiveFigures(TypedDict):
    """What was done since the start, over all workers: the service's requests, and the images of one model."""

    requests: Annotated[int, Field(description="answered, whichever model they asked")]
    predictions: Annotated[dict[str, int], Field(description="images by the label that they were answered with")]
    unusual_inputs: Annotated[dict[str, int], Field(description="images by what was warned of")]
    unusual_share: Annotated[float, Field(description="of what /predict and /predict/batch classified by this model")]
