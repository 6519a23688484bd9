"""`python -m training` as a user runs it."""

import json
import os
import resource
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from tests.conftest import make_metadata, make_model
from tests.training.conftest import CommandLine
from training.results.report import PICTURES


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


def test_fit_calibrates_on_the_validation_images(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    training("fit", "--data-dir", data_dir, "--out", tmp_path, "--epochs", "2", "--validation", "0.1")

    loaded = artifact.load(tmp_path / artifact.FILE_NAME)
    evaluation = loaded.metadata.evaluation
    card = (tmp_path / "README.md").read_text()
    assert loaded.conformal is not None
    assert loaded.pixel_statistics is not None
    assert [scores.coverage for scores in evaluation.coverages] == [0.9, 0.95, 0.99]
    for scores in evaluation.coverages:
        assert f"| {scores.coverage} | {scores.measured_coverage:.4f} | {scores.mean_set_size:.2f} |" in card
    assert f"flags | {100 * (evaluation.flagged_share or 0):.2f} %;" in card


def test_without_validation_images_there_is_no_calibration(
    training: CommandLine, data_dir: Path, tmp_path: Path
) -> None:
    training("fit", "--data-dir", data_dir, "--out", tmp_path, "--epochs", "1", "--validation", "0")

    loaded = artifact.load(tmp_path / artifact.FILE_NAME)
    assert loaded.conformal is None
    assert loaded.metadata.evaluation.coverages == ()
    assert "coverage" not in (tmp_path / "README.md").read_text()


def test_json_has_a_line_per_epoch_and_one_for_the_model(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    result = training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "2", "--json")

    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["start", "epoch", "epoch", "saved"]
    assert events[3]["version"] == artifact.load(tmp_path / "m" / artifact.FILE_NAME).version


@pytest.mark.parametrize("options", [["--lr", "1e30"], ["--lr", "3e38", "--epochs", "1", "--batch-size", "1000000000"]])
def test_a_run_that_diverges_leaves_the_old_model_whole(
    training: CommandLine, data_dir: Path, tmp_path: Path, options: list[str]
) -> None:
    folder = tmp_path / "m"
    training("fit", "--data-dir", data_dir, "--out", folder, "--epochs", "1")
    before = (folder / artifact.FILE_NAME).read_bytes()

    result = training("fit", "--data-dir", data_dir, "--out", folder, *options)

    assert result.exit_code == 2
    assert "is too high for these data; nothing was saved" in result.stderr
    assert (folder / artifact.FILE_NAME).read_bytes() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_without_cuda_is_one_line_before_any_work(training: CommandLine, tmp_path: Path) -> None:
    result = training("fit", "--device", "cuda", "--data-dir", tmp_path)

    assert result.exit_code == 2
    assert result.stderr.startswith("error: --device cuda: torch")
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_minibatch_of_more_than_all_images_is_all_images(
    training: CommandLine, data_dir: Path, tmp_path: Path
) -> None:
    result = training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--batch-size", "1000000000000")

    assert result.exit_code == 0
    assert artifact.load(tmp_path / "m" / artifact.FILE_NAME).metadata.hyperparameters["batch_size"] == 10**12


@pytest.mark.parametrize("name", ["report", "README.md", "model.safetensors", "report/weights.png"])
def test_what_is_not_ours_is_not_replaced(training: CommandLine, data_dir: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("of someone else")

    result = training("fit", "--data-dir", data_dir, "--out", tmp_path, "--epochs", "1")

    assert result.exit_code == 2
    assert f"error: {tmp_path / name} was not written by a fit and would be replaced" in result.stderr
    assert (tmp_path / name).read_text() == "of someone else"
    assert not (tmp_path / artifact.FILE_NAME).exists() or name == artifact.FILE_NAME


@pytest.mark.parametrize(
    "options",
    [["--seeds", "0"], ["--stream"], ["--out", os.fsdecode(b"/tmp/model-\xff")]],
    ids=["seeds", "stream", "out"],
)
def test_options_that_mean_nothing_are_refused(training: CommandLine, data_dir: Path, options: list[str]) -> None:
    result = training("fit", "--data-dir", data_dir, *options)

    assert result.exit_code == 2
    assert options[0] in result.stderr


def test_an_unknown_data_set_is_one_line(training: CommandLine, tmp_path: Path) -> None:
    result = training("fit", "--dataset", "cats", "--data-dir", tmp_path)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--dataset cats" in result.stderr


def test_a_sweep_prints_a_ranking_and_saves_the_best(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "best"

    result = training(
        *("sweep", "--data-dir", data_dir, "--out", folder, "--epochs", "3", "--batch-size", "50"),
        *("--lr", "0.0001,0.1", "--weight-decay", "0", "--seeds", "3,4", "--skip-unreadable", "--save", "--json"),
    )

    _, *settings, _, _, _, _, saved = (json.loads(line) for line in result.stdout.splitlines())
    assert [setting["place"] for setting in settings] == [1, 2, 3, 4]
    assert settings[0]["recipe"]["lr"] == 0.1
    assert saved["event"] == "saved"
    card = (folder / "README.md").read_text()
    assert "fit --epochs 3" in card
    assert "--skip-unreadable" in card


def test_numbers_that_are_none_are_refused(training: CommandLine) -> None:
    result = training("sweep", "--lr", "0.1;0.2")

    assert result.exit_code == 2
    assert result.stderr == "error: --lr 0.1;0.2 must be numbers separated by commas.\n"


def test_evaluate_finds_what_the_model_file_states(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "2", "--seeds", "3")
    metadata = artifact.load(tmp_path / "m" / artifact.FILE_NAME).metadata

    result = training("evaluate", tmp_path / "m", "--data-dir", data_dir, "--json")

    found = json.loads(result.stdout)
    assert found["accuracy"] == metadata.evaluation.accuracy
    assert found["top_2_accuracy"] == metadata.evaluation.top_2_accuracy
    assert len(metadata.seed_accuracies) == 3
    assert "accuracy over 3 seeds" in (tmp_path / "m" / "README.md").read_text()
    assert {path.name for path in (tmp_path / "m" / "report").iterdir()} == {*PICTURES, "mistakes.png"}


def test_tables_are_printed_for_people(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "1")

    assert "confusion matrix" in training("evaluate", tmp_path / "m", "--data-dir", data_dir).stdout
    assert "kmnist" in training("datasets").stdout


def test_a_model_of_other_classes_cannot_be_evaluated(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    model = artifact.save(tmp_path / artifact.FILE_NAME, make_model(("a", "b")), make_metadata(labels=("a", "b")))

    result = training("evaluate", tmp_path, "--data-dir", data_dir)

    assert model
    assert result.exit_code == 2
    assert "the model's are others" in result.stderr


def test_a_folder_that_cannot_be_written_is_one_line(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    result = training("fit", "--data-dir", data_dir, "--epochs", "1", "--out", tmp_path / "file" / "m")

    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_full_disk_leaves_the_old_model_whole(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    options = ("fit", "--data-dir", data_dir, "--epochs", "1", "--out", tmp_path / "m")
    training(*options)
    before = (tmp_path / "m" / artifact.FILE_NAME).read_bytes()

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a write beyond it fails as on a full disk
    try:
        result = training(*options, "--seed", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert result.exit_code == 2
    assert [line[:7] for line in result.stderr.splitlines()] == ["Trainin", "error: "]
    assert (tmp_path / "m" / artifact.FILE_NAME).read_bytes() == before


def test_without_data_and_network_the_message_says_what_to_put_where(
    training: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")  # nobody listens there

    result = training("fit", "--data-dir", tmp_path)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"copy {tmp_path}/FashionMNIST/raw from there" in result.stderr
