"""`python -m training` as a user runs it."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.classifier import artifact
from tests.conftest import REPOSITORY, make_metadata, make_model
from tests.training.conftest import CommandLine, Outcome, make_split
from training import display
from training.data.datasets import digests
from training.data.splits import Split
from training.fitting.devices import choose_device, describe_device, why_not_cuda
from training.jobs import Job
from training.names import in_markdown
from training.results.model_folder import PICTURES


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
    assert f"are warned of | {100 * (evaluation.flagged_share or 0):.2f} %;" in card


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


def test_where_it_was_trained_stands_on_the_terminal_in_json_in_the_file_and_on_the_card(
    training: CommandLine, data_dir: Path, tmp_path: Path
) -> None:
    result = training("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "1", "--json")

    device = choose_device("auto")
    machine, reason = describe_device(device), why_not_cuda("auto", device)
    first, *details = machine.values()
    start = json.loads(result.stdout.splitlines()[0])
    assert (
        f"Training on {first} ({', '.join(details)}){f', as torch finds no CUDA here: {reason}' * bool(reason)}."
        in (result.stderr)
    )
    assert machine.items() <= start.items()
    assert start["images"] == {"train": 950, "validation": 50, "test": 200}
    assert artifact.load(tmp_path / "m" / artifact.FILE_NAME).metadata.machine == machine
    card = (tmp_path / "m" / "README.md").read_text()
    assert f"| machine | {', '.join(f'{name} {in_markdown(value)}' for name, value in machine.items())} |" in card


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


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (lambda: torch.empty(2**60), "memory is used up"),  # for real
        (lambda: bytearray(2**60), "memory is used up"),
        (lambda: fail(torch.OutOfMemoryError, "CUDA out of memory. Tried to allocate 2 GiB."), "CUDA out of memory"),
        (lambda: fail(torch.AcceleratorError, "CUDA error: no kernel image is available"), "no kernel image"),
        (lambda: Path("/proc/self/mem").read_bytes(), "reading or writing failed: Input/output error."),
    ],
    ids=["host", "python", "gpu", "kernel", "disk"],
)
def test_what_a_machine_lacks_is_one_sentence(
    training: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Callable[[], object], told: str
) -> None:
    monkeypatch.setattr(Job, "run", lambda _: failure())

    result = training("fit", "--out", tmp_path)

    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def fail(kind: type[Exception], sentence: str) -> None:
    """Raise as CUDA does: behind the sentence come addresses and advice."""
    raise kind(f"{sentence}\nCompile with TORCH_USE_CUDA_DSA to enable device-side assertions.\n")


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
    result = training(
        "fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "1", "--batch-size", "1000000000000"
    )

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
    [
        *(["--seeds", "0"], ["--stream"], ["--out", os.fsdecode(b"/tmp/model-\xff")], ["--out", "/"]),
        *(["--license", os.fsdecode(b"\xff")], ["--test-size", "1"]),
    ],
    ids=["seeds", "stream", "out", "root", "license", "share"],
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


def write_folder(folder: Path, count: int, seed: int = 0, names: tuple[str, ...] = ("ex", "why")) -> Path:
    """Noise, of which nothing can be learnt but by heart."""
    generator = torch.Generator().manual_seed(seed)
    for number in range(count):
        path = folder / names[number % len(names)] / f"{seed}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(0, 256, (784,), generator=generator, dtype=torch.uint8)
        Image.frombytes("L", (28, 28), pixels.numpy().tobytes()).save(path)
    return folder


def accuracy(result: Outcome) -> float:
    assert result.exit_code == 0, result.stderr
    return float(json.loads(result.stdout)["accuracy"])


def test_no_model_is_measured_on_what_it_was_trained_on(training: CommandLine, tmp_path: Path) -> None:
    images = write_folder(tmp_path / "noise", 240)
    dataset, model = ("--dataset", f"folder:{images}"), tmp_path / "m"
    assert training("fit", *dataset, "--out", model, "--validation", "0.1").exit_code == 0
    stated = artifact.load(model / artifact.FILE_NAME).metadata.evaluation

    again = training("evaluate", model, *dataset, "--json")
    write_folder(images, 2, seed=1)
    with_two_more = training("evaluate", model, *dataset, "--json")

    assert accuracy(again) == stated.accuracy
    assert json.loads(again.stdout)["left_out"] == 200
    assert json.loads(with_two_more.stdout)["sample_count"] == 42
    assert accuracy(with_two_more) < 0.7
    assert accuracy(training("evaluate", model, *dataset, "--whole", "--json")) > 0.85


def test_a_folder_of_new_images_is_measured_whole_also_if_it_lacks_a_class(
    training: CommandLine, tmp_path: Path
) -> None:
    images, model = write_folder(tmp_path / "noise", 60), tmp_path / "m"
    training("fit", "--dataset", f"folder:{images}", "--out", model, "--epochs", "1", "--validation", "0.1")
    new = write_folder(tmp_path / "new", 7, seed=2, names=("why",))

    result = training("evaluate", model, "--dataset", f"folder:{new}", "--json")

    found = json.loads(result.stdout)
    assert (found["sample_count"], found["left_out"]) == (7, 0)
    assert [one["sample_count"] for one in found["classes"]] == [0, 7]


def test_images_that_the_model_was_trained_on_alone_are_refused(training: CommandLine, tmp_path: Path) -> None:
    images, model = write_folder(tmp_path / "noise", 60), tmp_path / "m"
    training("fit", "--dataset", f"folder:{images}", "--out", model, "--epochs", "1", "--validation", "0.1")
    for path in images.rglob("*.png"):
        pixels = torch.frombuffer(bytearray(Image.open(path).tobytes()), dtype=torch.uint8)
        known = artifact.load(model / artifact.FILE_NAME).trained_on
        assert known is not None
        if not torch.isin(digests(Split(pixels[None], torch.zeros(1))), known).any():
            path.unlink()

    result = training("evaluate", model, "--dataset", f"folder:{images}")

    assert result.exit_code == 2
    assert "was trained on all 50 images of noise" in result.stderr


def test_an_older_model_file_is_not_measured_on_what_it_may_have_been_trained_on(
    training: CommandLine, tmp_path: Path
) -> None:
    artifact.save(tmp_path / artifact.FILE_NAME, make_model(("ex", "why")), make_metadata(labels=("ex", "why")))
    dataset = f"folder:{write_folder(tmp_path / 'noise', 20)}"

    refused = training("evaluate", tmp_path, "--dataset", dataset)
    whole = training("evaluate", tmp_path, "--dataset", dataset, "--whole", "--json")

    assert "does not say which images it was trained on" in refused.stderr
    assert json.loads(whole.stdout)["sample_count"] == 20


@pytest.mark.parametrize("count", [180, 5000])
def test_a_stream_ends_with_the_weights_of_memory(training: CommandLine, tmp_path: Path, count: int) -> None:
    split = make_split(count)
    np.save(tmp_path / "images.npy", split.pixels.view(-1, 28, 28).numpy())
    np.save(tmp_path / "labels.npy", split.class_ids.numpy())
    options = ("fit", "--dataset", f"npy:{tmp_path}", "--epochs", "3", "--validation", "0.1", "--out")

    for name, stream in (("memory", ()), ("stream", ("--stream",))):
        assert training(*options, tmp_path / name, *stream).exit_code == 0

    memory, stream_ = (artifact.load(tmp_path / name / artifact.FILE_NAME) for name in ("memory", "stream"))
    assert torch.equal(memory.model.weight, stream_.model.weight)
    assert memory.metadata.evaluation == stream_.metadata.evaluation


def test_a_small_folder_of_any_names_is_fitted_until_it_has_converged(training: CommandLine, tmp_path: Path) -> None:
    names = ("Ba$$in", "水", ":smile:", "[b]x", "e\u0301", "a|b")
    images = write_folder(tmp_path / "an $odd$ :name:", 120, names=names)

    result = training("fit", "--dataset", f"folder:{images}", "--out", tmp_path / "m", "--validation", "0")

    assert result.exit_code == 0, result.stderr
    saved = artifact.load(tmp_path / "m" / artifact.FILE_NAME)
    assert saved.metadata.labels == tuple(sorted(names))
    assert saved.metadata.hyperparameters["epochs"] == 1000
    shown = training("evaluate", tmp_path / "m", "--dataset", f"folder:{images}").stdout
    assert all(name in shown for name in names)


def test_a_finished_run_is_not_fitted_again_by_resume(training: CommandLine, data_dir: Path, tmp_path: Path) -> None:
    options = ("fit", "--data-dir", data_dir, "--out", tmp_path / "m", "--epochs", "2")
    training(*options)
    before = (tmp_path / "m" / artifact.FILE_NAME).stat().st_mtime_ns

    same, other = training(*options, "--resume"), training(*options, "--resume", "--lr", "0.2")

    assert "is finished: its model was fitted with these options" in same.stderr
    assert (same.exit_code, other.exit_code) == (0, 0)
    assert "has no checkpoint: the fit starts with its first epoch" in other.stderr
    assert (tmp_path / "m" / artifact.FILE_NAME).stat().st_mtime_ns > before


def test_an_interrupted_fit_goes_on(
    training: CommandLine, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("fit", "--data-dir", data_dir, "--epochs", "6", "--json", "--out")
    printed = sys.stdout.write
    training(*options, tmp_path / "undisturbed")

    def interrupt(text: str) -> int:
        if '"epoch": 3' in text:
            signal.raise_signal(signal.SIGINT)  # to this thread, so at once; `os.kill` may reach it some epochs later
        return printed(text)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background would not have
    monkeypatch.setattr(display, "print_json", lambda event, fields: interrupt(json.dumps({"event": event, **fields})))
    interrupted = training(*options, tmp_path / "m")
    monkeypatch.undo()
    signal.signal(signal.SIGINT, before)
    resumed = training(*options, tmp_path / "m", "--resume")

    assert interrupted.exit_code == 130
    assert resumed.exit_code == 0
    epochs = [json.loads(line)["epoch"] for line in resumed.stdout.splitlines() if '"epoch":' in line]
    assert epochs == [4, 5, 6]
    one, other = (artifact.load(tmp_path / name / artifact.FILE_NAME).model for name in ("undisturbed", "m"))
    assert torch.equal(one.weight, other.weight)


def test_a_folder_named_by_dots_is_served_by_its_name(
    training: CommandLine, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "garments" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "garments" / "inner")

    result = training("fit", "--data-dir", data_dir, "--out", "..", "--epochs", "1")

    assert f"`python -m app --models-dir {tmp_path}` serves it" in result.stderr
    assert "?model=garments." in result.stderr


def test_a_last_seed_out_of_range_is_refused_before_anything_is_read(training: CommandLine, tmp_path: Path) -> None:
    result = training("fit", "--data-dir", tmp_path, "--seed", "4294967295", "--seeds", "2")

    assert result.exit_code == 2
    assert "--seed 4294967296" in result.stderr
    assert "--seed 1000000000000" in training("fit", "--seed", "1", "--seeds", "1000000000000").stderr
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_diverges_prints_json(training: CommandLine, data_dir: Path) -> None:
    result = training("sweep", "--data-dir", data_dir, "--epochs", "2", "--lr", "1e30,0.1", "--json")

    settings = [json.loads(line, parse_constant=pytest.fail) for line in result.stdout.splitlines()]
    assert settings[-1]["loss"] is None


def test_a_path_that_is_not_utf8_is_written_as_a_shell_reads_it(
    training: CommandLine, data_dir: Path, tmp_path: Path
) -> None:
    odd = tmp_path / os.fsdecode(b"data\xff")
    data_dir.rename(odd)

    result = training("fit", "--data-dir", odd, "--out", tmp_path / "m", "--epochs", "1")

    assert result.exit_code == 0, result.stderr
    assert f"--data-dir $'{tmp_path}/data\\xff'" in (tmp_path / "m" / "README.md").read_text()


def test_the_folder_one_stands_in_keeps_its_readme(
    training: CommandLine, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("mine")
    monkeypatch.chdir(tmp_path)

    for out in ("", "."):
        result = training("fit", "--data-dir", data_dir, "--out", out, "--epochs", "1")

        assert result.exit_code == 2
        assert "README.md was not written by a fit" in result.stderr
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.slow
def test_a_terminal_of_another_encoding_gets_replacements(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "noise", 60, names=("水", "é"))
    command = [sys.executable, "-m", "training", "fit", "--dataset", f"folder:{images}", "--epochs", "1", "--out"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "TERM": "dumb"}

    for arguments in ([*command, str(tmp_path / "m")], [*command[:3], "evaluate", str(tmp_path / "m"), *command[4:6]]):
        result = subprocess.run(
            arguments, env=environment, cwd=REPOSITORY, capture_output=True, check=False, encoding="ascii"
        )
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
    assert "?" in result.stdout


@pytest.mark.slow
def test_torchrun_prints_an_evaluation_once(data_dir: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "training"]

    result = subprocess.run(
        [*launcher, "evaluate", str(REPOSITORY / "models" / "fashion-mnist"), "--data-dir", str(data_dir), "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.slow
def test_a_fit_challenges_the_model_that_is_there_and_replaces_it_only_when_told(
    training: CommandLine, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    champion = tmp_path / "models" / "fashion-mnist" / artifact.FILE_NAME
    options = ("fit", "--data-dir", data_dir, "--epochs", "1")

    training(*options)
    before = champion.read_bytes()
    second = training(*options, "--seed", "1")

    challenger = artifact.load(champion.parent / "challenger" / artifact.FILE_NAME)
    assert champion.read_bytes() == before
    assert challenger.metadata.name == "fashion-mnist"
    assert (champion.parent / "challenger" / "README.md").exists()
    assert "`python -m app promote fashion-mnist` puts it into service" in second.stderr
    assert "`python -m app rollback fashion-mnist` brings back" in second.stderr
    training(*options, "--seed", "2", "--out", champion.parent)
    assert champion.read_bytes() != before
