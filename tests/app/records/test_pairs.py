"""Labeled answers of the champion beside those of its challenger, from real databases."""

import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.records.answer import Answer, ChallengerAnswer
from app.records.database import Database
from app.records.pairs import read_number, read_pairs
from app.records.records import Records
from app.serving.live_model import LiveModel
from tests.app.records.conftest import Clock, answer_of, label
from tests.conftest import LABELS

CHALLENGER = "c0ffee000000"


def answer(class_id: int, challenger_class_id: int, version: str = CHALLENGER, *, unusual: bool = False) -> Answer:
    other = ChallengerAnswer(
        version, list(answer_of(challenger_class_id).probabilities), "unusual" if unusual else None
    )
    return answer_of(class_id)._replace(challenger=other)


def image(number: int) -> bytes:
    return bytes([number]) + bytes(783)


@pytest.fixture
def records(url: str, clock: Clock) -> Iterator[Records]:
    with closing(Records(url, "answers", clock=clock)) as records:
        yield records


def test_labeled_answers_of_both_are_read_in_the_order_of_time(
    records: Records, database: Database, live_model: LiveModel, clock: Clock
) -> None:
    answers = [answer(0, 1), answer(2, 3, unusual=True), answer(4, 5), answer(6, 7, "another")]
    for number, one in enumerate(answers):
        clock.now += 1
        records.answered(live_model, [one], [image(number)], checked=True)
    records.writer.write()
    records.tell([label(answers[1].id, LABELS[3]), label(answers[0].id, LABELS[0])], LABELS)
    records.tell([label(answers[3].id, LABELS[6])], LABELS)

    pairs = read_pairs(database, live_model.name, live_model.version, CHALLENGER)

    assert pairs.truths == [0, 3]
    assert pairs.unusual == [False, True]
    assert struct.unpack("<20f", pairs.champion)[0::10] == struct.unpack("<2f", struct.pack("<2f", 0.91, 0.01))
    assert struct.unpack("<20f", pairs.challenger)[13] == struct.unpack("<f", struct.pack("<f", 0.91))[0]


def test_the_same_image_counts_once_and_what_is_of_no_class_or_was_chosen_for_review_does_not(
    records: Records, database: Database, live_model: LiveModel
) -> None:
    twice = [answer(0, 1), answer(0, 1)]
    none = answer(0, 1)
    chosen = answer(0, 1)._replace(id="0" * 31 + "f")
    drawn = answer(0, 1)._replace(id="0" * 31 + "1")
    records.answered(live_model, [*twice, none, chosen, drawn], [image(n) for n in (0, 0, 1, 2, 3)], checked=True)
    records.writer.write()
    records.tell([label(one.id, LABELS[0]) for one in twice], LABELS)
    records.tell([label(none.id, "none of these")], LABELS)
    records.tell([label(one.id, LABELS[1], source="review") for one in (chosen, drawn)], LABELS)

    pairs = read_pairs(database, live_model.name, live_model.version, CHALLENGER)

    assert sorted(pairs.truths) == [0, 1]  # the image that came twice, and the one that was drawn by chance


def test_challengers_are_numbered_by_their_first_labeled_answer(
    records: Records, database: Database, live_model: LiveModel, clock: Clock
) -> None:
    answers = [answer(0, 1, version) for version in ("a", "a", "b", "never labeled", "c")]
    for number, one in enumerate(answers):
        clock.now += 1
        records.answered(live_model, [one], [image(number)], checked=True)
    records.writer.write()
    records.tell([label(answers[number].id, LABELS[0]) for number in (1, 2, 4)], LABELS)

    numbers = {
        version: read_number(database, live_model.name, live_model.version, version)
        for version in ("a", "b", "c", "never labeled", "new")
    }

    assert numbers == {"a": 1, "b": 2, "c": 3, "never labeled": 4, "new": 4}
    assert read_number(database, live_model.name, "another champion", "c") == 1
