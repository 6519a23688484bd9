"""A log that nobody reads stops nothing: with stderr a full pipe the service answers, follows its models and stops."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests import drawings
from tests.conftest import REPOSITORY, free_port, wait_until_it_answers, workers_of

pytestmark = pytest.mark.slow  # each starts servers of its own

SIZE = 4096  # bytes that the pipe holds


@contextmanager
def unread_service(models_dir: Path, workers: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    settings = {"WORKERS": workers, "DRAIN_SECONDS": "0", "STOP_SECONDS": "1", "MODELS_POLL_SECONDS": "0.2"}
    environment = os.environ | {f"SOFTMAX_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "app", "--port", str(port), "--models-dir", str(models_dir)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, SIZE)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_it_answers(url, process)
            yield url, process
        finally:
            process.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_a_log_that_is_not_read_the_service_goes_on_and_stops_in_time(models_dir: Path, workers: str) -> None:
    with unread_service(models_dir, workers) as (url, process), httpx.Client(base_url=url, timeout=20) as client:
        for _ in range(200):
            assert client.post("/predict", files={"file": drawings.png()}).status_code == 200
        (models_dir / "broken").mkdir()
        (models_dir / "broken" / "model.safetensors").write_bytes(b"no model")
        shutil.copytree(models_dir / "fashion-mnist", models_dir / "another")
        deadline = time.monotonic() + 30
        while client.post("/predict?model=another", files={"file": drawings.png()}).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        processes = [psutil.Process(process.pid), *workers_of(psutil.Process(process.pid))]

        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)

        assert process.stderr is not None
        assert len(os.read(process.stderr.fileno(), 2 * SIZE)) > SIZE // 2  # the pipe was full
        assert not psutil.wait_procs(processes, timeout=5)[1]
