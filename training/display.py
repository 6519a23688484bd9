"""What the terminal shows while a model is fitted: a live table and a progress bar, or one JSON object per line."""

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.classifier.metadata import Evaluation
from training.data.datasets import Dataset
from training.data.splits import FileSplit, Split
from training.fitting.fit import Fit
from training.fitting.scores import EpochScores, complaint
from training.fitting.sweep import Ranked
from training.names import apart, counted, in_shell, shortened, visible
from training.results.measured import Measured
from training.results.model_folder import CHALLENGER, model_name
from training.terminal import note, print_json, show_rows, stdout
from training.torchrun import started_this

__all__ = [
    "show_epochs",
    "show_evaluation",
    "show_progress",
    "show_ranking",
    "show_saved",
    "show_start",
]

_ROWS = 10  # the last epochs that the live table shows
_MOST_COLUMNS = 100  # classes, up to which the confusion matrix is shown whole
_MOST_PAIRS = 20  # of classes, that are shown in its place
_MAX_NAME = 20  # characters of a class's name beside the confusion matrix


def show_start(
    machine: Mapping[str, str], why_not_cuda: str | None, data: Dataset, train: Split | FileSplit, *, as_json: bool
) -> None:
    """Say where it is trained, and why not on CUDA, on what, and what its owner should know of that."""
    device, *details = machine.values()
    reason = f", as torch finds no CUDA here: {why_not_cuda}" if why_not_cuda else ""
    note(f"Training on {device} ({', '.join(details)}){reason}.")
    if "RANK" in os.environ and not started_this():
        note("note: RANK is set, but torchrun did not start this process: it trains alone.")
    for warning in data.warnings():
        note(f"note: {warning}")
    if as_json:
        images = {"train": len(train), "validation": len(data.train) - len(train), "test": len(data.test)}
        left_out = [asdict(one) | {"count": one.count} for one in data.left_out]
        print_json("start", {**machine, "images": images, "left_out": left_out, "warnings": data.warnings()})


def show_saved(folder: Path, version: str, measured: Measured, *, as_json: bool) -> None:
    """Say what was made, how good it is and what to do with it."""
    evaluation, against = measured.evaluation, complaint(measured.history)
    if against:
        note(f"note: {against}")
    if as_json:
        fields = {"folder": str(folder), "version": version, "accuracy": evaluation.accuracy}
        print_json("saved", fields | {"seconds": measured.seconds, "complaint": against})
        return
    low, high = evaluation.accuracy_interval
    epochs = counted(len(measured.history), "epoch")
    note(f"{visible(str(folder))}: {epochs} in {measured.seconds:.1f} s, version {version}.")
    if folder.name == CHALLENGER:
        name = in_shell([model_name(folder)])
        note(f"It answers nobody yet: `python -m app promote {name}` puts it into service, once labels show that it is")
        note(f"better or with --force, and `python -m app rollback {name}` brings back the one before.")
    else:
        place = folder if folder.name == model_name(folder) else folder.resolve()  # of `.`, say
        models = "" if place.parent == Path("models") else f" --models-dir {in_shell([str(place.parent)])}"
        note(f"`python -m app{models}` serves it, beside what else is there, under ?model={quote(place.name)}.")
    sys.stdout.write(f"test accuracy {evaluation.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})\n")


def show_epochs(fit: Fit, total: int, *, as_json: bool) -> Iterator[EpochScores]:
    """Train and pass the epochs on; show each: live on a terminal, as JSON lines when asked for, else not at all."""
    if as_json:
        for scores in fit.epochs():
            print_json("epoch", asdict(scores))
            yield scores
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from fit.epochs()
        return
    columns = (TextColumn("epoch"), BarColumn(), TextColumn("{task.completed:.1f}/{task.total}"), TimeRemainingColumn())
    progress = Progress(*columns)
    task = progress.add_task("", total=total)

    def picture() -> Group:
        progress.update(task, completed=fit.progress)  # a part of an epoch, too, where it takes long
        return Group(_table(fit.history[-_ROWS:]), progress)

    with Live(get_renderable=picture, console=console, refresh_per_second=8):
        yield from fit.epochs()


