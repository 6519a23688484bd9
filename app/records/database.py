"""One database, SQLite or PostgreSQL: transactions on it, and what to do when it is away.

It is opened when it is first used, and again after every failure: whatever was wrong with it (a full disk, a damaged
file that was replaced, a server that was away), it is well again as soon as the reason is gone.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import uniform
from threading import Lock
from time import monotonic, sleep
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from app.records.errors import RecordsError, RecordsUnavailableError
from app.records.schema import upgrade

__all__ = ["ROWS", "Database", "batches"]

ROWS = 256  # in one statement: a database takes many at once, without Python, in the time of a few alone

_SECONDS_TO_WAIT = 5  # for a lock that another process holds, and for a server
_SECONDS_BETWEEN_TRIES = 0.01  # at most, to get the lock of SQLite's only writer
_UPGRADE_LOCK = 0x50F7_3A78  # any number; PostgreSQL keeps services apart that would make the tables at once by it
_FileIdentity = tuple[int, int]
Item = TypeVar("Item")


class Database:
    """One database, by its URL."""

    def __init__(self, url: str) -> None:
        """Name it; nothing is opened.

        Args:
            url: `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME`.

        Raises:
            RecordsError: it is neither, or its driver is not installed.
        """
        self._url = _checked(url)
        self._path = Path(self._url.database or "") if self._url.drivername.startswith("sqlite") else None
        self._lock = Lock()
        self._engine: Engine | None = None
        self._file: _FileIdentity | None = None
        self._failure: tuple[float, Exception] | None = None  # the last one to open it, and when

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True) if self._path is None else str(self._path)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that writes: what happens in it is committed at its end, whole, or not at all.

        Args:
            durable: that not even a power failure undoes it.

        Raises:
            RecordsUnavailableError: the database can't be read or written now.
            NewerRecordsError: it is a newer service's.
        """
        try:
            with self._open().connect() as connection:
                if self._path is not None:  # WAL alone keeps all that is committed but for the last before a power cut
                    connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                    _begin_to_write(connection)  # a lock at the end could not be waited for
                yield connection
                connection.commit()
        except (SQLAlchemyError, OSError) as error:
            self.close()
            raise RecordsUnavailableError(f"The records in {self} can't be written: {_reason(error)}.") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; raises as the other does."""
        try:
            with self._open().connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            self.close()
            raise RecordsUnavailableError(f"The records in {self} can't be read: {_reason(error)}.") from error

    def forget_removed(self) -> None:
        """Have what was removed vanish from the disk, where it would stay for a while: from SQLite's journal."""
        if self._path is not None:
            with self.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of all connections that are not in use; the next use opens new ones."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def write_rows(
        self, connection: Connection, start: str, columns: int, values: Sequence[Any], end: str = ""
    ) -> None:
        """Run `start (?, ?), (?, ?), … end`, many rows at a time.

        Args:
            connection: in a transaction.
            start: up to VALUES.
            columns: of each row.
            values: of all rows, one after another.
            end: what follows the rows.
        """
        place = "?" if self._path is not None else "%s"
        row = f"({', '.join([place] * columns)})"
        for first in range(0, len(values), columns * ROWS):
            some = tuple(values[first : first + columns * ROWS])
            rows = ", ".join([row] * (len(some) // columns))
            connection.exec_driver_sql(f"{start} VALUES {rows} {end}", some)

    def _open(self) -> Engine:
        began = monotonic()
        with self._lock:
            if self._failure is not None and self._failure[0] >= began:
                raise self._failure[1]  # of the one that tried while this one waited: it need not wait as long again
            if self._engine is not None and self._path is not None and _identity(self._path) != self._file:
                self._engine.dispose()  # the file was moved away, or another put in its place
                self._engine = None
            if self._engine is None:
                engine = _sqlite(self._url, self._path) if self._path is not None else _postgresql(self._url)
                try:
                    _make_tables(engine)
                except Exception as error:
                    engine.dispose()
                    self._failure = monotonic(), error
                    raise
                self._engine = engine
                self._file = None if self._path is None else _identity(self._path)
            return self._engine


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """So many at a time as one statement takes."""
    for start in range(0, len(items), ROWS):
        yield items[start : start + ROWS]


def _checked(text_of_url: str) -> URL:
    try:
        url = make_url(text_of_url)
        url.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError) as error:
        raise RecordsError("It is no URL of a database; say sqlite:///FILE or postgresql://USER@HOST/NAME.") from error
    except ImportError as error:
        raise RecordsError(
            f"The driver {error.name} is not installed; `pip install 'softmax-serving[postgres]'` has PostgreSQL's."
        ) from error
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise RecordsError(f"{url.get_backend_name()} is not supported; sqlite and postgresql are.")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise RecordsError("SQLite in memory keeps nothing; name a file: sqlite:///FILE.")
    return url


def _sqlite(url: URL, path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No isolation level: transactions begin where `transaction` says.
    engine = create_engine(url, connect_args={"timeout": _SECONDS_TO_WAIT, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _record: Any) -> None:
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):  # it stays so
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten

    return engine


def _begin_to_write(connection: Connection) -> None:
    """Become SQLite's only writer, once no other process is.

    SQLite's own wait looks less and less often, so that those who have just come overtake whoever waits: of twelve
    writers, of whom none wrote for more than 0.1 s at a time, one waited 4.2 s; looked for like this, 0.9 s.
    """
    give_up = monotonic() + _SECONDS_TO_WAIT
    connection.exec_driver_sql("PRAGMA busy_timeout=0").close()
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > give_up:
                raise
            sleep(uniform(0, _SECONDS_BETWEEN_TRIES))  # noqa: S311 - no secret
        else:
            break
    connection.exec_driver_sql(f"PRAGMA busy_timeout={1000 * _SECONDS_TO_WAIT:.0f}").close()


def _postgresql(url: URL) -> Engine:
    milliseconds = 1000 * _SECONDS_TO_WAIT
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _SECONDS_TO_WAIT,
            "tcp_user_timeout": milliseconds,
            "options": f"-c statement_timeout={2 * milliseconds} -c lock_timeout={milliseconds}",
        },
    )


def _make_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _begin_to_write(connection)
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        upgrade(connection)
        connection.commit()


def _identity(path: Path) -> _FileIdentity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _reason(error: SQLAlchemyError | OSError) -> str:
    """In the words of the database or the system, on one line."""
    found = getattr(error, "orig", None) or error
    text_of_error = found.strerror if isinstance(found, OSError) and found.strerror else str(found)
    return " ".join(text_of_error.split()).rstrip(".")
