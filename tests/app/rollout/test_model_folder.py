"""Promotion and rollback of real files, stopped at every step, refused and begun by two at once."""

import errno
import fcntl
import json
import multiprocessing
import os
import resource
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.classifier import artifact
from app.classifier.artifact import Artifact
from app.classifier.errors import ModelFileError
from app.records.decision import Decision
from app.rollout.errors import (
    BusyError,
    NoChallengerError,
    NoPreviousError,
    UnfitChallengerError,
    UnprovenError,
    UnwritableError,
)
from app.rollout.model_folder import CHALLENGER, PREVIOUS, ModelFolder
from tests.app.rollout.conftest import save_model, whole_version
from tests.conftest import LABELS
from tests.damages import DAMAGES

STOPPED = 86  # exit code of a process that stopped before one of its steps
_STEPS = {
    "open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.copyfile", "shutil.copytree", "shutil.rmtree",
    "fcntl.flock", "os.link",
}  # fmt: skip


def versions(folder: Path) -> list[str | None]:
    """Of the champion, the challenger and the previous version."""
    return [whole_version(path) for path in (folder, folder / CHALLENGER, folder / PREVIOUS)]


def model_folder(path: Path, rows: list[Decision] | None = None, min_accuracy: float | None = None) -> ModelFolder:
    return ModelFolder(path, (rows if rows is not None else []).append, artifact.prove, min_accuracy)


def no_evidence(_champion: Artifact, _challenger: Artifact) -> None:
    pass


def digest(folder: Path) -> str:
    return sha256((folder / artifact.FILE_NAME).read_bytes()).hexdigest()


def test_a_promotion_keeps_the_champion_and_its_card_and_report(folder: Path, tmp_path: Path) -> None:
    rows: list[Decision] = []
    before, after = artifact.load(folder / artifact.FILE_NAME).version, save_model(tmp_path / "new", seed=2)
    model = model_folder(folder, rows)

    assert model.challenge(tmp_path / "new" / artifact.FILE_NAME) == after
    assert versions(folder) == [before, after, None]
    decision = model.promote("the command line", lambda champion, challenger: [champion.version, challenger.version])

    assert versions(folder) == [after, None, before]
    assert rows == [decision]
    assert (decision.action, decision.who, decision.evidence) == ("promotion", "the command line", [before, after])
    assert (decision.from_sha256, decision.to_sha256) == tuple(digest(folder / place) for place in (PREVIOUS, "."))
    assert whole_version(tmp_path / "new") == after


def test_a_rollback_exchanges_the_two_and_can_itself_be_taken_back(folder: Path, tmp_path: Path) -> None:
    rows: list[Decision] = []
    before, after = artifact.load(folder / artifact.FILE_NAME).version, save_model(tmp_path / "new", seed=2)
    model = model_folder(folder, rows)
    model.challenge(tmp_path / "new" / artifact.FILE_NAME)
    model.promote("the rule", no_evidence)

    model.roll_back("the command line")
    assert versions(folder) == [before, None, after]
    model.roll_back("the command line")

    assert versions(folder) == [after, None, before]
    assert [row.action for row in rows] == ["promotion", "rollback", "rollback"]
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".deciding", ".proven.json"}


def test_another_challenger_takes_the_place_of_the_first(folder: Path, tmp_path: Path) -> None:
    model = model_folder(folder)
    for seed in (2, 3):
        last = save_model(tmp_path / "new", seed)
        model.challenge(tmp_path / "new" / artifact.FILE_NAME)

    assert versions(folder)[1] == last


def test_a_challenger_without_a_card_takes_no_other_models_card(folder: Path, tmp_path: Path) -> None:
    model = model_folder(folder)
    after = save_model(tmp_path / "new", seed=2, card=False)
    model.challenge(tmp_path / "new" / artifact.FILE_NAME)

    model.promote("the command line", no_evidence)

    assert artifact.load(folder / artifact.FILE_NAME).version == after
    assert not (folder / "README.md").exists()
    assert not (folder / "report").exists()
    assert whole_version(folder / PREVIOUS)


def test_without_a_challenger_or_a_previous_version_nothing_moves(folder: Path) -> None:
    before = versions(folder)

    with pytest.raises(NoChallengerError, match="Model letters has no challenger"):
        model_folder(folder).promote("the command line", no_evidence)
    with pytest.raises(NoPreviousError, match="Model letters has no previous version"):
        model_folder(folder).roll_back("the command line")

    assert versions(folder) == before


