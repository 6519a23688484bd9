"""Pictures of a model: how it learnt, what it looks for, where and how surely it errs.

Colors: one hue for magnitudes, two around a neutral white for signs, and the same two for training and validation.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from app.classifier.metadata import Evaluation
from app.classifier.picture import AGAINST, FOR
from app.classifier.softmax import SIDE, SoftmaxRegression
from training.data.splits import FileSplit, Split
from training.fitting.scores import EpochScores
from training.names import shortened
from training.results.lettering import drawable, fonts_for
from training.results.model_folder import MISTAKES, WRITER

__all__ = ["EVIDENCE", "render_report"]

EVIDENCE = LinearSegmentedColormap.from_list(
    "evidence", [[part / 255 for part in color] for color in (AGAINST, (255, 255, 255), FOR)]
)
_FIRST, _SECOND = "#2a6fbb", "#d1622b"
_BINS = 15
_IN_A_ROW = 5
_DPI = 120  # of each picture
_MOST_OF_NAME = 24  # characters of a file's name
_MOST_NAMES = 120  # of classes along an axis: as many as can be told apart, and each takes its time
_MAX_INCHES = 40.0  # of a picture's side: at hundreds of classes its memory would be gigabytes


def render_report(
    model: SoftmaxRegression,
    history: Sequence[EpochScores],
    evaluation: Evaluation,
    test: Split | FileSplit,
    logits: Tensor,
) -> dict[str, bytes]:
    """PICTURES and MISTAKES as PNG files, by their names.

    Args:
        model: C classes.
        history: of its fit.
        evaluation: on the test images.
        test: N images.
        logits: the model's for them, float32 [N, C].
    """
    names = [scores.label for scores in evaluation.classes]
    files = test.names if isinstance(test, Split) else ()
    with fonts_for([*names, *files]):
        labels = list(map(drawable, names))
        figures = {
            "learning-curves.png": _learning_curves(history),
            "confusion-matrix.png": _confusion_matrix(evaluation, labels),
            "weights.png": _weights(model, labels),
            "reliability.png": _reliability(torch.softmax(logits, dim=1), test.class_ids),
            MISTAKES: _mistakes(torch.softmax(logits, dim=1), test, labels),
        }
        return {name: _as_png(figure) for name, figure in figures.items()}


def _as_png(figure: Figure) -> bytes:
    if layout := figure.get_layout_engine():
        layout.execute(figure)
        figure.set_layout_engine(None)  # else `savefig` would draw all once more, to find the same places
    file = BytesIO()
    figure.savefig(file, format="png", dpi="figure", metadata={"Software": WRITER})
    return file.getvalue()


def _learning_curves(history: Sequence[EpochScores]) -> Figure:
    figure = Figure(dpi=_DPI, figsize=(9, 3.6), layout="constrained")
    epochs = [scores.epoch for scores in history]
    left, right = figure.subplots(1, 2)
    _curves(left, "loss (nats)", epochs, [s.loss for s in history], [s.validation_loss for s in history])
    _curves(right, "accuracy", epochs, [s.accuracy for s in history], [s.validation_accuracy for s in history])
    return figure


def _curves(axes: Axes, name: str, epochs: list[int], train: list[float], validation: list[float | None]) -> None:
    axes.plot(epochs, train, color=_FIRST, label="training", marker=".")
    measured = [value for value in validation if value is not None]
    if measured:
        axes.plot(epochs, measured, color=_SECOND, label="validation", marker=".")
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _confusion_matrix(evaluation: Evaluation, labels: list[str]) -> Figure:
    matrix = torch.tensor(evaluation.confusion_matrix)
    size = min(max(5.0, 0.55 * len(labels) + 1.5), _MAX_INCHES)
    figure = Figure(dpi=_DPI, figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    shares = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    step = -(-len(labels) // _MOST_NAMES)
    axes.set_xticks(range(0, len(labels), step), labels[::step], rotation=45, ha="right")
    axes.set_yticks(range(0, len(labels), step), labels[::step])
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(labels) <= 20:
        for row, column in torch.cartesian_prod(*[torch.arange(len(labels))] * 2).tolist():
            color = "white" if shares[row, column] > 0.5 else "black"
            number = str(matrix[row, column].item())
            axes.text(column, row, number, ha="center", va="center", color=color, fontsize=8, in_layout=False)
    return figure


def _weights(model: SoftmaxRegression, labels: list[str]) -> Figure:
    bound = float(model.weight.abs().flatten().sort().values[int(0.995 * (model.weight.numel() - 1))]) or 1.0
    pictures = model.weight.view(-1, SIDE, SIDE)
    return _sheet(pictures, labels, 9, cmap=EVIDENCE, vmin=-bound, vmax=bound)


def _reliability(probabilities: Tensor, class_ids: Tensor) -> Figure:
    confidence, predicted = probabilities.max(1)
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    counts = torch.bincount(bins, minlength=_BINS)
    correct = torch.bincount(bins, weights=(predicted == class_ids).double(), minlength=_BINS)
    filled = counts > 0
    centers = (torch.arange(_BINS) + 0.5) / _BINS
    figure = Figure(dpi=_DPI, figsize=(5, 5), layout="constrained")
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
    ranked = confidence[rows].argsort(descending=True)
    files = [f"{drawable(shortened(name, _MOST_OF_NAME))}\n" for name in test.names] if isinstance(test, Split) else []
    titles = [
        f"{files[row] if files else ''}{labels[int(test.class_ids[row])]}, "
        f"said\n{labels[int(predicted[row])]} {confidence[row]:.0%}"
        for row in rows[ranked].tolist()
    ]
    sheet = _sheet(split.pixels[ranked].view(-1, SIDE, SIDE), titles, 7, cmap="gray", vmin=0, vmax=255)
    if not titles:
        sheet.text(0.5, 0.5, "No mistakes on the test images", ha="center", va="center")
    return sheet


def _sheet(pictures: Tensor, titles: list[str], fontsize: int, **colors: Any) -> Figure:
    """Pictures [n, 28, 28] with their titles, in one pair of axes: a pair for each picture takes thrice the time."""
    rows = max(1, -(-len(titles) // _IN_A_ROW))
    lines = max((title.count("\n") + 1 for title in titles), default=1)
    cell = min(1.76 + 0.12 * lines, _MAX_INCHES / rows)  # inches
    figure = Figure(dpi=_DPI, figsize=(9, cell * rows))
    axes = figure.add_axes((0, 0, 1, 1))
    side, width = (0.96 - 0.06 * lines) * cell, 9 / _IN_A_ROW
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        row, column = divmod(place, _IN_A_ROW)
        middle, bottom = (column + 0.5) * width, cell * (rows - row - 1) + 0.01 * cell
        extent = (middle - side / 2, middle + side / 2, bottom, bottom + side)
        axes.imshow(picture.numpy(), extent=extent, **colors)
        axes.text(middle, bottom + side + 0.02 * cell, title, ha="center", va="bottom", fontsize=fontsize)
    axes.set(xlim=(0, 9), ylim=(0, cell * rows))
    axes.set_axis_off()
    return figure
