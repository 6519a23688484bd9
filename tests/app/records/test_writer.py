"""Answers are written by a thread; whatever happens to the database, they go on, and all is well afterwards."""

import os
import resource
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.records import writer
from app.records.answer import write_answers
from app.records.database import Database
from app.records.errors import RecordsError, RecordsUnavailableError
from app.records.records import Records
from app.serving.live_model import LiveModel
from tests.app.records.conftest import (
    Clock,
    PostgreSQL,
    answer_of,
    answered,
    label,
    make_live_model,
    of_all_time,
    wait_until,
)
from tests.conftest import LABELS


@pytest.fixture
def sqlite_records(sqlite_url: str, clock: Clock) -> Iterator[Records]:
    with closing(Records(sqlite_url, "answers", clock=clock)) as records:
        yield records


@pytest.fixture
def file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def rows(database: Database, table: str = "answers") -> int:
    with database.reading() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608


def give_answer(records: Records, model: LiveModel) -> str:
    answer = answer_of()
    records.answered(model, [answer], [bytes(784)], checked=True)
    return answer.id


@pytest.mark.parametrize(("keep", "kept"), [("labels", (0, 0)), ("answers", (5, 0)), ("images", (5, 5))])
def test_what_is_kept_of_an_answer_is_what_was_asked_for(
    url: str, live_model: LiveModel, keep: writer.Kept, kept: tuple[int, int]
) -> None:
    with closing(Records(url, keep)) as records:
        answered(records, live_model, [answer_of() for _ in range(5)])

        with records.database.reading() as connection:
            found = connection.exec_driver_sql("SELECT count(*), count(pixels) FROM answers").one()
        assert tuple(found) == kept
        assert of_all_time(records, live_model)["answers"] == 5


def test_a_share_is_drawn_by_chance_and_every_answer_is_counted(url: str, live_model: LiveModel) -> None:
    with closing(Records(url, "answers", share=0.1)) as records:
        answered(records, live_model, [answer_of() for _ in range(2000)])

        assert 120 < rows(records.database) < 280
        assert of_all_time(records, live_model)["answers"] == 2000


def test_what_waits_is_written_within_a_second_and_at_the_end(url: str, live_model: LiveModel) -> None:
    records = Records(url, "answers")

    with records.running():
        give_answer(records, live_model)
        wait_until(lambda: rows(records.database) == 1)
        give_answer(records, live_model)

    with closing(records):
        assert rows(records.database) == 2


