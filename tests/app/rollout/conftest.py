"""A model folder with a champion, whose card and report name the file that they belong to."""

from pathlib import Path

import pytest

from app.classifier import artifact
from tests.conftest import LABELS, make_metadata, make_model


def save_model(folder: Path, seed: int, labels: tuple[str, ...] = LABELS, *, card: bool = True) -> str:
    """Save a whole model; return its version."""
    version = artifact.save(folder / artifact.FILE_NAME, make_model(labels, seed), make_metadata(labels=labels))
    if card:
        (folder / "README.md").write_text(version)
        (folder / "report").mkdir(exist_ok=True)
        (folder / "report" / "weights.png").write_text(version)
    return version


def whole_version(folder: Path) -> str | None:
    """The version of the proven model file there, whose card and report belong to it; None: there is none."""
    if not (folder / artifact.FILE_NAME).exists():
        assert not folder.exists()
        return None
    version = artifact.load(folder / artifact.FILE_NAME).version
    assert (folder / "README.md").read_text() == version
    assert (folder / "report" / "weights.png").read_text() == version
    return version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the model `letters` with a champion."""
    path = tmp_path / "models" / "letters"
    save_model(path, seed=1)
    return path
