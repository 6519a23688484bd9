"""`python -m app rollback`: the version before answers again, as fast as Python starts.

What takes long to import comes when the files have moved, as SQLAlchemy, or not at all, as torch.
"""

import importlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.records.decision import Decision
from app.rollout.model_folders import ModelFolders
from app.settings import Settings
from app.terminal.deciding import WHO, ModelsFolder, Name, deciding, told

if TYPE_CHECKING:  # it imports torch
    from app.classifier.artifact import Artifact

__all__ = ["cli"]

cli = typer.Typer()


@cli.command()
def rollback(name: Name, models_dir: ModelsFolder = None) -> None:
    """Have the previous version answer again; the present one becomes the previous one."""
    with deciding(models_dir) as settings:
        folders = ModelFolders(settings.models_dir, partial(_keep, settings), _prove, settings.min_accuracy)
        decision = folders.of(name).roll_back(WHO)
    typer.echo(told(decision))


def _keep(settings: Settings, decision: Decision) -> None:
    importlib.import_module("app.terminal.keeping").keep(settings, decision)


def _prove(path: Path, content: bytes) -> "Artifact":
    """Prove a file that no decision before has proven; it takes some seconds."""
    loaded: Artifact = importlib.import_module("app.classifier.artifact").prove(path, content)
    return loaded
