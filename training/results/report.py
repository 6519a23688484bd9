"""Pictures of a model: how it learnt, what it looks for, where and how surely it errs.

Colors: one hue for magnitudes, two around a neutral white for signs, and the same two for training and validation.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from app.classifier.metadata import Evaluation
from app.classifier.softmax import SIDE, SoftmaxRegression
from training.data.splits import FileSplit, Split
from training.fitting.scores import EpochScores
from training.results.evaluation import logits_of

__all__ = ["PICTURES", "write_report"]

PICTURES = {
    "learning-curves.png": "Loss and accuracy by epoch",
    "confusion-matrix.png": "True classes (rows) and what they were taken for (columns)",
    "weights.png": "Each class's weights: red pixels speak for it, blue ones against",
    "reliability.png": "Accuracy by confidence; on the diagonal the model is as right as it is sure",
}
_MISTAKES = "mistakes.png"  # shows the data set's own images, so it stays out of the repository
_FIRST, _SECOND = "#2a6fbb", "#d1622b"
_BINS = 15
_MAX_INCHES = 40.0  # of a picture's side: at hundreds of classes its memory would be gigabytes


def write_report(
    folder: Path,
    model: SoftmaxRegression,
    history: Sequence[EpochScores],
    evaluation: Evaluation,
    test: Split | FileSplit,
) -> None:
    """Write PICTURES and mistakes.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = [scores.label for scores in evaluation.classes]
    probabilities = torch.softmax(logits_of(model, test), dim=1)
    figures = {
        "learning-curves.png": _learning_curves(history),
        "confusion-matrix.png": _confusion_matrix(evaluation, labels),
        "weights.png": _weights(model, labels),
        "reliability.png": _reliability(probabilities, test.class_ids),
        _MISTAKES: _mistakes(probabilities, test, labels),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, metadata={"Software": None})


def _learning_curves(history: Sequence[EpochScores]) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [scores.epoch for scores in history]
    left, right = figure.subplots(1, 2)
    _curves(left, "loss (nats)", epochs, [s.loss for s in history], [s.validation_loss for s in history])
    _curves(right, "accuracy", epochs, [s.accuracy for s in history], [s.validation_accuracy for s in history])
    return figure


def _curves(
    axes: Axes, name: str, epochs: list[int], train: list[list[float]], validation: list[list[float] | None]
) -> None:
    axes.plot(epochs, [values[0] for values in train], color=_FIRST, label="training", marker=".")
    if all(validation):
        axes.plot(epochs, [v[0] for v in validation if v], color=_SECOND, label="validation", marker=".")
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _confusion_matrix(evaluation: Evaluation, labels: list[str]) -> Figure:
    matrix = torch.tensor(evaluation.confusion_matrix)
    size = min(max(5.0, 0.55 * len(labels) + 1.5), _MAX_INCHES)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    shares = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(labels) <= 20:
        for row, column in torch.cartesian_prod(*[torch.arange(len(labels))] * 2).tolist():
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column].item()), ha="center", va="center", color=color, fontsize=8)
    return figure


def _weights(model: SoftmaxRegression, labels: list[str]) -> Figure:
    bound = float(model.weight.abs().quantile(0.995))
    pictures = model.weight.view(-1, SIDE, SIDE)
    figure, cells = _sheet(len(labels))
    for axes, label, picture in zip(cells, labels, pictures, strict=False):
        axes.imshow(picture.numpy(), cmap="RdBu_r", vmin=-bound, vmax=bound)
        axes.set_title(label, fontsize=9)
    return figure


def _reliability(probabilities: Tensor, class_ids: Tensor) -> Figure:
    confidence, predicted = probabilities.max(1)
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    counts = torch.bincount(bins, minlength=_BINS)
    correct = torch.bincount(bins, weights=(predicted == class_ids).double(), minlength=_BINS)
    filled = counts > 0
    centers = (torch.arange(_BINS) + 0.5) / _BINS
    figure = Figure(figsize=(5, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
    upper.bar(centers[filled].numpy(), (correct / counts)[filled].numpy(), width=0.9 / _BINS, color=_FIRST)
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    lower.bar(centers.numpy(), counts.numpy(), width=0.9 / _BINS, color=_FIRST)
    lower.set(xlabel="confidence", ylabel="images")
    return figure


def _mistakes(probabilities: Tensor, test: Split | FileSplit, labels: list[str], count: int = 20) -> Figure:
    confidence, predicted = probabilities.max(1)
    surest = torch.where(predicted == test.class_ids, 0, confidence).topk(min(count, len(predicted)))
    rows = surest.indices[surest.values > 0].sort().values
    chosen = torch.zeros(len(predicted), dtype=torch.bool).index_fill_(0, rows, value=True)
    split = test.only(chosen)
    figure, cells = _sheet(len(rows))
    ranked = confidence[rows].argsort(descending=True).tolist()
    for axes, place in zip(cells, ranked, strict=False):
        row = rows[place]
        axes.imshow(split.pixels[place].view(SIDE, SIDE).numpy(), cmap="gray", vmin=0, vmax=255)
        true, said = labels[int(test.class_ids[row])], labels[int(predicted[row])]
        axes.set_title(f"{true}, said\n{said} {confidence[row]:.0%}", fontsize=7)
    return figure


def _sheet(count: int) -> tuple[Figure, list[Axes]]:
    rows = max(1, -(-count // 5))
    figure = Figure(figsize=(9, min(2.0 * rows, _MAX_INCHES)), layout="constrained")
    cells: list[Axes] = list(figure.subplots(rows, 5, squeeze=False).flat)
    for axes in cells:
        axes.set_axis_off()
    return figure, cells
