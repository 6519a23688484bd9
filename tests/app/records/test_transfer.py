"""Records into a file and labels from one; interrupted, they go on."""

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.records.errors import LabelsError
from app.records.records import Records
from app.records.retention import delete_answers
from app.records.telling import Receipt
from app.records.transfer import export, import_labels
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from tests.app.records.conftest import NOON, Clock, answer_of, answered, label, of_all_time
from tests.conftest import LABELS


@pytest.fixture
def records(url: str, clock: Clock) -> Iterator[Records]:
    with closing(Records(url, "images", clock=clock)) as records:
        yield records


def run_export(records: Records, file: Path, since: float = 0) -> list[dict[str, Any]]:
    for _ in export(records.database, file, since):
        pass
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def fill(records: Records, model: LiveModel, clock: Clock, count: int = 700) -> list[str]:
    """Answers at several times, some of them with labels, and a label that waits."""
    ids = []
    for start in range(0, count, 100):
        ids += answered(records, model, [answer_of(number % 10) for number in range(100)])
        clock.now = NOON + start
    records.tell([label(its_id, LABELS[0]) for its_id in ids[::3]], ())
    records.tell([label(new_answer_id(), LABELS[0])], LABELS)
    return ids


def test_an_export_has_each_answer_with_its_labels(records: Records, live_model: LiveModel, tmp_path: Path) -> None:
    [its_id] = answered(records, live_model, [answer_of(3)])
    records.tell([label(its_id, LABELS[4], "ann")], ())

    [line] = run_export(records, tmp_path / "out.ndjson")

    assert line["id"] == its_id
    assert line["time"] == "2027-01-15T12:00:00+00:00"
    assert (line["model"], line["version"]) == (live_model.name, live_model.version)
    assert (line["label"], line["truth"]) == (LABELS[3], LABELS[4])
    assert line["labels"] == [{"source": "ann", "label": LABELS[4], "time": "2027-01-15T12:00:00+00:00"}]
    assert list(line["probabilities"]) == list(LABELS)
    assert line["confidence"] == pytest.approx(0.91)
    assert base64.b64decode(line["pixels"]) == bytes(784)


def test_an_export_is_whole_in_order_and_ends_with_labels_that_wait(
    records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock
) -> None:
    ids = fill(records, live_model, clock)

    lines = run_export(records, tmp_path / "out.ndjson")

    assert sorted(ids) == sorted(line["id"] for line in lines[:-1])
    assert [line["time"] for line in lines[:-1]] == sorted(line["time"] for line in lines[:-1])
    assert set(lines[-1]) == {"id", "labels"}


def test_an_export_since_a_time_leaves_out_what_is_older(
    records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock
) -> None:
    answered(records, live_model, [answer_of()])
    clock.now += 100
    [new] = answered(records, live_model, [answer_of()])

    assert [line["id"] for line in run_export(records, tmp_path / "out.ndjson", NOON + 50)] == [new]


@pytest.mark.parametrize("cut", [0, 1, 100, 30_000, -1, -60, -200, -100_000])
def test_an_export_that_was_interrupted_goes_on(
    records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock, cut: int
) -> None:
    fill(records, live_model, clock)
    run_export(records, tmp_path / "whole.ndjson")
    whole = (tmp_path / "whole.ndjson").read_bytes()
    (tmp_path / "out.ndjson.part").write_bytes(whole[:cut])

    run_export(records, tmp_path / "out.ndjson")

    assert (tmp_path / "out.ndjson").read_bytes() == whole
    assert not (tmp_path / "out.ndjson.part").exists()


def test_what_is_not_of_this_export_is_begun_anew(
    records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock
) -> None:
    fill(records, live_model, clock)
    run_export(records, tmp_path / "other.ndjson")
    (tmp_path / "other.ndjson").rename(tmp_path / "out.ndjson.part")

    lines = run_export(records, tmp_path / "out.ndjson", since=NOON + 200)

    assert all(line["time"] >= "2027-01-15T12:03:20" for line in lines[:-1])


@pytest.mark.parametrize("removed", [0, 150, 299, 300, 699])
def test_what_was_removed_while_an_export_was_interrupted_is_not_in_it(
    records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock, removed: int
) -> None:
    fill(records, live_model, clock)
    lines = run_export(records, tmp_path / "out.ndjson")
    some = (tmp_path / "out.ndjson").read_bytes().splitlines(keepends=True)[:300]
    (tmp_path / "out.ndjson.part").write_bytes(b"".join(some))
    delete_answers(records.database, [lines[removed]["id"]])

    assert run_export(records, tmp_path / "out.ndjson") == lines[:removed] + lines[removed + 1 :]