def show_progress(epochs: Iterable[list[EpochScores]], total: int) -> list[EpochScores]:
    """Go through the epochs of a sweep, with a bar on a terminal, and return the last one's scores."""
    console = Console(stderr=True)
    columns = (TextColumn("epoch"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    last: list[EpochScores] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for last in progress.track(epochs, total=total):  # noqa: B007
            pass
    return last


def show_ranking(ranked: list[Ranked], *, as_json: bool) -> None:
    if as_json:
        for place, one in enumerate(ranked, 1):
            print_json("setting", {"place": place} | asdict(one))
        return
    rows = (
        (
            str(place),
            f"{one.recipe.lr:g}",
            f"{one.recipe.weight_decay:g}",
            str(one.recipe.seed),
            f"{one.accuracy:.4f}" if math.isfinite(one.loss) else "diverged",
            f"{one.interval[0]:.4f} to {one.interval[1]:.4f}" if math.isfinite(one.loss) else "",
            f"{one.loss:.4f}",
        )
        for place, one in enumerate(ranked, 1)
    )
    header = ("", "learning rate", "weight decay", "seed", "validation accuracy", "95 % interval", "validation loss")
    show_rows(header, rows)


def show_evaluation(evaluation: Evaluation, left_out: int, *, as_json: bool) -> None:
    """Print what was measured; `left_out` images were not, as the model had been trained on them."""
    if as_json:
        print_json("evaluation", evaluation.model_dump() | {"left_out": left_out})
        return
    low, high = evaluation.accuracy_interval
    scores = [
        ("samples", f"{evaluation.sample_count:,}"),
        *([("left out, as trained on", f"{left_out:,}")] if left_out else []),
        ("accuracy", f"{evaluation.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})"),
        *([] if evaluation.top_2_accuracy is None else [("top-2 accuracy", f"{evaluation.top_2_accuracy:.4f}")]),
        ("cross-entropy", f"{evaluation.loss:.4f} nats"),
        ("calibration error", f"{evaluation.calibration_error:.4f}"),
    ]
    show_rows(("score", "value"), scores)
    labels = apart([one.label for one in evaluation.classes])
    classes = (
        (str(number), label, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.sample_count:,}")
        for number, (label, one) in enumerate(zip(labels, evaluation.classes, strict=True))
    )
    show_rows(("", "class", "precision", "recall", "F1", "images"), classes)
    rows = [f"{number} {shortened(label, _MAX_NAME)}" for number, label in enumerate(labels)]
    show = _show_confusion if len(labels) <= _MOST_COLUMNS else _show_confusions
    show(evaluation.confusion_matrix, rows)


def _show_confusion(matrix: Sequence[Sequence[int]], rows: Sequence[str]) -> None:
    """The matrix, its columns under the classes' numbers, in as many bands as the terminal's width asks for."""
    count = len(rows)
    widths = [max(len(str(column)), *(len(str(row[column])) for row in matrix)) + 3 for column in range(count)]
    room = stdout().width - max(map(len, rows)) - 4
    first = 0
    while first < count:
        last = first + 1
        while last < count and sum(widths[first : last + 1]) <= room:
            last += 1
        part = f", predicted classes {first} to {last - 1}" if last - first < count else ""
        band = ((name, *map(str, row[first:last])) for name, row in zip(rows, matrix, strict=True))
        show_rows(("true class", *map(str, range(first, last))), band, f"confusion matrix{part}")
        first = last


def _show_confusions(matrix: Sequence[Sequence[int]], rows: Sequence[str]) -> None:
    """What was most often taken for what, where nobody could read the matrix."""
    pairs = [
        (number, true, predicted)
        for true, row in enumerate(matrix)
        for predicted, number in enumerate(row)
        if number and true != predicted
    ]
    often = sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))[:_MOST_PAIRS]
    shown = ((rows[true], rows[predicted], f"{number:,}") for number, true, predicted in often)
    show_rows(("true class", "predicted class", "images"), shown, f"{len(often)} of {len(pairs):,} confusions")
    note(f"The whole confusion matrix, of {len(rows)} classes, is in what --json prints.")


def _table(epochs: Sequence[EpochScores]) -> Table:
    table = Table("epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds")
    for scores in epochs:
        validation = ("–", "–")
        if scores.validation_loss is not None and scores.validation_accuracy is not None:
            validation = (f"{scores.validation_loss:.4f}", f"{scores.validation_accuracy:.4f}")
        table.add_row(
            str(scores.epoch), f"{scores.loss:.4f}", f"{scores.accuracy:.4f}", *validation, f"{scores.seconds:.3f}"
        )
    return table
