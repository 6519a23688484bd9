"""`python -m app rollback`: the version before answers again, as fast as Python starts.

What takes long to import comes when the files have moved, as SQLAlchemy, or not at all, as torch.
"""

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from app.classifier.errors import ModelFileError
from app.records.decision import Decision
from app.records.errors import RecordsError
from app.rollout.errors import RolloutError
from app.rollout.model_folders import ModelFolders
from app.serving.errors import ServingError
from app.settings import Settings, complaints

if TYPE_CHECKING:  # it imports torch
    from app.classifier.artifact import Artifact

__all__ = ["REFUSED", "WHO", "ModelsFolder", "Name", "cli", "deciding", "told"]

cli = typer.Typer()

REFUSED = 2  # exit code
WHO = "the command line"  # in the history

Name = Annotated[str, typer.Argument(metavar="NAME", help="name of the model")]
ModelsFolder = Annotated[Path | None, typer.Option("--models-dir", help="folder of the models", show_default="models")]


@cli.command()
def rollback(name: Name, models_dir: ModelsFolder = None) -> None:
    """Have the previous version answer again; the present one becomes the previous one."""
    with deciding(models_dir) as settings:
        folders = ModelFolders(settings.models_dir, partial(_keep, settings), _prove, settings.min_accuracy)
        decision = folders.of(name).roll_back(WHO)
    typer.echo(told(decision))


@contextmanager
def deciding(models_dir: Path | None) -> Iterator[Settings]:
    """The settings; what is refused meanwhile is said, and ends with the exit code for that."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        yield Settings() if models_dir is None else Settings(models_dir=models_dir)
    except ValidationError as error:
        typer.echo("\n".join(complaints(error)), err=True)
        raise typer.Exit(REFUSED) from error
    except (RolloutError, ModelFileError, RecordsError, ServingError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(REFUSED) from error


def told(decision: Decision) -> str:
    """What was decided, for whoever asked."""
    before, after = ((digest or "")[:12] for digest in (decision.from_sha256, decision.to_sha256))
    kept = f"; {before} is the previous one" if before else ", as the file of the one before could not be read"
    return f"{decision.model}: the {decision.action} is done. Version {after} answers{kept}."


def _keep(settings: Settings, decision: Decision) -> None:
    importlib.import_module("app.terminal.history").keep(settings, decision)


def _prove(path: Path, content: bytes) -> "Artifact":
    """Prove a file that no decision before has proven; it takes some seconds."""
    loaded: Artifact = importlib.import_module("app.classifier.artifact").prove(path, content)
    return loaded