def test_where_the_evidence_is_not_enough_nothing_moves(folder: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    before = versions(folder)

    def refuse(_champion: Artifact, _challenger: Artifact) -> None:
        raise UnprovenError("No images are labeled.")

    with pytest.raises(UnprovenError):
        model_folder(folder).promote("the command line", refuse)

    assert versions(folder) == before
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".deciding"}


@pytest.mark.parametrize("labels", [LABELS[::-1], LABELS[:-1]])
def test_labels_in_another_order_or_number_are_refused_with_the_reason(
    folder: Path, tmp_path: Path, labels: tuple[str, ...]
) -> None:
    save_model(tmp_path / "new", seed=2, labels=labels)

    with pytest.raises(UnfitChallengerError, match="those of the champion of letters are T-shirt/top"):
        model_folder(folder).challenge(tmp_path / "new" / artifact.FILE_NAME)
    assert not (folder / CHALLENGER).exists()

    shutil.copytree(tmp_path / "new", folder / CHALLENGER)
    before = versions(folder)
    with pytest.raises(UnfitChallengerError, match="those of the champion of letters are T-shirt/top"):
        model_folder(folder).promote("the command line", no_evidence)
    assert versions(folder) == before
    assert not (folder / ".incoming").exists()


def test_the_champion_cannot_challenge_itself_nor_a_model_below_the_least_accuracy(
    folder: Path, tmp_path: Path
) -> None:
    save_model(tmp_path / "new", seed=2)

    with pytest.raises(UnfitChallengerError, match="is the champion of letters already"):
        model_folder(folder).challenge(folder / artifact.FILE_NAME)
    with pytest.raises(UnfitChallengerError, match=r"0\.9000, is below SOFTMAX_MIN_ACCURACY, 0\.9500"):
        model_folder(folder, min_accuracy=0.95).challenge(tmp_path / "new" / artifact.FILE_NAME)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_challenger_or_previous_version_is_refused(folder: Path, damage: str) -> None:
    change, reason = DAMAGES[damage]
    for place in (CHALLENGER, PREVIOUS):
        save_model(folder / place, seed=2)
        path = folder / place / artifact.FILE_NAME
        path.write_bytes(change(path.read_bytes()))
    before = whole_version(folder)

    with pytest.raises(ModelFileError, match=reason):
        model_folder(folder).promote("the command line", no_evidence)
    with pytest.raises(ModelFileError, match=reason):
        model_folder(folder).roll_back("the command line")
    with pytest.raises(ModelFileError, match=reason):
        model_folder(folder).challenge(path)

    assert whole_version(folder) == before


def test_the_way_back_is_open_when_the_champion_is_damaged(folder: Path) -> None:
    previous = save_model(folder / PREVIOUS, seed=2)
    (folder / artifact.FILE_NAME).write_bytes(b"half")

    model_folder(folder).roll_back("the command line")

    assert whole_version(folder) == previous


@pytest.mark.parametrize("champion", ["missing", "a pipe"])
def test_the_way_back_is_open_when_the_champion_cannot_be_read(folder: Path, champion: str) -> None:
    previous = save_model(folder / PREVIOUS, seed=2)
    (folder / artifact.FILE_NAME).unlink()
    if champion == "a pipe":
        os.mkfifo(folder / artifact.FILE_NAME)

    decision = model_folder(folder).roll_back("the command line")

    assert whole_version(folder) == whole_version(folder / PREVIOUS) == previous
    assert (decision.from_sha256, decision.to_sha256) == (None, digest(folder))


