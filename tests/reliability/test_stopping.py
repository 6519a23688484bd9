"""Stopping and dying: what was accepted is answered, and the service is whole again."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests import drawings
from tests.conftest import REPOSITORY, free_port, wait_until_it_answers

Fates = Counter[str]


class Service(NamedTuple):
    process: subprocess.Popen[bytes]
    url: str

    def readiness(self) -> int:
        return httpx.get(f"{self.url}/readyz").status_code

    def predict(self) -> int:
        return httpx.post(f"{self.url}/predict", files={"file": drawings.png()}).status_code


@contextmanager
def running(models_dir: Path, **settings: str) -> Iterator[Service]:
    port = free_port()
    environment = os.environ | {f"SOFTMAX_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "app", "--port", str(port), "--models-dir", str(models_dir)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL) as process:
        service = Service(process, f"http://127.0.0.1:{port}")
        try:
            wait_until_it_answers(service.url, process)
            yield service
        finally:
            process.kill()


@contextmanager
def load(url: str, connections: int = 16) -> Iterator[Callable[[], Fates]]:
    """Predictions over keep-alive connections until the server is gone or the context ends.

    Yields:
        A function that waits for the end and tells how often each status was answered, how often a request that had
        been sent was "lost", and how many connections were "refused".
    """
    stop = [False]
    with ThreadPoolExecutor(1) as thread:
        fates = thread.submit(lambda: asyncio.run(_ask_all(url, connections, stop)))
        try:
            yield lambda: fates.result(timeout=60)
        finally:
            stop[0] = True


async def _ask_all(url: str, connections: int, stop: list[bool]) -> Fates:
    fates: Fates = Counter()
    await asyncio.gather(*(_ask(url, fates, stop) for _ in range(connections)))
    return fates


async def _ask(url: str, fates: Fates, stop: list[bool]) -> None:
    host, port = url.removeprefix("http://").split(":")
    content = drawings.png()
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(content)
    while not stop[0]:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            fates["refused"] += 1
            return
        keep_alive = True
        while keep_alive and not stop[0]:
            try:
                writer.write(head + content)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
            except (OSError, EOFError):
                fates["lost"] += 1
                break
            fates[answer[9:12].decode()] += 1
            keep_alive = b"connection: close" not in answer
        writer.close()


def test_sigterm_makes_the_service_unready_first_and_ends_it_in_time(models_dir: Path) -> None:
    with running(models_dir, drain_seconds="1.5") as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        during = service.readiness(), service.predict()
        service.process.wait(timeout=10)

    assert during == (503, 200)
    assert service.process.returncode in {0, -signal.SIGTERM}


def test_a_second_sigterm_does_not_wait(models_dir: Path) -> None:
    with running(models_dir, drain_seconds="60") as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        service.process.send_signal(signal.SIGTERM)

        service.process.wait(timeout=5)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_under_load_not_one_request_is_lost_when_the_service_stops(models_dir: Path, workers: str) -> None:
    settings = {"workers": workers, "drain_seconds": "0.5", "max_delay_ms": "10000"}
    with running(models_dir, **settings) as service, load(service.url) as fates:
        time.sleep(1)
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(timeout=20)
        seen = fates()

    assert seen["200"] > 100
    assert seen["lost"] == 0, seen
    assert set(seen) <= {"200", "refused"}


def test_a_request_whose_body_is_on_its_way_is_finished(models_dir: Path) -> None:
    content = drawings.png()
    with running(models_dir, drain_seconds="0") as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\n")
            client.sendall(b"Content-Length: %d\r\n\r\n" % len(content) + content[:50])
            time.sleep(0.2)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            client.sendall(content[50:])
            answer = client.recv(65536)
        service.process.wait(timeout=10)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


def test_a_request_that_never_ends_does_not_keep_the_service_from_stopping(models_dir: Path) -> None:
    with running(models_dir, drain_seconds="0", stop_seconds="1") as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\n")
            time.sleep(0.2)
            service.process.send_signal(signal.SIGTERM)

            service.process.wait(timeout=8)


def test_a_killed_worker_loses_only_its_own_requests_and_is_replaced(models_dir: Path) -> None:
    with running(models_dir, workers="2", max_delay_ms="10000") as service:
        children = workers_of(service.process.pid)
        with load(service.url, connections=16) as fates:
            time.sleep(1)
            os.kill(children[0], signal.SIGKILL)
            time.sleep(1)
        seen = fates()
        deadline = time.monotonic() + 60
        while len(set(workers_of(service.process.pid)) - {children[0]}) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)

        assert seen["200"] > 100
        assert seen["lost"] <= 16  # no more than one a connection
        assert set(seen) <= {"200", "lost"}
        assert len(set(workers_of(service.process.pid)) - {children[0]}) == 2
        assert {service.predict() for _ in range(10)} == {200}


def test_workers_end_with_their_launcher_and_free_the_port(models_dir: Path) -> None:
    with running(models_dir, workers="2", drain_seconds="0") as service:
        workers = workers_of(service.process.pid)
        service.process.kill()
        service.process.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.1)

    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def workers_of(parent: int) -> list[int]:
    """The process ids of a launcher's workers."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_line_and_a_failure(models_dir: Path, workers: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "app", "--port", port, "--models-dir", str(models_dir), "--workers", workers],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert result.returncode not in {0, -signal.SIGTERM}
    assert "address already in use" in result.stderr.lower()
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("kind", ["empty", "missing", "a file"])
def test_without_models_the_service_is_alive_and_says_why_it_is_unready(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "models"
    if kind == "empty":
        folder.mkdir()
    elif kind == "a file":
        folder.write_text("no folder")

    with running(folder) as service:
        alive = httpx.get(f"{service.url}/livez").status_code
        readiness = httpx.get(f"{service.url}/readyz")
        prediction = httpx.post(f"{service.url}/predict", files={"file": drawings.png()})

    assert alive == 200
    assert (readiness.status_code, prediction.status_code) == (503, 503)
    assert str(folder) in readiness.json()["reason"]
    assert prediction.headers["Retry-After"] == "1"
