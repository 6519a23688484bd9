"""What the commands that decide have in common; without what takes long to import, as a rollback needs none of it."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.classifier.errors import ModelFileError
from app.records.decision import Decision
from app.records.errors import RecordsError
from app.rollout.errors import RolloutError
from app.serving.errors import ServingError
from app.settings import Settings, complaints

__all__ = ["REFUSED", "WHO", "ModelsFolder", "Name", "deciding", "told"]

REFUSED = 2  # exit code
WHO = "the command line"  # in the history

Name = Annotated[str, typer.Argument(metavar="NAME", help="name of the model")]
ModelsFolder = Annotated[Path | None, typer.Option("--models-dir", help="folder of the models", show_default="models")]


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
