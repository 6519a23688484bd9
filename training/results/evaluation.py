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

__all__ = ["calibrate", "evaluate", "logits_of", "pixel_statistics"]

_COVERAGES = (0.9, 0.95, 0.99)
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


def evaluate(
    model: SoftmaxRegression,
    split: Split | FileSplit,
    labels: tuple[str, ...],
    *,
    conformal: ConformalScores | None = None,
    guard: PixelStatistics | None = None,
) -> Evaluation:
    """Measure a model on all images of a split; its prediction sets and its input guard where they are given.

    Raises:
        DivergedError: its loss is not finite: it was trained with too high a learning rate, up to its last step.
    """
    from torchmetrics.functional import classification as metrics  # noqa: PLC0415 - takes seconds, with SciPy behind it

    class_ids, count = split.class_ids, len(labels)
    logits = logits_of(model, split)  # [N, C]
    loss = float(functional.cross_entropy(logits, class_ids))
    if not math.isfinite(loss):
        raise DivergedError(
            "The loss on the test images is not finite: --lr is too high for these data; nothing was saved."
        )
    probabilities = torch.softmax(logits, dim=1)
    correct = int((probabilities.argmax(1) == class_ids).sum())
    precision, recall, f1 = (
        score(probabilities, class_ids, num_classes=count, average=None).tolist()
        for score in (metrics.multiclass_precision, metrics.multiclass_recall, metrics.multiclass_f1_score)
    )
    matrix = metrics.multiclass_confusion_matrix(probabilities, class_ids, count)
    return Evaluation(
        sample_count=len(split),
        accuracy=correct / len(split),
        accuracy_interval=wilson_interval(correct, len(split)),
        top_2_accuracy=float(metrics.multiclass_accuracy(probabilities, class_ids, count, average="micro", top_k=2)),
        loss=loss,
        calibration_error=float(metrics.multiclass_calibration_error(probabilities, class_ids, count, n_bins=15)),
        coverages=_coverages(conformal, probabilities, class_ids) if conformal else (),
        flagged_share=_flagged_share(guard, split) if guard else None,
        inverted_flagged_share=_flagged_share(guard, split, inverted=True) if guard else None,
        classes=tuple(
            ClassScores(label=label, precision=p, recall=r, f1=f, sample_count=n)
            for label, p, r, f, n in zip(labels, precision, recall, f1, matrix.sum(1).tolist(), strict=True)
        ),
        confusion_matrix=tuple(map(tuple, matrix.tolist())),
    )


def _coverages(conformal: ConformalScores, probabilities: Tensor, class_ids: Tensor) -> tuple[CoverageScores, ...]:
    rows, truths = probabilities.tolist(), class_ids.tolist()
    found = []
    for coverage in _COVERAGES:
        sets = [conformal.class_ids(row, coverage) for row in rows]
        covered = sum(truth in chosen for truth, chosen in zip(truths, sets, strict=True))
        found.append(
            CoverageScores(
                coverage=coverage,
                measured_coverage=covered / len(sets),
                mean_set_size=sum(map(len, sets)) / len(sets),
            )
        )
    return tuple(found)


def _flagged_share(guard: PixelStatistics, split: Split | FileSplit, *, inverted: bool = False) -> float:
    flagged = 0
    for pixels, _ in split.blocks():
        shown = 255 - pixels if inverted else pixels
        oddities = guard.oddities([row.tobytes() for row in shown.numpy()], shown.float())
        flagged += len(oddities) - oddities.count(None)
    return flagged / len(split)
