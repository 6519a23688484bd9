"""What was answered is counted and recorded when it is settled: each answer once, whatever is kept."""

import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.records.figures import WindowFigures
from app.records.pairs import read_pairs
from app.records.records import Records
from app.records.told import Label
from app.records.writer import Kept
from app.rollout.ledger import Ledger, recorded
from app.rollout.shadow import Shadow
from app.serving.answers import Prediction
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels
from app.serving.telemetry import Telemetry
from tests.app.records.conftest import of_all_time
from tests.app.rollout.conftest import save_model
from tests.conftest import LABELS

NAME = "letters"
IMAGES = [bytes([number]) * 400 + bytes(384) for number in range(1, 6)]


class Books:
    """A ledger, and what it settles into."""

    def __init__(self, url: str, models_dir: Path, keep: Kept) -> None:
        self.models = LiveModels(models_dir)
        self.records = Records(url, keep)
        self.telemetry = Telemetry(self.models)
        self.shadow = Shadow(self.models, self.records, self.telemetry.registry)
        self.ledger = Ledger(self.telemetry, self.records, self.shadow)

    def close(self) -> None:
        self.records.close()

    def note(self, images: list[bytes], name: str = NAME) -> list[Prediction]:
        """Have a model answer, and note it."""
        model = self.models.get(name)
        predictions = list(model.predict_batch(images))
        self.ledger.note(model, predictions, images)
        return predictions

    def counted(self) -> int:
        return sum(sum(self.telemetry.live_figures(model.name)["predictions"].values()) for model in self.models)

    def written(self, name: str = NAME) -> WindowFigures:
        self.records.writer.write()
        return of_all_time(self.records, self.models.get(name))


@pytest.fixture
def keep() -> Kept:
    return "labels"


@pytest.fixture
def books(folder: Path, records_url: str, keep: Kept) -> Iterator[Books]:
    with closing(Books(records_url, folder.parent, keep)) as books:
        yield books


@pytest.mark.parametrize("keep", ["labels", "answers", "images"])
def test_answers_of_several_calls_are_counted_and_recorded_once_when_they_are_settled(books: Books) -> None:
    books.note(IMAGES[:1])
    books.note(IMAGES[1:])
    before = books.counted()
    books.ledger.settle()
    books.ledger.settle()

    assert (before, books.counted()) == (0, 5)
    assert books.written()["answers"] == 5


def test_each_model_has_its_own(books: Books, folder: Path) -> None:
    save_model(folder.parent / "digits", seed=3)
    books.models.refresh()
    books.models.refresh()

    books.note(IMAGES[:2])
    books.note(IMAGES, "digits")
    books.ledger.settle()

    assert (books.written()["answers"], books.written("digits")["answers"]) == (2, 5)


@pytest.mark.parametrize("keep", ["labels", "answers"])
def test_what_the_challenger_would_have_answered_is_counted_beside(folder: Path, books: Books) -> None:
    save_model(folder / "challenger", seed=2)
    books.models.refresh()
    books.models.refresh()

    books.note(IMAGES)
    books.ledger.settle()

    text = books.telemetry.exposition("text/plain")[0].decode()
    counts = [float(line.split()[-1]) for line in text.splitlines() if line.startswith("softmax_challenger_answers_t")]
    assert sum(counts) == 5
    assert (books.counted(), books.written()["answers"]) == (5, 5)


@pytest.mark.parametrize("keep", ["answers"])
def test_several_calls_are_classified_together_and_each_keeps_its_own(
    folder: Path, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(folder / "challenger", seed=2)
    books.models.refresh()
    held = books.models.versions(NAME)
    rows, _ = held["challenger"].rows(IMAGES)
    sizes: list[int] = []
    rows_of = LiveModel.rows

    def noted_rows(model: LiveModel, images: Sequence[bytes]) -> tuple[list[list[float]], list[bool]]:
        sizes.append(len(images))
        return rows_of(model, images)

    monkeypatch.setattr(LiveModel, "rows", noted_rows)

    told = [Label(1, books.note([image])[0]["id"], LABELS[0], "client", 1.0) for image in IMAGES]
    books.ledger.settle()
    books.records.writer.write()
    books.records.tell(told, LABELS)

    pairs = read_pairs(books.records.database, NAME, held["champion"].version, held["challenger"].version)
    found = {pairs.challenger[start : start + 4 * len(LABELS)] for start in range(0, len(pairs.challenger), 40)}
    assert found == {struct.pack(f"<{len(row)}f", *row) for row in rows}
    assert sizes == [len(IMAGES)]


def test_what_threads_note_while_others_settle_is_counted_once(books: Books) -> None:
    model = books.models.get(NAME)
    [one] = model.predict_batch(IMAGES[:1])

    def note_and_settle(_: int) -> None:
        for _ in range(50):
            books.ledger.note(model, [one], IMAGES[:1])
            books.ledger.settle()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(note_and_settle, range(4)))

    assert books.counted() == 200
    assert books.written()["answers"] == 200


@pytest.mark.parametrize(
    ("codes", "expected"), [([], None), (["blank"], "blank"), (["inverted", "unusual"], "inverted")]
)
def test_an_answer_is_recorded_with_the_first_of_its_warnings(
    books: Books, codes: list[str], expected: str | None
) -> None:
    [prediction] = books.note(IMAGES[:1])
    if codes:
        prediction["warnings"] = [{"code": code, "detail": ""} for code in codes]  # type: ignore[typeddict-item]

    answer = recorded(prediction)

    assert (answer.id, answer.class_id, answer.confidence) == (
        prediction["id"],
        prediction["class_id"],
        prediction["confidence"],
    )
    assert list(answer.probabilities) == list(prediction["probabilities"].values())
    assert answer.warning == expected
