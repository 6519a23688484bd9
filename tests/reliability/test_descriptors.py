"""Connections that take all descriptors: the longest idle go, and who comes anew is answered."""

import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import REPOSITORY, free_port, wait_until_it_answers
from tests.reliability.sockets import connect, read_answer

LIVE = b"GET /livez HTTP/1.1\r\nHost: s\r\n\r\n"


@pytest.mark.slow
def test_silent_connections_keep_nobody_out(models_dir: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    service = [sys.executable, "-m", "app", "--port", str(port), "--models-dir", str(models_dir)]
    limited = ["sh", "-c", 'ulimit -n 800 && exec "$@"', "sh", *service]
    with subprocess.Popen(limited, cwd=REPOSITORY) as process, ExitStack() as stack:
        stack.callback(process.terminate)
        wait_until_it_answers(url, process)
        clients = [stack.enter_context(connect(url)) for _ in range(600)]

        assert httpx.get(f"{url}/livez", timeout=10).status_code == 200
        clients[-1].sendall(LIVE)
        assert read_answer(clients[-1]).status == 200
        with suppress(ConnectionError):
            assert clients[0].recv(1) == b""
        assert 'reason="descriptors"' in httpx.get(f"{url}/metrics", headers={"Accept": "text/plain"}).text
