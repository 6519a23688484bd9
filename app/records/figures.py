"""What the sums of a window say of a version: how good it is in use, how sure that is, and what has changed."""

from collections.abc import Sequence
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from app.classifier.intervals import wilson_interval
from app.classifier.metadata import Evaluation
from app.records.drift import Drift, drift
from app.records.settling import NO_CLASS
from app.records.sums import BINS, Amount
from app.records.windows import Counts, Window

__all__ = ["EstimatedAccuracy", "VersionFigures", "WindowFigures", "figures"]

_CANNOT_SEE = "a change of what the labels mean, or images that the model is sure of and wrong about"


class EstimatedAccuracy(TypedDict):
    """The accuracy that the confidences promise, without any label."""

    accuracy: Annotated[float, Field(description="the mean confidence")]
    low: Annotated[
        float, Field(description="less the calibration error on the test set, by which confidences miss the accuracy")
    ]
    high: Annotated[float, Field(description="plus it")]
    cannot_see: Annotated[str, Field(description="what leaves it as it is")]


class WindowFigures(TypedDict):
    """Figures in use of one version and window, by the time of the answers.

    Where a share of the answers is recorded, each label stands for as many as its answer does. Labels that review asked
    for because of what they teach speak for no other answers: they are in `reviewed`, and not in the accuracy.
    """

    answers: Annotated[int, Field(description="images that were classified")]
    labels: Annotated[int, Field(description="answers of which the truth is known")]
    labeled_share: Annotated[
        float | None, Field(description="of the answers; at most 1, though feedback may bring new images")
    ]
    reviewed: Annotated[int, Field(description="of the labels")]
    disputed: Annotated[int, Field(description="of the labels: their sources disagree, the newest counts")]
    none_of_these: Annotated[int, Field(description="of the labels: what is of no class")]
    accuracy: Annotated[float | None, Field(description="by the labels")]
    accuracy_interval: Annotated[tuple[float, float] | None, Field(description="95 %, by Wilson's score")]
    calibration_error: Annotated[float | None, Field(description="expected, over 15 equal bins of confidence")]
    confusion_matrix: Annotated[list[list[int]] | None, Field(description="rows: true class, columns: predicted class")]
    unusual_share: Annotated[float | None, Field(description="of the images, those unlike the training images")]
    estimated_accuracy: Annotated[EstimatedAccuracy | None, Field(description="without any label")]
    class_drift: Annotated[Drift | None, Field(description="of the predicted classes from those on the test set")]
    confidence_drift: Annotated[Drift | None, Field(description="of the confidences from those on the test set")]
    warning: NotRequired[
        Annotated[str, Field(description="in words, where the accuracy is below that on the test set")]
    ]


VersionFigures = dict[Window, WindowFigures]


def figures(counts: Counts, labels: Sequence[str], evaluation: Evaluation | None) -> WindowFigures:
    """The figures of one window.

    Args:
        counts: its sums.
        labels: of the version, in the order of class_id.
        evaluation: on its test set; None: it is not known.
    """
    answers, judged, reviewed = counts.total("answers").number, counts.total("labels"), counts.total("reviewed")
    known = judged.number + reviewed.number
    found: WindowFigures = {
        "answers": answers,
        "labels": known,
        "labeled_share": min(1.0, known / answers) if answers else None,
        "reviewed": reviewed.number,
        "disputed": counts.total("disputed").number,
        "none_of_these": _none_of_these(counts, len(labels)),
        "accuracy": None,
        "accuracy_interval": None,
        "calibration_error": None,
        "confusion_matrix": None,
        "unusual_share": _unusual_share(counts),
        "estimated_accuracy": None,
        "class_drift": None,
        "confidence_drift": None,
    }
    if judged.number:
        _judge(found, counts, judged, len(labels))
    if evaluation is not None and answers:
        found["estimated_accuracy"] = _estimate(counts.total("answers"), evaluation)
        found["class_drift"] = drift(_by_class(counts, len(labels)), _predicted(evaluation))
        if evaluation.confidence_counts is not None:
            found["confidence_drift"] = drift(_by_confidence(counts), evaluation.confidence_counts)
    if evaluation is not None and (warning := _warning(found, evaluation)):
        found["warning"] = warning
    return found


def _judge(found: WindowFigures, counts: Counts, judged: Amount, classes: int) -> None:
    """Fill in what labels say. The interval is that of as many labels of equal weight as tell as much (Kish 1965)."""
    right = sum(counts.of("calibration", row, 1).weight for row in range(BINS))
    equal = judged.weight**2 / judged.squares
    found["accuracy"] = accuracy = right / judged.weight
    found["accuracy_interval"] = wilson_interval(equal * accuracy, equal)
    gaps = (
        counts.of("calibration", row, 1).weight
        - counts.of("calibration", row, 0).confidence
        - counts.of("calibration", row, 1).confidence
        for row in range(BINS)
    )
    found["calibration_error"] = sum(map(abs, gaps)) / judged.weight
    found["confusion_matrix"] = [
        [counts.of("labels", row, col).number for col in range(classes)] for row in range(classes)
    ]


def _estimate(answers: Amount, evaluation: Evaluation) -> EstimatedAccuracy:
    mean = answers.confidence / answers.number
    error = evaluation.calibration_error
    return {
        "accuracy": mean,
        "low": max(0.0, mean - error),
        "high": min(1.0, mean + error),
        "cannot_see": _CANNOT_SEE,
    }


def _none_of_these(counts: Counts, classes: int) -> int:
    return sum(counts.of(figure, NO_CLASS, col).number for figure in ("labels", "reviewed") for col in range(classes))


def _unusual_share(counts: Counts) -> float | None:
    checked = counts.total("checked").number
    return counts.total("unusual").number / checked if checked else None


def _by_class(counts: Counts, classes: int) -> list[int]:
    return [counts.of("answers", row).number for row in range(classes)]


def _by_confidence(counts: Counts) -> list[int]:
    return [counts.of("confidences", row).number for row in range(BINS)]


def _predicted(evaluation: Evaluation) -> list[int]:
    """Answers on the test set, by class."""
    return [sum(column) for column in zip(*evaluation.confusion_matrix, strict=True)]


def _warning(found: WindowFigures, evaluation: Evaluation) -> str | None:
    low, high = evaluation.accuracy_interval
    if found["accuracy"] is None or found["accuracy_interval"] is None or found["accuracy"] >= low:
        return None
    text = f"Live accuracy {found['accuracy']:.1%} lies below the test accuracy's interval, {low:.1%} to {high:.1%}"
    if found["accuracy_interval"][1] >= low:
        return f"{text}; with {found['labels'] - found['reviewed']} labels that may still be chance."
    return f"{text}, and not by chance: look at what has changed in the images."
