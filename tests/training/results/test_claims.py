"""Whose a model folder is."""

import os
from pathlib import Path

import pytest

from app.classifier import artifact
from tests.training.results.test_publishing import ORIGIN, fitted
from training.errors import TrainingError
from training.results.claims import claim
from training.results.publishing import publish


def content(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_of_ours_may_be_written_again(tmp_path: Path) -> None:
    publish(tmp_path, *fitted(), ORIGIN)

    with claim(tmp_path):
        pass
    (tmp_path / artifact.FILE_NAME).unlink()
    with claim(tmp_path):  # the pictures and the card say by themselves whose they are
        pass


def test_a_folder_with_a_readme_of_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# my project\n")

    with pytest.raises(TrainingError, match=r"README\.md was not written by a fit"), claim(tmp_path):
        pass


def test_a_named_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    for name in ("model.safetensors", "README.md", "checkpoint.safetensors"):
        os.mkfifo(tmp_path / name)

        with pytest.raises(TrainingError, match=rf"{name} was not written by a fit"), claim(tmp_path):
            pass
        (tmp_path / name).unlink()


def test_one_fit_at_a_time_has_a_folder(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(TrainingError, match="Another fit is writing into"), claim(tmp_path):
        pass
    with claim(tmp_path):
        pass


def test_what_a_killed_fit_was_about_to_put_in_place_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    left = [".model.safetensors.ab12_xyz", "report/.weights.png.abcdefgh", ".checkpoint.safetensors.12345678"]
    others = [".model.safetensors.orig", ".notes.abcdefgh", "report", "report/weights.png.bak"]
    for name in (*left, *others):
        if name != "report":
            (tmp_path / name).touch()

    with claim(tmp_path):
        pass

    assert content(tmp_path) == sorted(others)


def test_a_claim_that_came_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claim(tmp_path / "new"):
        raise ZeroDivisionError

    assert content(tmp_path) == []
