"""An interrupted fit goes on and ends with the weights of an undisturbed one."""

import itertools
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from tests.training.conftest import CommandLine, make_split
from training.errors import CheckpointError
from training.fitting.checkpoints import FILE_NAME, load_checkpoint, purpose_of, save_checkpoint
from training.fitting.fit import Fit
from training.fitting.recipes import Recipe

PURPOSE = purpose_of(Recipe(epochs=4), 0.05, "0" * 64)


def new_fit() -> Fit:
    return Fit(Recipe(epochs=4), make_split(1000), make_split(100), 10, torch.device("cpu"))


def test_a_resumed_fit_ends_with_the_same_weights_to_the_last_bit(tmp_path: Path) -> None:
    undisturbed, interrupted, resumed = new_fit(), new_fit(), new_fit()
    undisturbed.finish()
    for _ in itertools.islice(interrupted.epochs(), 2):
        save_checkpoint(tmp_path / FILE_NAME, interrupted.checkpoint(PURPOSE))

    checkpoint = load_checkpoint(tmp_path / FILE_NAME, PURPOSE)
    assert checkpoint is not None
    resumed.resume(checkpoint)
    resumed.finish()

    assert torch.equal(resumed.model.weight, undisturbed.model.weight)
    assert [scores.loss for scores in resumed.history] == [scores.loss for scores in undisturbed.history]


def test_without_a_checkpoint_a_fit_starts_anew(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / FILE_NAME, PURPOSE) is None


def test_a_checkpoint_of_another_fit_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    save_checkpoint(path, new_fit().checkpoint(PURPOSE))

    with pytest.raises(CheckpointError, match=r"another fit: --lr was 0\.1 there and is 0\.2 here\."):
        load_checkpoint(path, PURPOSE | {"lr": 0.2})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="can't be read"):
        load_checkpoint(path, PURPOSE)


def test_a_finished_fit_leaves_no_checkpoint(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    result = training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "2", "--resume")

    assert result.exit_code == 0
    assert (tmp_path / "m" / artifact.FILE_NAME).exists()
    assert not (tmp_path / "m" / FILE_NAME).exists()
