"""Old rows go, and what is asked for; the sums keep what they have."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from app.records.decision import Decision
from app.records.decisions import read_decisions, write_decision
from app.records.records import Records
from app.records.retention import delete_answers
from app.records.schema import answers, labels
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from tests.app.records.conftest import Clock, answer_of, answered, label, of_all_time, wait_until
from tests.conftest import LABELS

DAY = 86_400


@pytest.fixture
def records(url: str, clock: Clock) -> Iterator[Records]:
    with closing(Records(url, "images", days=30, clock=clock)) as records:
        yield records


def kept(records: Records) -> tuple[set[str], set[str]]:
    """Ids of answers, and of labels."""
    with records.database.reading() as connection:
        return set(connection.scalars(select(answers.c.id))), set(connection.scalars(select(labels.c.id)))


def test_what_is_old_goes_with_its_labels_and_the_sums_stay(
    records: Records, live_model: LiveModel, clock: Clock
) -> None:
    old = answered(records, live_model, [answer_of() for _ in range(600)])
    records.tell([label(its_id) for its_id in old[:300]], ())
    clock.now += 20 * DAY
    [new] = answered(records, live_model, [answer_of()])
    records.tell([label(new, time=clock.now)], ())
    before = of_all_time(records, live_model)
    clock.now += 20 * DAY

    assert records.purge() == 900

    assert kept(records) == ({new}, {new})
    assert of_all_time(records, live_model) == before
    assert records.purge() == 0


def test_a_label_that_waits_goes_by_its_own_time(records: Records, clock: Clock) -> None:
    old, new = new_answer_id(), new_answer_id()
    records.tell([label(old, source="ann"), label(old, source="bob", time=clock.now + 20 * DAY)], LABELS)
    records.tell([label(new, time=clock.now + 20 * DAY)], LABELS)
    clock.now += 40 * DAY

    assert records.purge() == 1

    assert kept(records) == (set(), {old, new})


def test_a_service_removes_what_is_old_as_soon_as_it_starts(
    records: Records, live_model: LiveModel, clock: Clock
) -> None:
    answered(records, live_model, [answer_of()])
    clock.now += 40 * DAY

    with records.running():
        wait_until(lambda: kept(records) == (set(), set()))


def test_decisions_stay_however_old(records: Records, clock: Clock) -> None:
    decision = Decision(clock.now, "letters", "alice", "promotion", None, "0" * 64, "1" * 64)
    write_decision(records.database, decision)
    clock.now += 400 * DAY

    records.purge()

    assert read_decisions(records.database, "letters") == [decision]


def test_deleted_answers_are_gone_with_their_labels(records: Records, live_model: LiveModel) -> None:
    first, second = answered(records, live_model, [answer_of(), answer_of()])
    records.tell([label(first), label(second)], ())

    assert delete_answers(records.database, [first, new_answer_id()]) == 2

    assert kept(records) == ({second}, {second})
    assert of_all_time(records, live_model)["labels"] == 2


def test_nothing_of_a_deleted_image_is_left_in_the_file(sqlite_url: str, live_model: LiveModel) -> None:
    image = bytes((7 * number) % 256 for number in range(784))
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    answer = answer_of()
    with closing(Records(sqlite_url, "images")) as records:
        records.answered(live_model, [answer], [image], checked=True)
        records.writer.write()
        assert any(image[:16] in path.read_bytes() for path in file.parent.iterdir())

        delete_answers(records.database, [answer.id])

        assert all(image[:16] not in path.read_bytes() for path in file.parent.iterdir())
