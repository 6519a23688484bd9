"""Decisions on real files and real records: what is asked of them, kept of them, and refused."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from app.records.database import Database
from app.records.records import Records
from app.rollout.errors import NoChallengerError, UnprovenError
from app.rollout.model_folder import CHALLENGER, PREVIOUS
from app.rollout.rollouts import Rollouts
from app.serving.errors import NoSuchModelError
from app.serving.live_models import LiveModels
from tests.app.records.conftest import answer_of, label
from tests.app.records.test_pairs import answer, image
from tests.app.rollout.conftest import save_model, whole_version
from tests.conftest import LABELS


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path}/records.sqlite")) as database:
        yield database


@pytest.fixture
def rollouts(folder: Path, database: Database) -> Rollouts:
    return Rollouts(folder.parent, database)


def tell(folder: Path, tmp_path: Path, *, only_challenger: int, only_champion: int, both: int) -> None:
    """Record answers of the champion and its challenger, and what is true."""
    champion, challenger = (LiveModels(folder.parent).versions("letters")[role] for role in ("champion", "challenger"))
    version = challenger.version
    answers = [answer(1, 0, version)] * only_challenger + [answer(0, 1, version)] * only_champion
    answers += [answer(0, 0, version)] * both
    answers = [one._replace(id=answer_of().id) for one in answers]
    images = [number.to_bytes(4, "little") + image(0)[4:] for number in range(len(answers))]
    with closing(Records(f"sqlite:///{tmp_path}/records.sqlite", "answers")) as records:
        records.answered(champion, answers, images, checked=True)
        records.writer.write()
        records.tell([label(one.id, LABELS[0]) for one in answers], LABELS)


def test_without_evidence_a_promotion_says_what_is_missing_and_takes_force(rollouts: Rollouts, folder: Path) -> None:
    challenger = save_model(folder / CHALLENGER, seed=2)
    champion = whole_version(folder)

    with pytest.raises(UnprovenError, match=r"is not proven: 0 images are labeled, 500 are needed\."):
        rollouts.promote("letters", "the command line")
    assert whole_version(folder) == champion
    decision = rollouts.promote("letters", "the command line", force=True)

    assert whole_version(folder) == challenger
    assert decision.evidence["forced"] is True
    assert rollouts.history("letters") == [decision]


def test_with_evidence_the_challenger_is_promoted_and_the_row_has_it(
    rollouts: Rollouts, folder: Path, tmp_path: Path
) -> None:
    challenger = save_model(folder / CHALLENGER, seed=2)
    tell(folder, tmp_path, only_challenger=60, only_champion=20, both=500)

    decision = rollouts.promote("letters", "the rule")

    assert whole_version(folder) == challenger
    assert decision.evidence["only_challenger_correct"] == 60
    assert decision.evidence["e_value"] > 20
    assert decision.evidence["forced"] is False
    [row] = rollouts.history("letters")
    assert row == decision
    assert (row.who, row.action) == ("the rule", "promotion")


@pytest.mark.parametrize(("only_challenger", "proven"), [(46, False), (60, True)])
def test_the_second_challenger_of_a_champion_needs_four_times_the_evidence(
    rollouts: Rollouts, folder: Path, tmp_path: Path, only_challenger: int, *, proven: bool
) -> None:
    save_model(folder / CHALLENGER, seed=2)
    tell(folder, tmp_path, only_challenger=20, only_champion=20, both=500)
    save_model(folder / CHALLENGER, seed=3)
    tell(folder, tmp_path, only_challenger=only_challenger, only_champion=20, both=500)
    champion, challenger = (LiveModels(folder.parent).versions("letters")[role] for role in ("champion", "challenger"))

    evidence = rollouts.evidence("letters", champion, challenger)

    assert evidence["needed"] == 80
    assert evidence["e_value"] > 20
    assert evidence["enough"] is proven


def test_a_challenger_that_is_worse_is_not_promoted(rollouts: Rollouts, folder: Path, tmp_path: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)
    tell(folder, tmp_path, only_challenger=20, only_champion=60, both=500)

    with pytest.raises(UnprovenError, match="The evidence is"):
        rollouts.promote("letters", "the rule")


@pytest.mark.parametrize(("correct", "wrong", "fallen"), [(520, 60, False), (300, 280, True)])
def test_a_fall_below_the_test_accuracy_shows_in_the_labels(
    rollouts: Rollouts, folder: Path, tmp_path: Path, correct: int, wrong: int, *, fallen: bool
) -> None:
    save_model(folder / CHALLENGER, seed=2)
    champion = LiveModels(folder.parent).get("letters")
    assert rollouts.fall(champion) is None
    tell(folder, tmp_path, only_challenger=wrong, only_champion=0, both=correct)

    found = rollouts.fall(champion)

    assert found is not None
    assert (found["labels"], found["correct"]) == (correct + wrong, correct)
    assert found["least_accuracy"] == 0.826
    assert found["fallen"] is fallen


def test_every_decision_leaves_a_row_the_newest_first(rollouts: Rollouts, folder: Path) -> None:
    save_model(folder / CHALLENGER, seed=2)

    rollouts.promote("letters", "alice", force=True)
    rollouts.roll_back("letters", "bob", {"reason": "a fall"})

    rows = rollouts.history("letters")
    assert [(row.action, row.who) for row in rows] == [("rollback", "bob"), ("promotion", "alice")]
    assert (rows[0].from_sha256, rows[0].to_sha256) == (rows[1].to_sha256, rows[1].from_sha256)
    assert rows[0].evidence == {"reason": "a fall"}


@pytest.mark.parametrize("name", ["digits", "", ".", "..", "../models/letters", "letters/challenger", ".hidden"])
def test_a_model_that_is_none_is_refused(rollouts: Rollouts, name: str) -> None:
    with pytest.raises(NoSuchModelError):
        rollouts.roll_back(name, "the command line")


def test_where_the_records_are_away_it_takes_force_and_the_log_has_the_row(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    rollouts = Rollouts(folder.parent, Database(f"sqlite:///{tmp_path}/var/records.sqlite"))
    challenger = save_model(folder / CHALLENGER, seed=2)

    with pytest.raises(UnprovenError, match="Without evidence it takes force"):
        rollouts.promote("letters", "the command line")
    rollouts.promote("letters", "the command line", force=True)

    assert whole_version(folder) == challenger
    assert "The decision is kept here alone: Decision(" in caplog.text


def test_what_another_process_left_is_finished_and_its_row_is_kept_once(
    rollouts: Rollouts, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    challenger = save_model(folder / CHALLENGER, seed=2)
    champion = whole_version(folder)
    interrupted = tmp_path / "interrupted" / "letters"
    shutil.copytree(folder, interrupted)
    decision = rollouts.promote("letters", "alice", force=True)
    (interrupted / ".decision.json").write_bytes(orjson.dumps(decision._asdict()))
    shutil.copytree(folder / PREVIOUS, interrupted / ".outgoing")
    shutil.copytree(folder, interrupted / ".incoming", ignore=shutil.ignore_patterns(PREVIOUS, ".*"))

    Rollouts(interrupted.parent, rollouts._database).finish_all()  # noqa: SLF001 - the same records

    assert (whole_version(interrupted), whole_version(interrupted / PREVIOUS)) == (challenger, champion)
    assert "had been interrupted; it is finished" in caplog.text
    assert rollouts.history("letters") == [decision]


def test_a_challenge_by_a_file_comes_before_a_promotion(rollouts: Rollouts, folder: Path, tmp_path: Path) -> None:
    version = save_model(tmp_path / "new", seed=2)
    with pytest.raises(NoChallengerError):
        rollouts.promote("letters", "the command line", force=True)

    assert rollouts.challenge("letters", tmp_path / "new" / "model.safetensors") == version

    rollouts.promote("letters", "the command line", force=True)
    assert whole_version(folder) == version
