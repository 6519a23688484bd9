"""Real databases: a new SQLite file, and a new database of a PostgreSQL server that the tests start."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from app.classifier import artifact
from app.records.answer import Answer
from app.records.database import Database
from app.records.figures import WindowFigures
from app.records.records import Records
from app.records.told import Label
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from tests.conftest import LABELS, free_port, make_metadata, make_model

NOON = 1_800_000_000.0 // 86_400 * 86_400 + 43_200  # a day in 2027, at 12:00 UTC


class PostgreSQL:
    """A server of our own on loopback, which can be stopped and started again."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--auth=trust", "--username=softmax", "--no-sync", f"--pgdata={folder}")

    def start(self) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self._folder), "fsync": "off"}
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._folder), "-p", str(self.port), *flags)
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=self._folder)
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once, sessions or not; it recovers when it starts
            self._process.wait(20)
            self._process = None

    def url(self, name: str) -> str:
        return f"postgresql://softmax@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def _run(self, *command: str) -> None:
        subprocess.run(self._command(*command), check=True, stdout=subprocess.DEVNULL, cwd=self._folder)

    def _command(self, program: str, *arguments: str) -> list[str]:
        """It refuses to run as root."""
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        return [*as_postgres, str(self._programs / program), *arguments]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL's server is not in /usr/lib/postgresql: apt install postgresql.")
    folder = Path(tempfile.mkdtemp(prefix="softmax-postgresql-"))  # pytest's own folders are closed to other users
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = PostgreSQL(found[-1], folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def sqlite_url(records_url: str) -> str:
    return records_url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, names: Iterator[str]) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.create(next(names))


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    return (f"records_{number}" for number in range(1000))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def live_model(tmp_path: Path) -> LiveModel:
    return make_live_model(tmp_path)


def make_live_model(folder: Path, name: str = "fashion-mnist", seed: int = 0) -> LiveModel:
    """A real model from a real file."""
    path = folder / "made" / str(seed) / artifact.FILE_NAME
    artifact.save(path, make_model(seed=seed), make_metadata())
    return LiveModel(name, artifact.load(path))


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    """Return once it is so; fail the test if it takes longer."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"It was not so within {seconds} s.")
        time.sleep(0.02)


def answer_of(class_id: int = 0, confidence: float = 0.91, answer_id: str | None = None) -> Answer:
    rest = (1 - confidence) / 9
    probabilities = [confidence if number == class_id else rest for number in range(10)]
    return Answer(answer_id or new_answer_id(), class_id, confidence, probabilities)


def answered(records: Records, model: LiveModel, answers: Sequence[Answer]) -> list[str]:
    """Answers that are recorded; their ids."""
    records.answered(model, answers, [bytes(784)] * len(answers), checked=True)
    records.writer.write()
    return [answer.id for answer in answers]


def label(answer_id: str, name: str | None = LABELS[0], source: str = "client", time: float = NOON) -> Label:
    return Label(1, answer_id, name, source, time)


def of_all_time(records: Records, model: LiveModel) -> WindowFigures:
    return records.windows([model])[model.name][model.version]["all"]
