"""What was acknowledged is kept, whatever is killed; several workers on one file count everything once."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest
from sqlalchemy import select

from app.records.database import Database
from app.records.schema import labels
from app.serving.answer_ids import new_answer_id
from tests.conftest import LABELS, REPOSITORY, free_port, running_server, wait_until_it_answers, workers_of
from tests.drawings import png

SHORT, LONG = pytest.param(3, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.soak)


@contextmanager
def service(models_dir: Path, url: str, port: int) -> Iterator[psutil.Process]:
    """Two workers; whatever is left of them at the end is killed."""
    environment = {"SOFTMAX_MODELS_DIR": str(models_dir), "SOFTMAX_RECORDS": url, "SOFTMAX_LOG_REQUESTS": "false"}
    command = [sys.executable, "-m", "app", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | environment, stderr=subprocess.DEVNULL)
    launcher = psutil.Process(process.pid)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process)
        yield launcher
    finally:
        kill_all(launcher)
        process.wait(20)


def kill_all(launcher: psutil.Process) -> None:
    if launcher.is_running() and launcher.status() != psutil.STATUS_ZOMBIE:
        for process in [*launcher.children(recursive=True), launcher]:
            process.kill()


class Teller:
    """Tells labels from several threads, and remembers those that were acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/feedback"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._tell) for _ in range(4)]
        self.acknowledged: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _tell(self) -> None:
        while not self._stop.is_set():
            its_id = new_answer_id()
            try:
                answer = httpx.post(self._url, json={"id": its_id, "label": LABELS[0]}, timeout=5)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                if answer.status_code == httpx.codes.OK:
                    self.acknowledged.append(its_id)


def kept(url: str) -> set[str]:
    with closing(Database(url)) as database, database.reading() as connection:
        return set(connection.scalars(select(labels.c.id)))


@pytest.mark.parametrize("rounds", [SHORT, LONG])
def test_no_acknowledged_label_is_lost_when_a_worker_is_killed(models_dir: Path, records_url: str, rounds: int) -> None:
    port = free_port()
    with service(models_dir, records_url, port) as launcher, Teller(f"http://127.0.0.1:{port}") as teller:
        for number in range(rounds):
            wait_for(lambda number=number: len(teller.acknowledged) > 10 * number)  # type: ignore[misc]
            workers = workers_of(launcher)
            if workers:
                random.choice(workers).send_signal(signal.SIGKILL)  # noqa: S311 - no secret
            time.sleep(0.5)

    print(f"\n{rounds} workers killed, {len(teller.acknowledged):,} labels acknowledged.")  # noqa: T201
    assert len(teller.acknowledged) >= 10 * (rounds - 1)
    assert set(teller.acknowledged) <= kept(records_url)


@pytest.mark.parametrize("rounds", [SHORT, LONG])
def test_no_acknowledged_label_is_lost_when_the_service_is_killed(
    models_dir: Path, records_url: str, rounds: int
) -> None:
    port = free_port()
    acknowledged: set[str] = set()
    for _ in range(rounds):
        with service(models_dir, records_url, port) as launcher, Teller(f"http://127.0.0.1:{port}") as teller:
            wait_for(lambda: len(teller.acknowledged) > 20)
            kill_all(launcher)
        acknowledged.update(teller.acknowledged)

    print(f"\n{rounds} services killed, {len(acknowledged):,} labels acknowledged.")  # noqa: T201
    assert acknowledged <= kept(records_url)


@pytest.mark.parametrize(
    "seconds", [pytest.param(10, marks=pytest.mark.slow), pytest.param(600, marks=pytest.mark.soak)]
)
def test_four_workers_on_one_file_count_all_that_was_sent_once(
    models_dir: Path, seconds: int, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = [0] * 8
    content = png()

    def ask(number: int, url: str) -> None:
        deadline = time.monotonic() + seconds
        with httpx.Client(base_url=url, timeout=30) as client:
            while time.monotonic() < deadline:
                answers = [client.post("/predict", files={"file": content}).json() for _ in range(10)]
                told = [{"id": answer["id"], "label": answer["label"]} for answer in answers]
                assert client.post("/feedback", json=told).status_code == httpx.codes.OK
                sent[number] += 10

    with running_server(models_dir, SOFTMAX_WORKERS="4", SOFTMAX_RECORD="answers") as url:
        threads = [threading.Thread(target=ask, args=(number, url)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def is_complete() -> bool:
            [windows] = httpx.get(f"{url}/metrics").json()["live"]["windows"]["fashion-mnist"].values()
            found = windows["all"]
            return bool(found["answers"] == found["labels"] == sum(sent) and found["accuracy"] == 1.0)

        wait_for(is_complete)

    with capfd.disabled():
        print(f"\n{seconds} s, {sum(sent):,} answers and as many labels.")  # noqa: T201
    assert "locked" not in capfd.readouterr().err


def wait_for(is_so: Callable[[], bool], seconds: float = 120) -> None:
    """Wait, for as long as a machine with other work may take."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"It was not so within {seconds} s.")
        time.sleep(0.1)
