"""Labels and answers, whichever comes first."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import select, update

from app.records.database import Database
from app.records.errors import UnknownLabelError
from app.records.records import Records
from app.records.schema import answers, labels
from app.records.settling import NONE_OF_THESE, REVIEW, is_drawn_by_chance
from app.records.telling import Judged, Receipt
from app.records.told import Label
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from tests.app.records.conftest import (
    NOON,
    Clock,
    PostgreSQL,
    answer_of,
    answered,
    label,
    make_live_model,
    of_all_time,
    wait_until,
)
from tests.conftest import LABELS

WEEK = 7 * 86_400


@pytest.fixture
def records(url: str, clock: Clock) -> Iterator[Records]:
    with closing(Records(url, "answers", clock=clock)) as records:
        yield records


def test_labels_join_their_answers_and_are_counted(records: Records, live_model: LiveModel) -> None:
    first, second, _ = answered(records, live_model, [answer_of(0), answer_of(1), answer_of(2)])

    receipt = records.tell([label(first, LABELS[0]), label(second, LABELS[7])], ())

    figures = of_all_time(records, live_model)
    assert receipt == Receipt(kept=2, joined=2, waiting=0, repeated=0, outdated=0)
    assert (figures["answers"], figures["labels"]) == (3, 2)
    assert figures["labeled_share"] == pytest.approx(2 / 3)
    assert figures["accuracy"] == pytest.approx(0.5)
    assert figures["confusion_matrix"] is not None
    assert figures["confusion_matrix"][0][0] == 1
    assert figures["confusion_matrix"][7][1] == 1
    assert figures["calibration_error"] == pytest.approx(abs(1 - 2 * 0.91) / 2, abs=1e-6)


def test_a_label_that_comes_before_its_answer_is_joined_when_that_comes(
    records: Records, live_model: LiveModel
) -> None:
    early = answer_of(3)

    receipt = records.tell([label(early.id, LABELS[3])], LABELS)
    answered(records, live_model, [early])

    assert receipt == Receipt(kept=1, joined=0, waiting=1, repeated=0, outdated=0)
    assert of_all_time(records, live_model)["labels"] == 1
    assert of_all_time(records, live_model)["accuracy"] == 1.0


def test_a_repeated_label_is_counted_once(records: Records, live_model: LiveModel) -> None:
    [its_id] = answered(records, live_model, [answer_of()])

    receipts = [records.tell([label(its_id), label(its_id)], ()), records.tell([label(its_id, time=NOON + 5)], ())]

    assert receipts == [Receipt(1, 1, 0, 1, 0), Receipt(0, 0, 0, 1, 0)]
    assert of_all_time(records, live_model)["labels"] == 1


def test_the_newest_label_of_a_source_counts_in_whatever_order_they_come(
    records: Records, live_model: LiveModel
) -> None:
    [its_id] = answered(records, live_model, [answer_of(0)])

    newer = records.tell([label(its_id, LABELS[0], time=NOON + 9)], ())
    older = records.tell([label(its_id, LABELS[4], time=NOON + 8)], ())

    assert (newer.kept, older.outdated) == (1, 1)
    assert of_all_time(records, live_model)["accuracy"] == 1.0
    records.tell([label(its_id, LABELS[4], time=NOON + 10)], ())
    assert of_all_time(records, live_model)["accuracy"] == 0.0
    assert of_all_time(records, live_model)["labels"] == 1


def test_sources_that_disagree_are_shown_and_the_newest_counts(records: Records, live_model: LiveModel) -> None:
    [its_id] = answered(records, live_model, [answer_of(0)])

    records.tell([label(its_id, LABELS[0], "ann", NOON), label(its_id, LABELS[1], "bob", NOON + 1)], ())

    figures = of_all_time(records, live_model)
    assert (figures["labels"], figures["disputed"], figures["accuracy"]) == (1, 1, 0.0)
    records.tell([label(its_id, LABELS[0], "bob", NOON + 2)], ())
    figures = of_all_time(records, live_model)
    assert (figures["labels"], figures["disputed"], figures["accuracy"]) == (1, 0, 1.0)


def test_a_label_that_is_taken_back_no_longer_counts(records: Records, live_model: LiveModel) -> None:
    [its_id] = answered(records, live_model, [answer_of(0)])
    records.tell([label(its_id)], ())

    records.tell([label(its_id, None, time=NOON + 1)], ())

    figures = of_all_time(records, live_model)
    assert (figures["labels"], figures["accuracy"], figures["confusion_matrix"]) == (0, None, None)


def test_what_is_of_no_class_was_answered_wrongly(records: Records, live_model: LiveModel) -> None:
    [its_id] = answered(records, live_model, [answer_of(0)])

    records.tell([label(its_id, NONE_OF_THESE)], ())

    figures = of_all_time(records, live_model)
    assert (figures["labels"], figures["none_of_these"], figures["accuracy"]) == (1, 1, 0.0)


def test_an_unknown_label_is_named_and_nothing_of_the_request_is_kept(records: Records, live_model: LiveModel) -> None:
    first, second = answered(records, live_model, [answer_of(), answer_of()])

    with pytest.raises(
        UnknownLabelError, match=r"Line 2: 'Trousers' is no label of the model that answered: Ankle boot"
    ):
        records.tell([label(first), Label(2, second, "Trousers", "client", NOON)], ("Trousers",))

    assert of_all_time(records, live_model)["labels"] == 0


def test_a_label_that_waits_must_be_of_some_model(records: Records) -> None:
    with pytest.raises(UnknownLabelError, match=r"'Sock' is no label of any model: Bag"):
        records.tell([label(new_answer_id(), "Sock")], ("Bag",))


def test_a_label_a_week_late_counts_in_the_week_of_its_answer(
    records: Records, live_model: LiveModel, clock: Clock
) -> None:
    [its_id] = answered(records, live_model, [answer_of(0)])
    clock.now += WEEK

    records.tell([label(its_id, time=clock.now)], ())

    windows = records.windows([live_model])[live_model.name][live_model.version]
    assert [windows[name]["labels"] for name in ("hour", "day", "week", "all")] == [0, 0, 1, 1]
    clock.now += 3600
    windows = records.windows([live_model])[live_model.name][live_model.version]
    assert [windows[name]["labels"] for name in ("hour", "day", "week", "all")] == [0, 0, 0, 1]


def test_a_label_counts_for_the_version_that_answered(records: Records, tmp_path: Path) -> None:
    before, after = make_live_model(tmp_path, seed=1), make_live_model(tmp_path, seed=2)
    [its_id] = answered(records, before, [answer_of(0)])
    answered(records, after, [answer_of(1)])

    records.tell([label(its_id)], ())

    versions = records.windows([after])[after.name]
    assert list(versions) == [after.version, before.version]
    assert (versions[before.version]["all"]["labels"], versions[after.version]["all"]["labels"]) == (1, 0)


def test_labels_that_review_chose_do_not_bias_the_accuracy(records: Records, live_model: LiveModel) -> None:
    chosen, drawn = "0" * 27 + "f", "0" * 27 + "1"
    answered(records, live_model, [answer_of(0, answer_id=chosen), answer_of(0, answer_id=drawn)])

    records.tell([label(chosen, LABELS[1], REVIEW), label(drawn, LABELS[0], REVIEW)], ())

    figures = of_all_time(records, live_model)
    assert is_drawn_by_chance(drawn)
    assert not is_drawn_by_chance(chosen)
    assert (figures["labels"], figures["reviewed"], figures["accuracy"]) == (2, 1, 1.0)


def test_labels_stand_for_as_many_answers_as_their_answer_does(url: str, live_model: LiveModel, clock: Clock) -> None:
    told = []
    for share, truth in ((0.5, LABELS[1]), (1.0, LABELS[0])):
        with closing(Records(url, "answers", share, clock=clock)) as records:
            ids = answered(records, live_model, [answer_of(0) for _ in range(100)])
            told += [label(its_id, truth) for its_id in ids]

    with closing(Records(url, "answers", clock=clock)) as records:
        records.tell(told, LABELS)
        figures = of_all_time(records, live_model)

    of_wrong = figures["labels"] - 100
    assert 25 < of_wrong < 75
    assert figures["answers"] == 200
    assert figures["accuracy"] == pytest.approx(100 / (100 + 2 * of_wrong))


def test_judged_answers_are_kept_with_their_labels(records: Records, live_model: LiveModel) -> None:
    answer = answer_of(0)

    records.tell_judged(live_model, [Judged(answer, bytes(784), LABELS[1])])

    figures = of_all_time(records, live_model)
    assert (figures["answers"], figures["labels"], figures["accuracy"]) == (0, 1, 0.0)
    assert records.tell([label(answer.id, LABELS[0], time=NOON + 1)], ()).joined == 1
    assert of_all_time(records, live_model)["accuracy"] == 1.0


def test_many_labels_at_once_are_told_in_one_transaction(records: Records, live_model: LiveModel) -> None:
    ids = answered(records, live_model, [answer_of(number % 10) for number in range(3000)])

    receipt = records.tell([label(its_id, LABELS[number % 10]) for number, its_id in enumerate(ids)], ())

    assert receipt.joined == 3000
    assert of_all_time(records, live_model)["accuracy"] == 1.0


def test_who_tells_and_who_settles_the_same_answer_never_wait_for_each_other(
    postgresql: PostgreSQL, names: Iterator[str], live_model: LiveModel
) -> None:
    """One holds the answer, as settling does, and then wants its label; the other tells that label anew."""
    receipts: list[Receipt] = []
    with closing(Records(postgresql.create(next(names)), "answers", clock=Clock())) as records:
        [its_id] = answered(records, live_model, [answer_of()])
        records.tell([label(its_id)], LABELS)
        anew = [label(its_id, LABELS[1], time=NOON + 1)]
        telling = Thread(target=lambda: receipts.append(records.tell(anew, LABELS)))

        with records.database.transaction() as connection:
            connection.execute(select(answers.c.id).where(answers.c.id == its_id).with_for_update())
            telling.start()
            wait_until(lambda: somebody_waits_for_a_lock(records.database))
            connection.execute(update(labels).where(labels.c.id == its_id).values(waits=False))
        telling.join()

    assert [receipt.joined for receipt in receipts] == [1]


def somebody_waits_for_a_lock(database: Database) -> bool:
    with database.reading() as connection:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(connection.exec_driver_sql(waiting).scalar_one())


def test_the_database_is_asked_for_nothing_before_it_is_used(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/var/records.sqlite")

    assert not (tmp_path / "var").exists()
