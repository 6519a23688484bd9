"""`python -m training learn`, on real records: what becomes a challenger, and what changes nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from app.classifier.artifact import FILE_NAME
from benchmarks.loop.images import drawn, flipped, lit
from tests.conftest import REPOSITORY
from tests.training.conftest import CommandLine
from tests.training.learn.conftest import NAME, Learn, Recorder
from training.data.datasets import digests
from training.data.splits import Split

CHALLENGER = Path(NAME) / "challenger" / FILE_NAME


def content(folder: Path) -> dict[Path, bytes]:
    """All files, but for the empty ones that processes lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return {path.relative_to(folder): path.read_bytes() for path in files}


def joined(*splits: Split) -> Split:
    return Split(torch.cat([one.pixels for one in splits]), torch.cat([one.class_ids for one in splits]))


def test_after_a_shift_what_was_learned_challenges_and_its_file_says_of_what(
    record: Recorder, learn: Learn, models: Path
) -> None:
    record(lit(drawn(900, 2)))

    look = learn()

    assert look["outcome"] == "challenge"
    found = artifact.load(models / CHALLENGER)
    learned = found.metadata.learned
    assert learned is not None
    assert (found.version, learned.parent) == (look["version"], artifact.load(models / NAME / FILE_NAME).version)
    assert (learned.images, learned.window, learned.sources) == (600, 300, {"returns": 600})
    assert sum(learned.classes.values()) == 600
    assert learned.window_correct > learned.parent_window_correct + 50
    assert found.metadata.evaluation.accuracy >= learned.original_accuracy - 0.005
    card = (models / CHALLENGER).with_name("README.md").read_text()
    assert (
        "| learned in use | 600 recorded images, 2027-01-15 12:00 to 2027-01-15 12:10 UTC, each once an epoch" in card
    )


def test_the_latest_images_and_the_test_images_never_train_and_the_same_records_make_the_same_file(
    record: Recorder, learn: Learn, models: Path
) -> None:
    shown = lit(drawn(900, 2))
    test = drawn(1000, 1)
    record(joined(Split(test.pixels[:50], test.class_ids[:50]), shown))

    first = learn("--seed", "3")["version"]
    shutil.rmtree((models / CHALLENGER).parent)
    second = learn("--seed", "3")["version"]

    assert first == second
    trained_on = artifact.load(models / CHALLENGER).trained_on
    assert trained_on is not None
    known = torch.isin(digests(shown), trained_on)
    assert known[:600].all()
    assert not known[600:].any()
    assert not torch.isin(digests(test), trained_on).any()


def test_images_that_are_like_those_of_the_data_set_teach_nothing_new(
    record: Recorder, learn: Learn, models: Path
) -> None:
    record(drawn(900, 2))
    before = content(models)

    look = learn()

    assert look["outcome"] == "nothing"
    assert "against the champion: The evidence is" in look["reasons"][0]
    assert content(models) == before


def to_the_next_class(split: Split) -> Split:
    wrong = torch.rand(len(split), generator=torch.Generator().manual_seed(1)) < 0.2
    return Split(split.pixels, torch.where(wrong, (split.class_ids + 1) % 10, split.class_ids))


def two_classes_swapped(split: Split) -> Split:
    order = torch.tensor([0, 1, 6, 3, 4, 5, 2, 7, 8, 9])
    return Split(split.pixels, order[split.class_ids])


@pytest.mark.parametrize("flip", [partial(flipped, share=0.2, seed=0), to_the_next_class, two_classes_swapped])
def test_a_source_that_flips_one_label_in_five_wins_nothing_even_alone(
    record: Recorder, learn: Learn, models: Path, flip: Callable[[Split], Split]
) -> None:
    record(flip(drawn(2500, 31)), source="newcomer")

    look = learn()

    assert look["outcome"] == "nothing"
    assert not (models / CHALLENGER).exists()


def test_such_a_source_is_left_out_where_others_tell_too(record: Recorder, learn: Learn) -> None:
    record(lit(drawn(700, 2)))
    record(flipped(lit(drawn(400, 3)), 0.2, 0), source="newcomer")
    record(lit(drawn(300, 4)))

    look = learn()

    assert look["outcome"] == "challenge"
    assert list(look["learned"]["left_out"]) == ["newcomer"]
    assert look["learned"]["sources"] == {"returns": 700}


def test_a_challenger_stays_until_a_better_one_comes(record: Recorder, learn: Learn, models: Path) -> None:
    record(lit(drawn(900, 2)))
    first = learn()
    record(lit(drawn(100, 3)))
    before = content(models)

    second = learn()

    assert first["outcome"] == "challenge"
    assert second["outcome"] == "nothing"
    assert any("against the present challenger: The evidence is" in reason for reason in second["reasons"])
    assert content(models) == before


def test_a_folder_that_cannot_be_changed_is_named_before_anything_is_learned(
    record: Recorder, training: CommandLine, models: Path, tmp_path: Path
) -> None:
    record(lit(drawn(400, 2)))
    (models / NAME / ".deciding").mkdir()  # whoever tests as root may write wherever the system lets him

    done = training("learn", NAME, "--window", "300", "--data-dir", tmp_path / "not-even-looked-for")

    assert done.exit_code == 2
    assert "can't be changed by user" in done.stderr


def test_too_few_labels_are_said(record: Recorder, learn: Learn) -> None:
    record(drawn(200, 2))

    assert learn()["reasons"][0].startswith("200 images are labeled. 300 of the latest measure")


def test_another_data_set_than_the_models_is_refused(record: Recorder, training: CommandLine, data_dir: Path) -> None:
    record(lit(drawn(900, 2)))

    done = training("learn", NAME, "--data-dir", data_dir, "--window", "300")

    assert done.exit_code == 2
    assert "fashion-mnist is not the data set that version" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nobody",), "There is no model 'nobody'"),
        ((NAME, "--every", "soon"), "write a number and s, m, h or d"),
        ((NAME, "--once", "--every", "1h"), "exclude each other"),
        ((NAME, "--every", "999999999999999d"), "a year, 365d, is the most"),
        ((NAME, "--seed", "-1"), "--seed -1 must be between 0 and"),
        ((NAME, "--device", "gpu"), "there are auto, cpu, cuda and cuda:N"),
        (("..",), "'..' is no name of a model"),
        (("",), "'' is no name of a model"),
        ((f"{NAME}/..",), "is no name of a model"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    training: CommandLine, models: Path, arguments: tuple[str, ...], reason: str
) -> None:
    done = training("learn", "--models-dir", models, *arguments)

    assert done.exit_code == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_whatever_stops_it_leaves_all_as_it_was(
    record: Recorder, models: Path, fitted: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    record(lit(drawn(900, 2)))
    before = content(models)
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "training", "learn", NAME, "--window", "300", "--data-dir", str(fitted / "data")]
    heeding = ["env", "--default-signal=INT"]  # which a shell's job in the background does not

    with subprocess.Popen(
        [*heeding, *command],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path / "elsewhere")},
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "elsewhere").rglob("challenger")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(number)

    assert process.returncode == code
    assert content(models) == before
    assert number == signal.SIGKILL or list((tmp_path / "elsewhere").glob("softmax-learn-*")) == []
