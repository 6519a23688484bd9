from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Connection, inspect, text

from app.records.database import Database
from app.records.errors import NewerRecordsError
from app.records.schema import upgrade


def test_a_new_database_gets_its_tables(database: Database) -> None:
    with database.reading() as connection:
        tables = set(inspect(connection).get_table_names())

    assert tables == {"answers", "labels", "versions", "sums", "decisions", "schema_version"}


def test_a_second_service_finds_the_tables_and_leaves_them(database: Database, url: str) -> None:
    with database.transaction() as connection:
        connection.execute(text("INSERT INTO versions VALUES ('m', 'v', '[]', 0)"))

    with closing(Database(url)) as other, other.reading() as connection:
        assert connection.execute(text("SELECT model FROM versions")).scalar_one() == "m"


def test_services_that_start_at_once_make_the_tables_once(url: str) -> None:
    databases = [Database(url) for _ in range(6)]

    def count(database: Database) -> int:
        with closing(database), database.reading() as connection:
            return int(connection.execute(text("SELECT count(*) FROM schema_version")).scalar_one())

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(count, databases)) == [1] * 6


def test_an_older_database_is_brought_up_to_date_step_by_step_and_once(database: Database) -> None:
    def add_column(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE versions ADD COLUMN note TEXT"))

    def fill_column(connection: Connection) -> None:
        connection.execute(text("UPDATE versions SET note = 'old'"))

    with database.transaction() as connection:
        connection.execute(text("INSERT INTO versions VALUES ('m', 'v', '[]', 0)"))
        upgrade(connection, (add_column, fill_column))
        upgrade(connection, (add_column, fill_column))

    with database.reading() as connection:
        assert connection.execute(text("SELECT note FROM versions")).scalar_one() == "old"
        assert connection.execute(text("SELECT version FROM schema_version")).scalar_one() == 3


def test_a_database_of_a_newer_service_is_refused_in_a_sentence(database: Database, url: str) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE schema_version SET version = 9"))

    refused = pytest.raises(NewerRecordsError, match=r"version 9, and this one knows 1\. Run the newer service")
    with refused, closing(Database(url)) as other, other.reading():
        pass
