"""What the terminal shows while a model is fitted: a live table and a progress bar, or one JSON object per line."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from training.fit import EpochScores

__all__ = ["note", "print_json", "show_epochs"]

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
