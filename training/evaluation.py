"""How good a model is on images that it was not trained on."""

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from app.classifier.artifact import ClassScores, Evaluation
from app.classifier.intervals import wilson_interval
from app.classifier.softmax import SoftmaxRegression, to_inputs
from training.splits import FileSplit, Split

__all__ = ["evaluate", "logits_of"]


def logits_of(model: SoftmaxRegression, split: Split | FileSplit) -> Tensor:
    """float32 [N, C], through the very code that serves the model."""
    return torch.cat([model.logits(to_inputs(pixels)) for pixels, _ in split.blocks()])


def evaluate(model: SoftmaxRegression, split: Split | FileSplit, labels: tuple[str, ...]) -> Evaluation:
    """Measure a model on all images of a split."""
    class_ids, count = split.class_ids, len(labels)
    logits = logits_of(model, split)  # [N, C]
    probabilities = torch.softmax(logits, dim=1)
    correct = int((probabilities.argmax(1) == class_ids).sum())
    precision, recall, f1 = (
        score(probabilities, class_ids, num_classes=count, average=None).tolist()
        for score in (multiclass_precision, multiclass_recall, multiclass_f1_score)
    )
    matrix = multiclass_confusion_matrix(probabilities, class_ids, count)
    return Evaluation(
        sample_count=len(split),
        accuracy=correct / len(split),
        accuracy_interval=wilson_interval(correct, len(split)),
        top_2_accuracy=float(multiclass_accuracy(probabilities, class_ids, count, average="micro", top_k=2)),
        loss=float(functional.cross_entropy(logits, class_ids)),
        calibration_error=float(multiclass_calibration_error(probabilities, class_ids, count, n_bins=15)),
        classes=tuple(
            ClassScores(label=label, precision=p, recall=r, f1=f, sample_count=n)
            for label, p, r, f, n in zip(labels, precision, recall, f1, matrix.sum(1).tolist(), strict=True)
        ),
        confusion_matrix=tuple(map(tuple, matrix.tolist())),
    )