@pytest.mark.parametrize("what", ["a pipe", "a folder", "too large", "a loop of links"])
def test_a_card_or_a_picture_that_cannot_be_read_is_left_out(
    folder: Path, tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    challenger = save_model(tmp_path / "new", seed=2)
    (tmp_path / "new" / "README.md").unlink()
    for path in (tmp_path / "new" / "README.md", tmp_path / "new" / "report" / "strange"):
        make_unreadable(path, what)

    model_folder(folder).challenge(tmp_path / "new" / artifact.FILE_NAME)

    assert artifact.load(folder / CHALLENGER / artifact.FILE_NAME).version == challenger
    assert caplog.text.count("is left out: ") == 2
    assert {path.name for path in (folder / CHALLENGER).rglob("*")} == {"model.safetensors", "report", "weights.png"}


@pytest.mark.parametrize("what", ["a pipe", "a folder", "a loop of links"])
def test_what_lies_strange_beside_a_model_stops_no_promotion(folder: Path, what: str) -> None:
    champion = versions(folder)[0]
    challenger = save_model(folder / CHALLENGER, seed=2)
    make_unreadable(folder / "report" / "strange", what)

    model_folder(folder).promote("the command line", no_evidence)

    assert versions(folder) == [challenger, None, champion]
    assert not os.path.lexists(folder / PREVIOUS / "report" / "strange")


def test_files_that_are_links_or_cannot_be_linked_are_copied(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = versions(folder)[0]
    challenger = save_model(tmp_path / "elsewhere", seed=2)
    (folder / CHALLENGER).mkdir()
    for name in (artifact.FILE_NAME, "README.md", "report"):
        (folder / CHALLENGER / name).symlink_to(tmp_path / "elsewhere" / name)

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)  # as of another user's files, or on a disk without links
    model_folder(folder).promote("the command line", no_evidence)

    assert versions(folder) == [challenger, None, champion]
    assert not (folder / artifact.FILE_NAME).is_symlink()
    assert whole_version(tmp_path / "elsewhere") == challenger


@pytest.mark.parametrize("what", ["a pipe", "a folder", "too large", "half", "another's", "a list", "of other types"])
def test_a_journal_that_is_none_stops_nobody(folder: Path, what: str, caplog: pytest.LogCaptureFixture) -> None:
    save_model(folder / PREVIOUS, seed=2)
    before, journal = versions(folder), folder / ".decision.json"
    contents = {"half": '{"time": 1', "another's": '{"time": 1}', "a list": "[1, 2]"}
    decision = Decision(1.0, "letters", "alice", "promotion", None, digest(folder), digest(folder / PREVIOUS))
    contents["of other types"] = json.dumps(decision._asdict() | {"to_sha256": ["0"]})
    if what in contents:
        journal.write_text(contents[what])
    else:
        make_unreadable(journal, what)

    assert model_folder(folder).finish() is None

    assert "is no decision of this service and is removed" in caplog.text
    assert not journal.exists()
    assert versions(folder) == before


def make_unreadable(path: Path, what: str) -> None:
    match what:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "too large":
            with path.open("wb") as file:
                file.truncate(2**27)
        case "a loop of links":
            path.symlink_to(path.name)


def test_a_folder_that_cannot_be_written_is_named_and_left_as_it_is(folder: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    before = versions(folder)
    (folder / ".deciding").mkdir()  # whoever tests as root may write wherever the system lets him

    with pytest.raises(UnwritableError, match=r"letters, .* can't be changed by user \d+ \(Is a directory\)"):
        model_folder(folder).promote("the command line", no_evidence)

    assert versions(folder) == before


def promote_with_little_room(path: Path, bytes_left: int) -> None:
    with_little_room(bytes_left, lambda: model_folder(path).promote("the command line", no_evidence))


def challenge_with_little_room(path: Path, file: Path, bytes_left: int) -> None:
    with_little_room(bytes_left, lambda: model_folder(path).challenge(file))


def with_little_room(bytes_left: int, act: Callable[[], Any]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, bytes_left))
    try:
        act()
    except UnwritableError as error:
        os._exit(STOPPED if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EFBIG else 1)


@pytest.mark.slow
def test_where_there_is_no_room_to_write_down_a_decision_nothing_is_changed(folder: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    before = versions(folder)

    assert run(promote_with_little_room, folder, 20) == STOPPED

    assert versions(folder) == before
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".deciding"}


def test_where_a_challenger_has_no_room_nothing_is_changed(folder: Path, tmp_path: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    save_model(tmp_path / "new", seed=3)
    before = versions(folder)

    assert run(challenge_with_little_room, folder, tmp_path / "new" / artifact.FILE_NAME, 20_000) == STOPPED

    assert versions(folder) == before
    assert model_folder(folder).finish() is None
    assert not (folder / ".arriving").exists()


def test_two_processes_never_decide_at_once(folder: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    before = versions(folder)
    with (folder / ".deciding").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(BusyError, match="Another process is deciding about model letters"):
            model_folder(folder).promote("the command line", no_evidence)

    assert versions(folder) == before
    model_folder(folder).promote("the command line", no_evidence)


def run(function: Any, *arguments: Any) -> int | None:
    """Run it in a process of its own; its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def stop_before_step(number: int) -> None:
    """End this process, as a kill would, before its so-manieth change of files from now on; 0 is the first."""
    steps = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in _STEPS and not (event == "open" and _only_reads(arguments)):
            if steps == number:
                os._exit(STOPPED)
            steps += 1

    sys.addaudithook(count)


def _only_reads(arguments: tuple[Any, ...]) -> bool:
    return arguments[1] == "r" or not arguments[2] & (os.O_WRONLY | os.O_RDWR)


def promote_until(path: Path, number: int) -> None:
    stop_before_step(number)
    model_folder(path).promote("the command line", no_evidence)


def roll_back_until(path: Path, number: int) -> None:
    stop_before_step(number)
    model_folder(path).roll_back("the command line")


def finish_until(path: Path, number: int) -> None:
    stop_before_step(number)
    model_folder(path).finish()


def challenge_until(path: Path, file: Path, number: int) -> None:
    stop_before_step(number)
    model_folder(path).challenge(file)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["promotion", "rollback"])
def test_killed_between_any_two_steps_a_whole_model_is_there_and_the_move_is_finished(
    folder: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    act = promote_until if what == "promotion" else roll_back_until
    save_model(folder / CHALLENGER, seed=2)
    save_model(folder / PREVIOUS, seed=3)
    champion, challenger, previous = versions(folder)
    moved = [challenger, None, champion] if what == "promotion" else [previous, challenger, champion]
    outcomes = []
    for number in range(200):
        path = folder.parent.with_name(f"stopped-{number}") / "letters"
        shutil.copytree(folder, path)

        exit_code = run(act, path, number)
        answering = artifact.load(path / artifact.FILE_NAME).version
        rows: list[Decision] = []
        caplog.clear()
        decision = model_folder(path, rows).finish()

        if exit_code == 0:
            assert versions(path) == moved
            break
        assert exit_code == STOPPED
        assert answering in {champion, moved[0]}
        assert versions(path) == (moved if decision else [champion, challenger, previous])
        assert rows == ([decision] if decision else [])
        assert (f"Model letters: the {what} of {moved[0]}, decided by the command line," in caplog.text) is bool(
            decision
        )
        assert {entry.name for entry in path.iterdir() if entry.name.startswith(".")} <= {".deciding", ".proven.json"}
        outcomes.append(decision is not None)
    else:
        pytest.fail("It has no end.")

    assert outcomes == sorted(outcomes)  # first nothing is decided yet, then all is
    assert outcomes.count(False) >= 10
    assert outcomes.count(True) >= 10


def test_killed_while_finishing_it_is_finished_by_the_next(folder: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    champion, challenger, _ = versions(folder)
    assert run(promote_until, folder, _first_step_after_the_decision(folder)) == STOPPED
    assert (folder / ".decision.json").exists()

    for number in range(1, 200):
        if run(finish_until, folder, number) == 0:
            break

    assert versions(folder) == [challenger, None, champion]


def _first_step_after_the_decision(folder: Path) -> int:
    for number in range(200):
        path = folder.parent.with_name(f"tried-{number}") / "letters"
        shutil.copytree(folder, path)
        run(promote_until, path, number)
        if (path / ".decision.json").exists():
            return number
    pytest.fail("It is never decided.")


def test_a_challenger_that_was_not_there_yet_when_its_process_was_killed_is_forgotten(
    folder: Path, tmp_path: Path
) -> None:
    new = save_model(tmp_path / "new", seed=2)
    old = save_model(folder / CHALLENGER, seed=3)
    champion = whole_version(folder)
    seen = set()
    for number in range(200):
        path = tmp_path / f"stopped-{number}" / "letters"
        shutil.copytree(folder, path)

        exit_code = run(challenge_until, path, tmp_path / "new" / artifact.FILE_NAME, number)
        model_folder(path).finish()

        found = (versions(path)[0], versions(path)[1])
        assert found in {(champion, old), (champion, new)}
        seen.add(found[1])
        if exit_code == 0:
            break

    assert exit_code == 0
    assert seen == {old, new}


def test_an_interrupted_move_of_a_file_that_was_replaced_since_is_given_up(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_model(folder / CHALLENGER, seed=2)
    challenger = versions(folder)[1]
    assert run(promote_until, folder, _first_step_after_the_decision(folder)) == STOPPED
    by_hand = save_model(folder, seed=9)

    assert model_folder(folder).finish() is None

    assert versions(folder)[:2] == [by_hand, challenger]
    assert "is given up, as the model file has been replaced since" in caplog.text
    assert not (folder / ".decision.json").exists()
