"""`python -m app challenge`, `promote`, `rollback` and `history`, on real files and records."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.command_line import cli
from app.rollout.model_folder import CHALLENGER, PREVIOUS
from tests.app.rollout.conftest import save_model, whole_version
from tests.conftest import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the model `letters`, and records of its own."""
    monkeypatch.setenv("SOFTMAX_RECORDS", f"sqlite:///{tmp_path}/var/records.sqlite")
    path = tmp_path / "models" / "letters"
    save_model(path, seed=1)
    monkeypatch.setenv("SOFTMAX_MODELS_DIR", str(path.parent))
    return path


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(cli, [str(argument) for argument in arguments])


def test_challenge_promote_rollback_and_history_tell_one_story(folder: Path, tmp_path: Path) -> None:
    before, after = whole_version(folder), save_model(tmp_path / "new", seed=2)

    challenged = run("challenge", "letters", tmp_path / "new")
    assert challenged.stdout == f"Version {after} challenges letters: it answers nobody yet.\n"
    assert whole_version(folder / CHALLENGER) == after

    refused = run("promote", "letters")
    assert refused.exit_code == 2
    assert "0 images are labeled, 500 are needed" in refused.stderr
    assert "with --force" in refused.stderr
    assert whole_version(folder) == before

    promoted = run("promote", "letters", "--force")
    assert promoted.exit_code == 0
    assert promoted.stdout == (
        f"letters: the promotion is done. Version {after} answers; {before} is the previous one.\n"
    )
    assert (whole_version(folder), whole_version(folder / PREVIOUS)) == (after, before)

    assert run("rollback", "letters").exit_code == 0
    assert whole_version(folder) == before
    rows = run("history", "letters").stdout.splitlines()
    assert ["rollback" in rows[1], "promotion" in rows[2], "forced" in rows[2]] == [True, True, True]
    assert all("the command line" in row for row in rows[1:])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("promote", "letters", "--force"), "Model letters has no challenger."),
        (("rollback", "letters"), "Model letters has no previous version."),
        (("rollback", "digits"), "There is no model 'digits'."),
        (("challenge", "letters", "missing.safetensors"), "Model file missing.safetensors: it does not exist."),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    before = whole_version(folder)

    result = run(*arguments)

    assert (result.exit_code, result.stderr) == (2, f"{reason}\n")
    assert whole_version(folder) == before


@pytest.mark.parametrize("command", [("promote", "letters"), ("challenge", "letters", "new"), ("history", "letters")])
@pytest.mark.usefixtures("folder")
def test_records_that_are_none_are_named(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTMAX_RECORDS", "nonsense")

    result = run(*command)

    assert result.exit_code == 2
    assert result.stderr.startswith("SOFTMAX_RECORDS: It is no URL of a database")


@pytest.mark.parametrize("records", ["nonsense", "sqlite:////dev/null/records.sqlite"])
def test_the_way_back_is_open_where_the_records_cannot_be_written(
    folder: Path, records: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    previous = save_model(folder / PREVIOUS, seed=2)
    monkeypatch.setenv("SOFTMAX_RECORDS", records)

    result = run("rollback", "letters")

    assert result.exit_code == 0
    assert whole_version(folder) == previous
    assert "The decision is kept here alone: Decision(" in caplog.text


_WATCHED = """
import sys

def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("letters/model.safetensors"):
        print("when the file moves:", {"torch", "sqlalchemy", "uvicorn", "fastapi", "PIL"} & sys.modules.keys())

sys.addaudithook(watch)
from app.command_line import run
try:
    run("app")
finally:
    print("at the end:", "torch" in sys.modules)
"""


def test_a_rollback_imports_nothing_slow_before_the_files_have_moved_and_torch_never(
    folder: Path, tmp_path: Path
) -> None:
    before = whole_version(folder)
    save_model(tmp_path / "new", seed=2)
    run("challenge", "letters", tmp_path / "new")
    run("promote", "letters", "--force")

    told = subprocess.run(
        [sys.executable, "-c", _WATCHED, "rollback", "letters"],
        cwd=REPOSITORY,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    assert told[0] == "when the file moves: set()"
    assert told[1].startswith(f"letters: the rollback is done. Version {before} answers")
    assert told[2] == "at the end: False"
    rows = run("history", "letters").stdout.splitlines()
    assert "rollback" in rows[1]


@pytest.mark.slow
def test_the_commands_are_listed_beside_those_that_answer() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "app", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout

    assert all(f" {command} " in listed for command in ("predict", "challenge", "promote", "rollback", "history"))
