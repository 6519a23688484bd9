"""How good a model is on images that it was not trained on."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from app.classifier.conformal import ConformalScores
from app.classifier.intervals import wilson_interval
from app.classifier.metadata import ClassScores, CoverageScores, Evaluation
from app.classifier.pixel_statistics import PixelStatistics
from app.classifier.softmax import SoftmaxRegression, to_inputs
from training.data.splits import FileSplit, Split
from training.errors import DivergedError

__all__ = ["calibrate", "evaluate", "logits_of", "pixel_statistics", "scores_of"]

_COVERAGES = (0.9, 0.95, 0.99)
_BINS = 15  # of the calibration error
_MEASURED = 100_000  # images that the pixel statistics are taken from, about


def logits_of(model: SoftmaxRegression, split: Split | FileSplit) -> Tensor:
    """float32 [N, C], through the very code that serves the model."""
    return torch.cat([model.logits(to_inputs(pixels)) for pixels, _ in split.blocks()])


def calibrate(model: SoftmaxRegression, validation: Split) -> ConformalScores | None:
    """The conformal scores of images that the model was not trained on; None where there are none."""
    if not len(validation):
        return None
    return ConformalScores.measure(torch.softmax(logits_of(model, validation), dim=1), validation.class_ids)


def pixel_statistics(train: Split | FileSplit) -> PixelStatistics:
    """Those of all training images, or of evenly spaced ones where there are very many."""
    step = len(train) // _MEASURED + 1
    return PixelStatistics.measure(torch.cat([pixels[::step] for pixels, _ in train.blocks()]))


def evaluate(model: SoftmaxRegression, split: Split | FileSplit, labels: tuple[str, ...]) -> Evaluation:
    """Measure a model on all images of a split.

    Raises:
        DivergedError: its loss is not finite: it was trained with too high a learning rate, up to its last step.
    """
    return scores_of(logits_of(model, split), split, labels)


def scores_of(
    logits: Tensor,
    split: Split | FileSplit,
    labels: tuple[str, ...],
    *,
    conformal: ConformalScores | None = None,
    statistics: PixelStatistics | None = None,
) -> Evaluation:
    """Hold answers against the truth, and what choosing prediction sets and warning of odd images takes, if given.

    Classes are ranked by their logits: probabilities beyond 1 in 10^38 are all 0.

    Args:
        logits: float32 [N, C].
        split: the N images.
        labels: the C classes.
        conformal: chooses the prediction sets.
        statistics: of the training images; serving warns of images that look unlike them.

    Raises:
        DivergedError: the loss is not finite.
    """
    class_ids, count = split.class_ids, len(labels)
    loss = float(functional.cross_entropy(logits.double(), class_ids))
    if not math.isfinite(loss):
        raise DivergedError(
            "The loss on the test images is not finite: --lr is too high for these data; nothing was saved."
        )
    probabilities, predicted = torch.softmax(logits, dim=1), logits.argmax(1)
    matrix = torch.bincount(class_ids * count + predicted, minlength=count**2).view(count, count)
    correct = int(matrix.trace())
    return Evaluation(
        sample_count=len(split),
        accuracy=correct / len(split),
        accuracy_interval=wilson_interval(correct, len(split)),
        top_2_accuracy=float((logits.topk(2).indices == class_ids[:, None]).any(1).double().mean()),
        loss=loss,
        calibration_error=_calibration_error(probabilities.amax(1).double(), predicted == class_ids),
        confidence_counts=_confidence_counts(probabilities.amax(1).double()),
        coverages=_coverages(conformal, probabilities, class_ids) if conformal else (),
        flagged_share=_warned_share(statistics, split) if statistics else None,
        inverted_flagged_share=_warned_share(statistics, split, inverted=True) if statistics else None,
        classes=_class_scores(matrix, labels),
        confusion_matrix=tuple(map(tuple, matrix.tolist())),
    )


def _class_scores(matrix: Tensor, labels: tuple[str, ...]) -> tuple[ClassScores, ...]:
    """Precision, recall and F1 of each class; what would divide by zero is 0."""
    correct, predicted, true = matrix.diag().double(), matrix.sum(0), matrix.sum(1)
    precision, recall = correct / predicted.clamp(min=1), correct / true.clamp(min=1)
    f1 = 2 * correct / (predicted + true).clamp(min=1)
    columns = (column.tolist() for column in (precision, recall, f1, true))
    return tuple(
        ClassScores(label=label, precision=p, recall=r, f1=f, sample_count=n)
        for label, p, r, f, n in zip(labels, *columns, strict=True)
    )


def _calibration_error(confidence: Tensor, correct: Tensor) -> float:
    """Expected calibration error: mean |accuracy - confidence| over equal bins of confidence, by their images.

    Source: Naeini, Cooper & Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning (2015).
    """
    bins = (confidence * _BINS).ceil().long().clamp(1, _BINS) - 1
    excess = torch.bincount(bins, weights=confidence - correct.double(), minlength=_BINS)
    return float(excess.abs().sum() / len(confidence))


def _confidence_counts(confidence: Tensor) -> tuple[int, ...]:
    """Images in each of the bins that the service counts its answers in, to tell when these drift."""
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    return tuple(torch.bincount(bins, minlength=_BINS).tolist())


def _coverages(conformal: ConformalScores, probabilities: Tensor, class_ids: Tensor) -> tuple[CoverageScores, ...]:
    found = []
    for coverage in _COVERAGES:
        sets = conformal.sets(probabilities, coverage)  # (N, C)
        found.append(
            CoverageScores(
                coverage=coverage,
                measured_coverage=float(sets.gather(1, class_ids[:, None]).double().mean()),
                mean_set_size=float(sets.sum(1).double().mean()),
            )
        )
    return tuple(found)


def _warned_share(statistics: PixelStatistics, split: Split | FileSplit, *, inverted: bool = False) -> float:
    """The share of a split's images that serving would warn of."""
    warned = 0
    for pixels, _ in split.blocks():
        shown = 255 - pixels if inverted else pixels
        usual = shown[statistics.distances(shown) <= statistics.limit]  # which may be blank, though
        codes = statistics.warnings([row.tobytes() for row in usual.numpy()], usual.float())
        warned += len(shown) - codes.count(None)
    return warned / len(split)
