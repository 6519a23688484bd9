"""Several workers behind one port: one service, one set of figures."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier import artifact
from tests import drawings
from tests.conftest import (
    LABELS,
    REPOSITORY,
    free_port,
    launcher_at,
    make_metadata,
    make_model,
    running_server,
    wait_until_it_answers,
    workers_of,
)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server with two workers."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder, SOFTMAX_WORKERS="2") as url:
        assert wait_for(lambda: gauge(url, "softmax_workers"), 2) == 2
        yield url


def samples(url: str) -> dict[str, float]:
    """Each sample's value by name, summed over its labels, from whichever worker answers a new connection."""
    text = httpx.get(f"{url}/metrics", headers={"Accept": "text/plain"}).text
    sums: dict[str, float] = {}
    for family in parse_prometheus(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def gauge(url: str, name: str) -> float:
    return samples(url).get(name, 0)


def wait_for(read: object, expected: float, seconds: float = 60) -> float:
    """Read until the expected value is there, or time is up; return the last value."""
    assert callable(read)
    deadline = time.monotonic() + seconds
    while (value := float(read())) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


@pytest.mark.slow
def test_whichever_worker_answers_the_counters_are_those_of_all(workers: str) -> None:
    before = gauge(workers, "softmax_predictions_total")

    for _ in range(30):  # each over a connection of its own, so that both workers get some
        httpx.post(f"{workers}/predict", files={"file": drawings.png()})

    assert {gauge(workers, "softmax_predictions_total") - before for _ in range(10)} == {30}
    live = httpx.get(f"{workers}/metrics").json()["live"]
    assert sum(live["predictions"].values()) == before + 30


@pytest.mark.slow
def test_the_accuracy_is_not_added_up(workers: str) -> None:
    assert gauge(workers, "softmax_model_test_accuracy") == 0.9


@pytest.mark.slow
def test_a_killed_worker_leaves_the_gauges_keeps_its_counts_and_is_replaced(workers: str) -> None:
    before = gauge(workers, "softmax_predictions_total")
    victim = workers_of(launcher_at(workers))[0]

    victim.kill()

    assert wait_for(lambda: victim in workers_of(launcher_at(workers)), 0) == 0
    assert wait_for(lambda: gauge(workers, "softmax_workers"), 2) == 2
    assert gauge(workers, "softmax_predictions_total") == before


@pytest.mark.slow
def test_the_folder_of_the_figures_goes_with_the_service(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("a path that is too long for a socket, " * 3)
    folder.mkdir()

    with running_server(models_dir, SOFTMAX_WORKERS="2", TMPDIR=str(folder)):
        during = list(folder.glob("softmax-metrics-*"))

    assert len(during) == 1
    assert not during[0].exists()


@pytest.mark.slow
def test_the_live_accuracy_is_that_of_all_workers(workers: str) -> None:
    label = httpx.post(f"{workers}/predict", files={"file": drawings.png()}).json()["label"]
    truths = [label] * 15 + [next(other for other in LABELS if other != label)] * 5

    for truth in truths:  # each over a connection of its own, so that both workers are asked
        httpx.post(f"{workers}/feedback", files=[("file", drawings.png()), ("label", (None, truth.encode()))])

    figures = httpx.get(f"{workers}/metrics").json()["live"]["feedback"]["fashion-mnist"]
    assert (figures["count"], figures["correct"]) == (20, 15)
    exposition = httpx.get(f"{workers}/metrics", headers={"Accept": "text/plain"}).text
    by_window = re.findall(r'^softmax_model_live_accuracy\{.*window="(\w+)".*\} ([\d.]+)$', exposition, re.MULTILINE)
    assert dict(by_window) == dict.fromkeys(("hour", "day", "week", "all"), "0.75")


_SMALL_SERVICE = """
import os, signal, time
import uvicorn
from app.process import logs, server

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            await send({"type": (await receive())["type"] + ".complete"})
    if scope["path"] == "/hang":
        time.sleep(60)
    if scope["path"] == "/die":
        os.kill(os.getpid(), signal.SIGBUS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})

if __name__ == "__main__":
    config = uvicorn.Config(
        "small_service:application",
        port=%d,
        workers=2,
        timeout_worker_healthcheck=2,
        timeout_graceful_shutdown=1,
        log_config=logs.configuration("json"),
        ws="none",
    )
    server.run(config, drain_seconds=0)
"""


@contextmanager
def small_service(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """Two workers that hang or die when asked to: their URL, their launcher, and their log."""
    port, log = free_port(), folder / "log"
    (folder / "small_service.py").write_text(_SMALL_SERVICE % port)
    environment = {"PYTHONPATH": f"{REPOSITORY}:{folder}", "PATH": "", "PYTHONFAULTHANDLER": ""}
    command = [sys.executable, str(folder / "small_service.py")]
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=folder, env=environment, stderr=stderr) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_it_answers(url, process)
            yield url, process, log
        finally:
            process.kill()


def ask(url: str, path: str) -> None:
    """Ask for what is never answered."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: s\r\n\r\n".encode())
        client.settimeout(20)
        assert not client.recv(1)


def read_until(log: Path, text: str, seconds: float = 40) -> str:
    """What the log says by the time it has this text."""
    deadline = time.monotonic() + seconds
    while text not in (said := log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return said


@pytest.mark.slow
def test_a_worker_whose_event_loop_hangs_is_replaced(tmp_path: Path) -> None:
    with small_service(tmp_path) as (url, _, log):
        ask(url, "/hang")

        assert "did not answer in time, and was killed; another one starts" in read_until(log, "in time")
        assert httpx.get(url, timeout=20).status_code == 200


@pytest.mark.slow
def test_workers_that_die_one_after_another_are_replaced_more_slowly_and_the_signal_is_named(tmp_path: Path) -> None:
    with small_service(tmp_path) as (url, _, log):
        for _ in range(4):
            ask(url, "/die")

        said = read_until(log, "in 2 s")

    assert said.count("was ended by SIGBUS; another one starts.") == 2
    assert said.count("was ended by SIGBUS; another one starts in 1 s.") == 1
    assert said.count("was ended by SIGBUS; another one starts in 2 s.") == 1


@pytest.mark.slow
def test_sigterm_ends_the_service_in_its_time_though_a_worker_is_stopped(tmp_path: Path) -> None:
    with small_service(tmp_path) as (_, process, log):
        stopped = workers_of(psutil.Process(process.pid))[0]
        stopped.suspend()
        process.send_signal(signal.SIGTERM)

        process.wait(timeout=15)

        assert not stopped.is_running()
        assert f"Worker {stopped.pid} has not stopped within 6 s, and is killed." in log.read_text()
