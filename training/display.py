"""What the terminal shows while a model is fitted: a live table and a progress bar, or one JSON object per line."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from math import isfinite

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.classifier.metadata import Evaluation
from training.fitting.scores import EpochScores
from training.fitting.sweep import Ranked

__all__ = ["note", "print_json", "show_epochs", "show_evaluation", "show_ranking", "show_rows"]

_ROWS = 10  # the last epochs that the live table shows


def show_epochs(epochs: Iterable[EpochScores], total: int, *, as_json: bool) -> Iterator[EpochScores]:
    """Pass the epochs on and show each: live on a terminal, as JSON lines when asked for, else not at all."""
    if as_json:
        for scores in epochs:
            print_json("epoch", asdict(scores))
            yield scores
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from epochs
        return
    progress = Progress(TextColumn("epoch"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console)
    task = progress.add_task("", total=total)
    done: list[EpochScores] = []
    with Live(progress, console=console, refresh_per_second=8) as live:
        for scores in epochs:
            done.append(scores)
            progress.update(task, completed=scores.epoch)
            live.update(Group(_table(done[-_ROWS:]), progress))
            yield scores


def show_rows(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], title: str | None = None) -> None:
    """A table on stdout."""
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)


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
            f"{one.accuracy:.4f}" if isfinite(one.loss) else "diverged",
            f"{one.interval[0]:.4f} to {one.interval[1]:.4f}" if isfinite(one.loss) else "",
            f"{one.loss:.4f}",
        )
        for place, one in enumerate(ranked, 1)
    )
    header = ("", "learning rate", "weight decay", "seed", "validation accuracy", "95 % interval", "validation loss")
    show_rows(header, rows)


def show_evaluation(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print_json("evaluation", evaluation.model_dump())
        return
    low, high = evaluation.accuracy_interval
    scores = [
        ("samples", f"{evaluation.sample_count:,}"),
        ("accuracy", f"{evaluation.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})"),
        ("top-2 accuracy", f"{evaluation.top_2_accuracy:.4f}"),
        ("cross-entropy", f"{evaluation.loss:.4f} nats"),
        ("calibration error", f"{evaluation.calibration_error:.4f}"),
    ]
    show_rows(("score", "value"), scores)
    classes = (
        (one.label, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.sample_count:,}")
        for one in evaluation.classes
    )
    show_rows(("class", "precision", "recall", "F1", "images"), classes)
    labels = tuple(one.label for one in evaluation.classes)
    matrix = ((label, *map(str, row)) for label, row in zip(labels, evaluation.confusion_matrix, strict=True))
    show_rows(("true class", *labels), matrix, title="confusion matrix")


def print_json(event: str, fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"event": event} | fields) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """One plain line for a person, on stderr so that stdout stays for results."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def _table(epochs: list[EpochScores]) -> Table:
    table = Table("epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds")
    for scores in epochs:
        validation = ("–", "–")
        if scores.validation_loss is not None and scores.validation_accuracy is not None:
            validation = (f"{scores.validation_loss[0]:.4f}", f"{scores.validation_accuracy[0]:.4f}")
        table.add_row(
            str(scores.epoch),
            f"{scores.loss[0]:.4f}",
            f"{scores.accuracy[0]:.4f}",
            *validation,
            f"{scores.seconds:.3f}",
        )
    return table
