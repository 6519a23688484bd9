"""Stopping: what was accepted is answered."""

import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import orjson
import psutil
import pytest

from tests import drawings
from tests.conftest import workers_of
from tests.reliability.services import load, running
from tests.reliability.sockets import connect, read_answer

pytestmark = pytest.mark.slow  # each starts servers of its own


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_makes_the_service_unready_first_and_ends_it_in_time(models_dir: Path, workers: str) -> None:
    with running(models_dir, workers=workers, drain_seconds="1.5") as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        during = service.readiness(), service.predict()
        service.process.wait(timeout=10)

    assert during == (503, 200)
    assert service.process.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_sigterm_does_not_wait_and_one_line_says_so(models_dir: Path, tmp_path: Path, workers: str) -> None:
    log = tmp_path / "log"
    with running(models_dir, str(log), workers=workers, drain_seconds="60") as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # less than the launcher's looks are apart
        service.process.send_signal(signal.SIGTERM)

        service.process.wait(timeout=15)

    lines = log.read_text()
    assert service.process.returncode == 0
    assert lines.count("Told again to stop: stops listening now.") == 1
    assert "Traceback" not in lines
    assert "killed" not in lines


def test_workers_do_not_wait_when_they_are_told_again_and_again(models_dir: Path) -> None:
    with running(models_dir, workers="2", drain_seconds="60") as service:
        workers = workers_of(psutil.Process(service.process.pid))
        for _ in range(3):
            for worker in workers:
                with suppress(psutil.NoSuchProcess):
                    worker.terminate()
            time.sleep(0.2)

        _, alive = psutil.wait_procs(workers, timeout=10)

    assert len(workers) == 2
    assert not alive


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


def test_nothing_is_lost_when_all_processes_are_told_to_stop_as_by_systemd(models_dir: Path) -> None:
    settings = {"workers": "2", "drain_seconds": "1", "max_delay_ms": "10000"}
    with running(models_dir, **settings) as service, load(service.url) as fates:
        time.sleep(1)
        launcher = psutil.Process(service.process.pid)
        for process in (launcher, *launcher.children(recursive=True)):
            process.terminate()
        service.process.wait(timeout=20)
        seen = fates()

    assert seen["200"] > 100
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


ARRIVING = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\n"
WAYS = {
    "the short way": ARRIVING + b"Content-Length: 900\r\n\r\nhalf",
    "the detour": ARRIVING + b"Transfer-Encoding: chunked\r\n\r\n384\r\nhalf",
    "a heavy call": ARRIVING.replace(b"predict", b"predict/batch") + b"Content-Length: 900000\r\n\r\nhalf",
    "a head": ARRIVING,
}


@pytest.mark.parametrize(("workers", "signals"), [("1", 1), ("2", 4)], ids=["time is over", "told again"])
def test_what_was_arriving_when_the_service_is_forced_to_end_is_told_so(
    models_dir: Path, tmp_path: Path, workers: str, signals: int
) -> None:
    settings = {"workers": workers, "drain_seconds": "0", "stop_seconds": "1"}
    with running(models_dir, log=f"{tmp_path}/log", **settings) as service, ExitStack() as stack:
        clients = [stack.enter_context(connect(service.url)) for _ in WAYS]
        for client, sent in zip(clients, WAYS.values(), strict=True):
            client.sendall(sent)
        time.sleep(0.5)
        for _ in range(signals):
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.4)
        answers = [read_answer(client) for client in clients]
        service.process.wait(timeout=10)

    problems = [orjson.loads(answer.content) for answer in answers]
    assert [(problem["status"], problem["title"]) for problem in problems] == [(503, "Service stopping")] * len(WAYS)
    lines = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    cut_off = [(line["route"], line["status"]) for line in lines if line["event"] == "request" and line["status"] > 200]
    assert sorted(cut_off) == [("/predict", 503), ("/predict", 503), ("/predict/batch", 503), ("unmatched", 503)]
