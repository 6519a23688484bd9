"""`python -m app records`: exports, imports, deletes and purges."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.command_line import cli
from app.records.records import Records
from app.serving.live_model import LiveModel
from tests.app.records.conftest import answer_of, answered, make_live_model, of_all_time
from tests.conftest import LABELS


@pytest.fixture
def live_model(models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveModel:
    monkeypatch.setenv("SOFTMAX_MODELS_DIR", str(models_dir))
    return make_live_model(tmp_path)


@pytest.fixture
def records(records_url: str) -> Iterator[Records]:
    with closing(Records(records_url, "answers")) as records:
        yield records


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["records", *map(str, arguments)])


def test_an_export_and_an_import_say_what_they_did(records: Records, live_model: LiveModel, tmp_path: Path) -> None:
    ids = answered(records, live_model, [answer_of(number) for number in range(3)])
    labels = tmp_path / "labels.ndjson"
    labels.write_text("".join(json.dumps({"id": its_id, "label": LABELS[0]}) + "\n" for its_id in ids))

    imported = run("import", labels)
    exported = run("export", "--out", tmp_path / "out.ndjson")

    assert (imported.exit_code, exported.exit_code) == (0, 0)
    assert "3 labels kept: 3 joined to their answers, 0 waiting for them" in imported.stderr
    assert "has 3 lines" in exported.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert [line["truth"] for line in lines] == [LABELS[0]] * 3
    assert of_all_time(records, live_model)["accuracy"] == pytest.approx(1 / 3)


def test_an_export_since_tomorrow_is_empty(records: Records, live_model: LiveModel, tmp_path: Path) -> None:
    answered(records, live_model, [answer_of()])

    assert run("export", "--since", "2999-01-01", "--out", tmp_path / "out.ndjson").exit_code == 0

    assert (tmp_path / "out.ndjson").read_bytes() == b""


def test_a_broken_line_ends_an_import_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "labels.ndjson").write_text('{"id": "none", "label": "Bag"}\n')

    result = run("import", tmp_path / "labels.ndjson")

    assert result.exit_code == 2
    assert "error: Line 1: id: String should match" in result.stderr


def test_answers_are_deleted_by_id_and_nothing_else_is(records: Records, live_model: LiveModel) -> None:
    first, _ = answered(records, live_model, [answer_of(), answer_of()])

    assert run("delete", first, "my-own").exit_code == 2
    assert "Rows removed: 1." in run("delete", first).stderr


def test_what_is_old_is_purged(records: Records, live_model: LiveModel) -> None:
    answered(records, live_model, [answer_of(), answer_of()])

    assert "Rows removed: 0." in run("purge").stderr
    assert "Rows removed: 2." in run("purge", "--days", 0).stderr


@pytest.mark.parametrize("since", ["yesterday", "29.11.2026"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, since: str) -> None:
    result = run("export", "--since", since, "--out", tmp_path / "out.ndjson")

    assert result.exit_code == 2
    assert "is no day or time" in result.stderr


def test_a_service_whose_records_url_is_none_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTMAX_RECORDS", "var/records")

    result = CliRunner().invoke(cli, [])

    assert result.exit_code == 2
    assert "SOFTMAX_RECORDS: It is no URL of a database; say sqlite:///FILE" in result.stderr
