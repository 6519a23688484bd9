"""Dying, and not being able to start: the service is whole again, or says why it is not."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests import drawings
from tests.conftest import REPOSITORY, workers_of
from tests.reliability.services import load, running

pytestmark = pytest.mark.slow  # each starts servers of its own


def test_a_killed_worker_loses_only_its_own_requests_and_is_replaced(models_dir: Path) -> None:
    with running(models_dir, workers="2", max_delay_ms="10000") as service:
        launcher = psutil.Process(service.process.pid)
        victim = workers_of(launcher)[0]
        with load(service.url, connections=16) as fates:
            time.sleep(1)
            victim.suspend()  # so that the launcher waits for its answer when it dies
            time.sleep(1)
            victim.kill()
            time.sleep(1)
        seen = fates()
        deadline = time.monotonic() + 20
        while len(set(workers_of(launcher)) - {victim}) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)

        assert seen["200"] > 100
        assert seen["lost"] <= 16  # no more than one a connection
        assert set(seen) <= {"200", "lost"}
        assert len(set(workers_of(launcher)) - {victim}) == 2
        assert {service.predict() for _ in range(10)} == {200}


def test_workers_end_with_their_launcher_and_free_the_port(models_dir: Path) -> None:
    with running(models_dir, workers="2", drain_seconds="0") as service:
        workers = workers_of(psutil.Process(service.process.pid))
        service.process.kill()
        service.process.wait()
        _, alive = psutil.wait_procs(workers, timeout=10)

    assert len(workers) == 2
    assert not alive


def test_the_process_that_workers_are_forked_from_may_die_too(models_dir: Path) -> None:
    with running(models_dir, workers="2", max_delay_ms="10000") as service:
        launcher = psutil.Process(service.process.pid)
        before = workers_of(launcher)
        with load(service.url, connections=16) as fates:
            psutil.Process(before[0].ppid()).kill()
            _, alive = psutil.wait_procs(before, timeout=60)
        after = workers_of(launcher)

        assert not alive
        assert set(fates()) == {"200"}
        assert len(set(after) - set(before)) == 2


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
    assert f"127.0.0.1, port {port}, can't be listened on: see SOFTMAX_HOST and SOFTMAX_PORT." in result.stderr
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
