"""Images of which a label would teach most."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.records.answer import Answer
from app.records.errors import NothingToReviewError
from app.records.records import Records
from app.records.review import choose
from app.records.settling import is_drawn_by_chance
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from tests.app.records.conftest import Clock, answer_of, label

IMAGE = bytes(range(196)) * 4


@pytest.fixture
def records(url: str, clock: Clock) -> Iterator[Records]:
    with closing(Records(url, "images", clock=clock)) as records:
        yield records


def not_by_chance() -> str:
    return new_answer_id()[:-1] + "f"


def between(first: float, second: float, answer_id: str) -> Answer:
    rest = (1 - first - second) / 8
    return Answer(answer_id, 0, first, [first, second, *[rest] * 8])


def keep(records: Records, model: LiveModel, *answers: Answer) -> None:
    records.answered(model, answers, [IMAGE] * len(answers), checked=True)
    records.writer.write()


def test_each_reason_chooses_its_best_image(records: Records, live_model: LiveModel) -> None:
    close = between(0.48, 0.47, not_by_chance())
    spread = Answer(not_by_chance(), 0, 0.19, [0.19, *[0.09] * 9])
    odd = answer_of(answer_id=not_by_chance())._replace(warning="unusual")
    drawn = answer_of(answer_id=new_answer_id()[:-1] + "2")
    sure = [answer_of(confidence=0.99, answer_id=not_by_chance()) for _ in range(20)]
    keep(records, live_model, *sure, close, spread, odd, drawn)

    found = choose(
        records.database, live_model.name, live_model.version, 4, lambda row: sum(value > 0.05 for value in row)
    )

    assert {image.reason: image.id for image in found} == {
        "smallest margin": close.id,
        "largest prediction set": spread.id,
        "unlike the training images": odd.id,
        "drawn by chance": drawn.id,
    }
    assert found[0].pixels == IMAGE
    assert sum(found[0].probabilities) == pytest.approx(1, abs=1e-6)


def test_what_is_drawn_by_chance_is_chosen_for_nothing_else(records: Records, live_model: LiveModel) -> None:
    keep(records, live_model, *(between(0.5, 0.01 * number / 4, new_answer_id()) for number in range(160)))

    found = records.review(live_model, 40)

    reasons = Counter(image.reason for image in found)
    assert len(found) == len({image.id for image in found}) == 40
    assert reasons["drawn by chance"] >= 10
    assert all(is_drawn_by_chance(image.id) == (image.reason == "drawn by chance") for image in found)


def test_what_has_a_label_is_not_chosen_again(records: Records, live_model: LiveModel) -> None:
    answers = [answer_of() for _ in range(3)]
    keep(records, live_model, *answers)

    records.tell([label(answers[0].id, source="review")], ())

    assert {image.id for image in records.review(live_model, 10)} == {answers[1].id, answers[2].id}


def test_where_no_images_are_kept_it_says_how_to_keep_them(url: str, live_model: LiveModel) -> None:
    with closing(Records(url, "answers")) as records:
        keep(records, live_model, answer_of())

        with pytest.raises(NothingToReviewError, match="SOFTMAX_RECORD=images"):
            records.review(live_model, 10)


def test_where_images_are_kept_an_empty_review_is_no_error(records: Records, live_model: LiveModel) -> None:
    assert records.review(live_model, 10) == []


def test_when_all_have_labels_there_is_nothing_left(records: Records, live_model: LiveModel) -> None:
    answer = answer_of()
    keep(records, live_model, answer)
    records.tell([label(answer.id)], ())

    assert records.review(live_model, 10) == []
