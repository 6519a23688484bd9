"""Who writes to a SQLite file that another process writes to."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.records.database import Database
from app.records.errors import RecordsUnavailableError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Records that have been written to."""
    path = tmp_path / "records.sqlite"
    with closing(Database(f"sqlite:///{path}")) as database, database.transaction():
        pass
    return path


def test_whoever_waits_to_write_looks_often_so_that_nobody_overtakes_him_forever(file: Path) -> None:
    looks = 0

    def let_go_at_the_fifth(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal looks
        if statement == "BEGIN IMMEDIATE":
            looks += 1
            if looks == 5 and other.in_transaction:
                other.rollback()

    with (
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        closing(Database(f"sqlite:///{file}")) as database,
    ):
        with database.reading():
            pass  # so that the tables are seen to
        other.execute("BEGIN IMMEDIATE")
        event.listen(Engine, "before_cursor_execute", let_go_at_the_fifth)
        try:
            with database.transaction() as connection:
                timeout = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        finally:
            event.remove(Engine, "before_cursor_execute", let_go_at_the_fifth)

    assert looks == 5
    assert timeout == 5000  # of whatever else has to wait


def test_whoever_waits_in_vain_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.records.database._SECONDS_TO_WAIT", 0.1)
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        closing(Database(f"sqlite:///{file}")) as database,
    ):
        other.execute("BEGIN IMMEDIATE")

        with (
            pytest.raises(RecordsUnavailableError, match="can't be written: database is locked"),
            database.transaction(),
        ):
            pass

        other.rollback()
        with database.transaction():
            pass
