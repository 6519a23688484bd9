"""How good a model is on images that it was not trained on."""

import torch
from torch.nn import functional
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from app.classifier.artifact import ClassScores, Evaluation
from app.classifier.intervals import wilson_interval
from app.classifier.softmax import SoftmaxRegression, to_inputs
from training.datasets import Split

__all__ = ["evaluate"]


def evaluate(model: SoftmaxRegression, split: Split, labels: tuple[str, ...]) -> Evaluation:
    """Measure a model, through the very code that serves it."""
    logits = model.logits(to_inputs(split.pixels))  # [N, C]
    probabilities = torch.softmax(logits, dim=1)
    count = len(labels)
    correct = int((probabilities.argmax(1) == split.class_ids).sum())
    precision, recall, f1 = (
        score(probabilities, split.class_ids, num_classes=count, average=None).tolist()
        for score in (multiclass_precision, multiclass_recall, multiclass_f1_score)
    )
    matrix = multiclass_confusion_matrix(probabilities, split.class_ids, count)
    return Evaluation(
        sample_count=len(split),
        accuracy=correct / len(split),
        accuracy_interval=wilson_interval(correct, len(split)),
        loss=float(functional.cross_entropy(logits, split.class_ids)),
        calibration_error=float(multiclass_calibration_error(probabilities, split.class_ids, count, n_bins=15)),
        classes=tuple(
            ClassScores(label=label, precision=p, recall=r, f1=f, sample_count=n)
            for label, p, r, f, n in zip(labels, precision, recall, f1, matrix.sum(1).tolist(), strict=True)
        ),
        confusion_matrix=tuple(map(tuple, matrix.tolist())),
    )