def test_the_queue_is_bounded_and_what_it_has_no_room_for_is_counted(
    sqlite_records: Records, live_model: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_MAX_WAITING", 10)

    for _ in range(15):
        give_answer(sqlite_records, live_model)
    sqlite_records.writer.write()

    assert sqlite_records.metrics.dropped._value.get() == 5  # noqa: SLF001 - it tells nobody else
    assert rows(sqlite_records.database) == 10
    assert of_all_time(sqlite_records, live_model)["answers"] == 15


@contextmanager
def read_only(file: Path) -> Iterator[None]:
    """A folder that can't be written: by its mode, and, as that means nothing to root, by a mount."""
    folder = str(file.parent)
    if os.getuid() != 0:
        file.chmod(0o444)
        file.parent.chmod(0o555)
        yield
        file.parent.chmod(0o755)
        file.chmod(0o644)
        return
    if subprocess.run(["/bin/mount", "--bind", folder, folder], check=False).returncode:
        pytest.skip("Root needs CAP_SYS_ADMIN to make a folder that it can't write itself.")
    try:
        subprocess.run(["/bin/mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=5)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def damaged(file: Path) -> Iterator[None]:
    whole = {path: path.read_bytes() for path in file.parent.iterdir()}
    for path in whole:
        path.unlink()
    file.write_bytes(b"this is no database" * 1000)
    yield
    file.unlink()
    for path, content in whole.items():
        path.write_bytes(content)


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """No file of this process may be written beyond what it has."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("trouble", [read_only, locked, damaged, full_disk])
def test_trouble_with_the_file_stops_nothing_and_passes(
    sqlite_records: Records, live_model: LiveModel, file: Path, trouble: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.records.database._SECONDS_TO_WAIT", 0.2)
    with sqlite_records.running():
        first = give_answer(sqlite_records, live_model)
        wait_until(lambda: rows(sqlite_records.database) == 1)
        sqlite_records.close()

        with trouble(file):
            give_answer(sqlite_records, live_model)
            wait_until(lambda: sqlite_records.writer.problem is not None)
            with pytest.raises(RecordsUnavailableError, match=r"records.sqlite can't be written: "):
                sqlite_records.tell([label(first)], LABELS)
            started = time.perf_counter()
            give_answer(sqlite_records, live_model)
            assert time.perf_counter() - started < 0.1

        wait_until(lambda: sqlite_records.writer.problem is None)
        assert sqlite_records.tell([label(first)], LABELS).joined == 1
    assert of_all_time(sqlite_records, live_model)["answers"] == 3
    assert rows(sqlite_records.database) == 3
    assert sqlite_records.metrics.dropped._value.get() == 0  # noqa: SLF001 - it tells nobody else


def test_a_file_that_is_moved_away_is_made_anew(sqlite_records: Records, live_model: LiveModel, file: Path) -> None:
    answered(sqlite_records, live_model, [answer_of()])
    for path in list(file.parent.iterdir()):
        path.rename(path.with_name(f"old-{path.name}"))

    first, _ = answered(sqlite_records, live_model, [answer_of(), answer_of()])

    assert rows(sqlite_records.database) == 2
    assert sqlite_records.tell([label(first)], LABELS).joined == 1
    assert of_all_time(sqlite_records, live_model)["labels"] == 1


def test_only_versions_that_still_answer_are_written_again(
    sqlite_records: Records, live_model: LiveModel, file: Path, tmp_path: Path
) -> None:
    for model in (live_model, another := make_live_model(tmp_path, seed=1)):
        answered(sqlite_records, model, [answer_of()])
    assert rows(sqlite_records.database, "versions") == 2
    for path in list(file.parent.iterdir()):
        path.rename(path.with_name(f"old-{path.name}"))

    answered(sqlite_records, another, [answer_of()])

    assert rows(sqlite_records.database, "versions") == 1


def test_a_folder_that_cant_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    database = Database(f"sqlite:///{tmp_path}/file/records.sqlite")

    with pytest.raises(RecordsUnavailableError, match=r"file/records.sqlite can't be read: "), database.reading():
        pass


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("nonsense", "It is no URL of a database"),
        ("mysql://root@localhost/x", "The driver MySQLdb is not installed|not supported"),
        ("sqlite://", "SQLite in memory keeps nothing"),
    ],
)
def test_a_url_that_is_none_is_refused_in_a_sentence(url: str, complaint: str) -> None:
    with pytest.raises(RecordsError, match=complaint):
        Database(url)


def test_a_server_that_goes_away_and_comes_back_has_everything_afterwards(
    postgresql: PostgreSQL, names: Iterator[str], live_model: LiveModel
) -> None:
    records = Records(postgresql.create(next(names)), "answers", clock=Clock())
    with records.running():
        first = give_answer(records, live_model)
        wait_until(lambda: rows(records.database) == 1)

        postgresql.stop()
        try:
            give_answer(records, live_model)
            wait_until(lambda: records.writer.problem is not None)
            with pytest.raises(
                RecordsUnavailableError, match=r"postgresql://softmax@127.0.0.1:\d+/records_\d+ can't be"
            ):
                records.tell([label(first)], LABELS)
        finally:
            postgresql.start()

        wait_until(lambda: records.writer.problem is None)
        assert records.tell([label(first)], LABELS).joined == 1
        assert rows(records.database) == 2
        assert of_all_time(records, live_model)["answers"] == 2


def test_who_waits_while_another_tries_to_reach_the_server_in_vain_need_not_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.records.database._SECONDS_TO_WAIT", 1)
    refused: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server, server_that_says_nothing(server) as connections:
        database = Database(f"postgresql://softmax@127.0.0.1:{server.getsockname()[1]}/none")

        def read() -> None:
            try:
                with database.reading():
                    pass
            except RecordsUnavailableError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(refused) == 6
    assert len(connections) < 6


@contextmanager
def server_that_says_nothing(server: socket.socket) -> Iterator[list[socket.socket]]:
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connections.append(server.accept()[0])

    thread = threading.Thread(target=accept)
    thread.start()
    yield connections
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in connections:
        connection.close()


def test_the_password_of_a_server_is_never_told() -> None:
    database = Database("postgresql://someone:geheim@127.0.0.1:1/none")

    with pytest.raises(RecordsUnavailableError) as caught, database.reading():
        pass

    assert "geheim" not in str(caught.value)
    assert "someone" in str(caught.value)


def test_labels_and_answers_of_three_services_on_one_server_meet(
    postgresql: PostgreSQL, names: Iterator[str], live_model: LiveModel
) -> None:
    url = postgresql.create(next(names))
    services = [Records(url, "answers", clock=Clock()) for _ in range(3)]
    answers = [[answer_of(number % 10) for number in range(100)] for _ in services]

    def run(number: int) -> None:
        """Each answers its own, and is told of all of them, early, late and twice."""
        records = services[number]
        told = [
            label(answer.id, LABELS[answer.class_id], f"source {number % 2}") for some in answers for answer in some
        ]
        with closing(records):
            for start in range(0, 300, 20):
                its_own = answers[number][start // 3 : start // 3 + 20]
                records.answered(live_model, its_own, [bytes(784)] * len(its_own), checked=True)
                records.tell(told[start : start + 20], LABELS)
                records.writer.write()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with closing(services[0]):
        figures = of_all_time(services[0], live_model)
        assert rows(services[0].database, "labels WHERE waits") == 0
    assert (figures["labels"], figures["accuracy"], figures["disputed"]) == (300, 1.0, 0)


def test_no_pixel_is_on_the_disk_where_only_labels_are_kept(sqlite_url: str, live_model: LiveModel, file: Path) -> None:
    image = bytes((7 * number) % 256 for number in range(784))
    with closing(Records(sqlite_url, "labels")) as records:
        records.answered(live_model, [answer_of()], [image], checked=True)
        records.writer.write()

        assert all(image[:16] not in path.read_bytes() for path in file.parent.iterdir())


def test_writing_ends_while_more_and_more_is_answered(
    sqlite_records: Records, live_model: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def write_while_more_comes(*arguments: Any) -> None:
        write_answers(*arguments)
        for _ in range(300):  # more than one transaction takes
            give_answer(sqlite_records, live_model)
        if stop.is_set():
            pytest.fail("It never ends.")

    monkeypatch.setattr(writer, "write_answers", write_while_more_comes)
    for _ in range(300):
        give_answer(sqlite_records, live_model)
    timer = threading.Timer(20, stop.set)
    timer.start()

    sqlite_records.writer.write()

    timer.cancel()
    assert 300 <= rows(sqlite_records.database) < 600


def test_what_is_answered_while_few_rows_are_written_is_written_next(
    sqlite_records: Records, live_model: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_while_one_comes(*arguments: Any) -> None:
        write_answers(*arguments)
        give_answer(sqlite_records, live_model)

    give_answer(sqlite_records, live_model)
    with monkeypatch.context() as patched:
        patched.setattr(writer, "write_answers", write_while_one_comes)
        sqlite_records.writer.write()
    sqlite_records.writer.write()

    assert rows(sqlite_records.database) == 2
