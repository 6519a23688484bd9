"""`python -m app challenge` and `promote`: what may answer next, and what does, in the terminal.

Settings are the service's: its models, their least accuracy, and its records. What is refused ends with exit code 2.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.classifier.model_file import FILE_NAME
from app.rollout.errors import UnprovenError
from app.rollout.rollouts import Rollouts
from app.terminal.deciding import REFUSED, WHO, ModelsFolder, Name, deciding, told
from app.terminal.keeping import opened

__all__ = ["cli"]

cli = typer.Typer()


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
            decision = rollouts.promote(name, WHO, force=force)
        except UnprovenError as error:
            typer.echo(f"{error} Promote it all the same with --force.", err=True)
            raise typer.Exit(REFUSED) from error
    typer.echo(told(decision))


@contextmanager
def _rollouts(models_dir: Path | None) -> Iterator[Rollouts]:
    with deciding(models_dir) as settings, opened(settings) as database:
        yield Rollouts(settings.models_dir, database, settings.min_accuracy)