def test_all_but_the_last_answer_were_exported_and_the_last_of_these_is_removed(
    records: Records, live_model: LiveModel, tmp_path: Path
) -> None:
    answered(records, live_model, [answer_of() for _ in range(10)])
    lines = run_export(records, tmp_path / "out.ndjson")
    some = (tmp_path / "out.ndjson").read_bytes().splitlines(keepends=True)[:9]
    (tmp_path / "out.ndjson.part").write_bytes(b"".join(some))
    delete_answers(records.database, [lines[8]["id"]])

    assert run_export(records, tmp_path / "out.ndjson") == lines[:8] + lines[9:]


def test_a_label_whose_answer_came_while_an_export_was_interrupted_is_with_its_answer(
    records: Records, live_model: LiveModel, tmp_path: Path
) -> None:
    answered(records, live_model, [answer_of() for _ in range(3)])
    late = answer_of(answer_id="f" * 28)
    records.tell([label(late.id)], LABELS)
    run_export(records, tmp_path / "out.ndjson")
    (tmp_path / "out.ndjson").rename(tmp_path / "out.ndjson.part")
    answered(records, live_model, [late])

    lines = run_export(records, tmp_path / "out.ndjson")

    assert [line["model"] for line in lines] == [live_model.name] * 4
    assert [line["truth"] for line in lines if line["id"] == late.id] == [LABELS[0]]


def test_progress_ends_at_its_total(records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock) -> None:
    fill(records, live_model, clock)

    steps = list(export(records.database, tmp_path / "out.ndjson"))

    assert [step.total for step in steps] == [701] * len(steps)
    assert steps[-1].done == 701


def test_parquet_has_the_same_rows(records: Records, live_model: LiveModel, tmp_path: Path, clock: Clock) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet takes pyarrow")
    fill(records, live_model, clock)
    lines = run_export(records, tmp_path / "out.ndjson")

    for _ in export(records.database, tmp_path / "out.parquet"):
        pass

    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["id"] for row in rows] == [line["id"] for line in lines]
    assert rows[0]["probabilities"] == pytest.approx(lines[0]["probabilities"])
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.ndjson", "out.parquet"]


def test_labels_are_imported_once_however_often(records: Records, live_model: LiveModel, tmp_path: Path) -> None:
    ids = answered(records, live_model, [answer_of() for _ in range(600)])
    file = tmp_path / "labels.ndjson"
    file.write_bytes(b"".join(orjson.dumps({"id": its_id, "label": LABELS[0]}) + b"\n" for its_id in ids))

    first = [receipt for _, receipt in import_labels(records.database, file, (), NOON)]
    second = [receipt for _, receipt in import_labels(records.database, file, (), NOON)]

    assert sum(receipt.joined for receipt in first) == 600
    assert second == [Receipt(0, 0, 0, 256, 0), Receipt(0, 0, 0, 256, 0), Receipt(0, 0, 0, 88, 0)]
    assert of_all_time(records, live_model)["labels"] == 600


def test_an_import_names_the_line_that_cant_be_taken(records: Records, live_model: LiveModel, tmp_path: Path) -> None:
    ids = answered(records, live_model, [answer_of() for _ in range(300)])
    lines = [orjson.dumps({"id": its_id, "label": LABELS[0]}) for its_id in ids]
    lines[280] = b"{"
    file = tmp_path / "labels.ndjson"
    file.write_bytes(b"\n".join(lines))

    with pytest.raises(LabelsError, match=r"^Line 281 is not JSON"):
        list(import_labels(records.database, file, (), NOON))

    assert of_all_time(records, live_model)["labels"] == 256


def test_a_line_without_end_is_named_and_not_read_whole(records: Records, tmp_path: Path) -> None:
    file = tmp_path / "labels.ndjson"
    with file.open("wb") as lines:
        lines.truncate(2**40)  # a terabyte of zeros, of which the disk keeps none

    with pytest.raises(LabelsError, match=r"^Line 1 is not JSON"):
        list(import_labels(records.database, file, (), NOON))
