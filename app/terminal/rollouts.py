"""`python -m app challenge`, `promote`, `rollback` and `history`: decisions about models, in the terminal.

Settings are the service's: its models, their least accuracy, and its records. What is refused ends with exit code 2.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from app.classifier.artifact import FILE_NAME
from app.classifier.errors import ModelFileError
from app.records.database import Database
from app.records.decisions import Decision
from app.records.errors import RecordsError
from app.rollout.errors import RolloutError, UnprovenError
from app.rollout.rollouts import Rollouts
from app.serving.errors import ServingError
from app.settings import Settings, complaints

__all__ = ["cli"]

cli = typer.Typer()

_REFUSED = 2  # exit code
_WHO = "the command line"

Name = Annotated[str, typer.Argument(metavar="NAME", help="name of the model")]
ModelsFolder = Annotated[Path | None, typer.Option("--models-dir", help="folder of the models", show_default="models")]


@cli.command()
def challenge(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a model file, or the folder that has one")],
    models_dir: ModelsFolder = None,
) -> None:
    """Put a copy of a model file in the challenger's place, with the card and report that lie beside it."""
    with _rollouts(models_dir) as rollouts:
        version = rollouts.challenge(name, file / FILE_NAME if file.is_dir() else file)
    typer.echo(f"Version {version} challenges {name}: it answers nobody yet.")


@cli.command()
def promote(
    name: Name,
    models_dir: ModelsFolder = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="whatever the evidence")] = False,
) -> None:
    """Have the challenger answer in the champion's place, which is kept as the previous version."""
    with _rollouts(models_dir) as rollouts:
        try:
            decision = rollouts.promote(name, _WHO, force=force)
        except UnprovenError as error:
            typer.echo(f"{error} Promote it all the same with --force.", err=True)
            raise typer.Exit(_REFUSED) from error
    typer.echo(_told(decision))


@cli.command()
def rollback(name: Name, models_dir: ModelsFolder = None) -> None:
    """Have the previous version answer again; the present one becomes the previous one."""
    with _rollouts(models_dir) as rollouts:
        typer.echo(_told(rollouts.roll_back(name, _WHO)))


@cli.command()
def history(name: Name, models_dir: ModelsFolder = None) -> None:
    """Show every decision about a model, the newest first."""
    with _rollouts(models_dir) as rollouts:
        decisions = rollouts.history(name)
    table = Table(box=None)
    for header in ("when (UTC)", "what", "who", "from", "to", "evidence"):
        table.add_column(header, overflow="fold")
    for decision in decisions:
        when = datetime.fromtimestamp(decision.time, UTC)
        versions = ((digest or "")[:12] for digest in (decision.from_sha256, decision.to_sha256))
        table.add_row(f"{when:%Y-%m-%d %H:%M:%S}", decision.action, decision.who, *versions, _shown(decision))
    Console(markup=False, highlight=False).print(table)


@contextmanager
def _rollouts(models_dir: Path | None) -> Iterator[Rollouts]:
    """Decisions by the settings; what is refused is said, and ends with the exit code for that."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        settings = Settings() if models_dir is None else Settings(models_dir=models_dir)
        database = Database(settings.records.get_secret_value())
    except ValidationError as error:
        typer.echo("\n".join(complaints(error)), err=True)
        raise typer.Exit(_REFUSED) from error
    rollouts = Rollouts(settings.models_dir, database, settings.min_accuracy)
    try:
        yield rollouts
    except (RolloutError, ModelFileError, RecordsError, ServingError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_REFUSED) from error
    finally:
        rollouts.close()


def _told(decision: Decision) -> str:
    before, after = ((digest or "")[:12] for digest in (decision.from_sha256, decision.to_sha256))
    kept = f"; {before} is the previous one" if before else ", as the file of the one before could not be read"
    return f"{decision.model}: the {decision.action} is done. Version {after} answers{kept}."


def _shown(decision: Decision) -> str:
    evidence = decision.evidence
    if not isinstance(evidence, dict) or "e_value" not in evidence:
        return ""
    forced = ", forced" if evidence.get("forced") else ""
    plural = "" if evidence["labels"] == 1 else "s"
    return f"e-value {evidence['e_value']:.3g} on {evidence['labels']:,} label{plural}{forced}"
