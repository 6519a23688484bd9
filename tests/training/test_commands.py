"""`python -m training` as a user runs it."""

import json
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from tests.training.conftest import CommandLine


def test_fit_saves_a_model_that_serving_loads(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "garments"

    result = training("fit", "--data-dir", data_dir, "--out", folder, "--epochs", "3", "--batch-size", "50")

    assert result.exit_code == 0, result.stderr
    loaded = artifact.load(folder / artifact.FILE_NAME)
    assert loaded.metadata.name == "garments"
    assert loaded.metadata.labels[9] == "Ankle boot"
    assert loaded.metadata.evaluation.sample_count == 200
    assert loaded.metadata.hyperparameters["epochs"] == 3
    assert f"test accuracy {loaded.metadata.evaluation.accuracy:.4f}" in result.stdout
    assert "--batch-size 50" in (folder / "README.md").read_text()


def test_json_has_a_line_per_epoch_and_one_for_the_model(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    result = training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "2", "--json")

    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["epoch", "epoch", "saved"]
    assert events[2]["version"] == artifact.load(tmp_path / "m" / artifact.FILE_NAME).version


def test_a_run_that_diverges_leaves_the_old_model_whole(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    training("fit", "--data-dir", data_dir, "--out", folder, "--epochs", "1")
    before = (folder / artifact.FILE_NAME).read_bytes()

    result = training("fit", "--data-dir", data_dir, "--out", folder, "--lr", "1e30")

    assert result.exit_code == 2
    assert "nothing was saved" in result.stderr
    assert (folder / artifact.FILE_NAME).read_bytes() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_without_cuda_is_one_line_before_any_work(training: CommandLine, tmp_path: Path) -> None:
    result = training("fit", "--device", "cuda", "--data-dir", tmp_path)

    assert result.exit_code == 2
    assert result.stderr.startswith("error: --device cuda: torch")
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_data_set_is_one_line(training: CommandLine, tmp_path: Path) -> None:
    result = training("fit", "--dataset", "cats", "--data-dir", tmp_path)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--dataset cats" in result.stderr
