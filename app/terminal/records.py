"""`python -m app records`: what is kept, into a file; labels from one; and what is to go."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.records.database import Database
from app.records.errors import LabelsError, RecordsError
from app.records.retention import delete_answers, purge
from app.records.telling import Receipt
from app.records.transfer import export, import_labels
from app.serving.answer_ids import ANSWER_ID
from app.serving.live_models import LiveModels
from app.settings import Settings, complaints

__all__ = ["cli"]

cli = typer.Typer(
    name="records", help="Export, import, delete and purge what is kept of answers and labels (SOFTMAX_RECORDS)."
)

_REFUSED = 2  # exit code
_SECONDS_A_DAY = 86_400
_PARTS = 1000  # of a progress bar, whatever is counted

Since = Annotated[str | None, typer.Option(help="only of this day or time on, in UTC, such as 2026-11-29")]


@cli.command("export")
def export_records(
    out: Annotated[Path, typer.Option(help="the file; NDJSON, or Parquet where it ends in .parquet")],
    since: Since = None,
) -> None:
    """Write every recorded answer with its labels into a file; what was interrupted goes on where it stopped."""
    done = 0
    with _database() as database, typer.progressbar(length=_PARTS, label="Exporting", file=sys.stderr) as bar:
        for step in export(database, out, _time(since)):
            done = step.done
            bar.update(_PARTS * step.done // max(1, step.total) - bar.pos)
    typer.echo(f"{out} has {done:,} lines.", err=True)


@cli.command("import")
def import_records(
    file: Annotated[Path, typer.Argument(help='NDJSON: {"id", "label", "source"?, "time"?} a line')],
) -> None:
    """Keep the labels in a file; those that were kept before are not counted again."""
    total = Receipt(0, 0, 0, 0, 0)
    with _database() as database, typer.progressbar(length=_PARTS, label="Importing", file=sys.stderr) as bar:
        size = file.stat().st_size
        for read, receipt in import_labels(database, file, _served_labels(), time.time()):
            total = Receipt(*map(sum, zip(total, receipt, strict=True)))
            bar.update(_PARTS * read // max(1, size) - bar.pos)
    typer.echo(
        f"{total.kept:,} labels kept: {total.joined:,} joined to their answers, {total.waiting:,} waiting for them; "
        f"{total.repeated:,} repeated what was known, {total.outdated:,} were outdated.",
        err=True,
    )


@cli.command("delete")
def delete_records(ids: Annotated[list[str], typer.Argument(metavar="ID…", help="ids of answers")]) -> None:
    """Remove answers and their labels; the sums, which name nobody, stay as they are."""
    for its_id in ids:
        if not re.fullmatch(ANSWER_ID, its_id):
            raise typer.BadParameter(f"{its_id!r} is no id of an answer; nothing was removed.")
    with _database() as database:
        removed = delete_answers(database, ids)
    typer.echo(f"Rows removed: {removed:,}.", err=True)


@cli.command("purge")
def purge_records(
    days: Annotated[
        float | None, typer.Option(min=0, help="what is older goes", show_default="SOFTMAX_RECORD_DAYS")
    ] = None,
) -> None:
    """Remove answers and labels that are old; the sums stay as they are."""
    with _database() as database:
        kept_days = _settings().record_days if days is None else days
        removed = purge(database, time.time() - kept_days * _SECONDS_A_DAY)
    typer.echo(f"Rows removed: {removed:,}.", err=True)


@contextmanager
def _database() -> Iterator[Database]:
    """The records that the settings name; what goes wrong with them ends the command with a sentence."""
    try:
        database = Database(_settings().records.get_secret_value())
        try:
            yield database
        finally:
            database.close()
    except RecordsError as error:
        hint = " The lines before it are kept." if isinstance(error, LabelsError) else ""
        typer.echo(f"error: {error}{hint}", err=True)
        raise typer.Exit(_REFUSED) from error


def _served_labels() -> set[str]:
    settings = _settings()
    models = LiveModels(settings.models_dir, settings.default_model, settings.min_accuracy)
    return {label for model in models for label in model.metadata.labels}


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        typer.echo("\n".join(complaints(error)), err=True)
        raise typer.Exit(_REFUSED) from error


def _time(since: str | None) -> float:
    if since is None:
        return 0.0
    try:
        found = datetime.fromisoformat(since)
    except ValueError as error:
        raise typer.BadParameter(f"{since!r} is no day or time, such as 2026-11-29 or 2026-11-29T12:00.") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
