"""Recorded images with what people told of them, on SQLite and PostgreSQL."""

from contextlib import closing

from app.records.database import Database
from app.records.labeled_images import read_labeled_images
from app.records.records import Records
from app.records.settling import is_drawn_by_chance
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from tests.app.records.conftest import NOON, Clock, answer_of, label
from tests.conftest import LABELS


def record(records: Records, model: LiveModel, image: bytes, answer_id: str | None = None) -> str:
    answer = answer_of(answer_id=answer_id)
    records.answered(model, [answer], [image], checked=True)
    records.writer.write()
    return answer.id


def test_each_image_comes_once_with_its_newest_answer_and_what_each_source_says(
    url: str, database: Database, live_model: LiveModel
) -> None:
    clock, one, other = Clock(), bytes(784), bytes([9]) * 784
    with closing(Records(url, "images", clock=clock)) as records:
        first = record(records, live_model, one)
        clock.now += 1
        second = record(records, live_model, other)
        clock.now += 1
        again = record(records, live_model, one)
        clock.now += 1
        record(records, live_model, bytes([7]) * 784)  # of which nobody tells
        told = [label(first, LABELS[5]), label(second, LABELS[1]), label(again, LABELS[2])]
        records.tell([*told, label(again, LABELS[3], "returns"), label(second, None, "returns")], LABELS)

    found = read_labeled_images(database, live_model.name, 100)

    assert [(image.id, image.pixels, dict(image.labels)) for image in found] == [
        (second, other, {"client": LABELS[1]}),
        (again, one, {"client": LABELS[2], "returns": LABELS[3]}),
    ]
    assert [image.time for image in found] == [NOON + 1, NOON + 2]
    assert read_labeled_images(database, "another", 100) == []


def test_the_newest_come_first_and_what_review_chose_is_known(
    url: str, database: Database, live_model: LiveModel
) -> None:
    chosen = next(one for one in iter(new_answer_id, "") if not is_drawn_by_chance(one))
    clock = Clock()
    with closing(Records(url, "images", clock=clock)) as records:
        ids = []
        for number in range(3):
            clock.now += 1
            ids.append(record(records, live_model, bytes([number]) * 784, chosen if number == 2 else None))
        records.tell([label(one, LABELS[0], "review" if one == chosen else "client") for one in ids], LABELS)

    found = read_labeled_images(database, live_model.name, 2)

    assert [image.id for image in found] == ids[1:]
    assert [image.reviewed for image in found] == [False, True]


def test_without_pixels_there_is_nothing_to_learn_from(url: str, database: Database, live_model: LiveModel) -> None:
    with closing(Records(url, "answers")) as records:
        its_id = record(records, live_model, bytes(784))
        records.tell([label(its_id)], LABELS)

    assert read_labeled_images(database, live_model.name, 100) == []
