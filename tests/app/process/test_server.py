"""The service as a process of its own, over a socket: answers are whole and in order."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import cast

import httpx
import pytest

from app.classifier import artifact
from tests import drawings
from tests.conftest import REPOSITORY, make_metadata, make_model, running_server
from tests.reliability.sockets import connect


def test_a_posted_image_is_answered_over_a_socket(server: str) -> None:
    answer = httpx.post(f"{server}/predict", files={"file": ("boot.png", drawings.png(), "image/png")})

    assert answer.status_code == 200
    assert sum(answer.json()["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_a_body_sent_in_chunks_is_read_whole(server: str) -> None:
    content = drawings.png()
    halves = iter([content[:50], content[50:]])

    answer = httpx.post(f"{server}/predict", content=halves, headers={"Content-Type": "image/png"})

    assert answer.status_code == 200


def test_a_client_that_leaves_before_its_body_ends_disturbs_nobody(server: str) -> None:
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: 900\r\n\r\nhalf"
        )

    assert httpx.get(f"{server}/readyz").status_code == 200


def test_uvicorn_serves_the_factory(models_dir: Path) -> None:
    with running_server(models_dir, "uvicorn", "--factory", "app.main:create_app") as url:
        answer = httpx.get(f"{url}/readyz")

    assert answer.json() == {"status": "ready"}


def test_ctrl_c_ends_the_service_without_a_traceback(models_dir: Path) -> None:
    command = [sys.executable, "-m", "app", "--port", "0", "--models-dir", str(models_dir)]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "Application startup complete" in line:
                process.send_signal(signal.SIGINT)

    assert "Traceback" not in "".join(lines)
    assert "Finished server process" in "".join(lines)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_says_that_it_runs_when_it_can_answer(models_dir: Path, workers: str) -> None:
    command = [sys.executable, "-m", "app", "--port", "0", "--models-dir", str(models_dir), "--workers", workers]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        killer = Timer(60, process.kill)
        killer.start()
        line = next(line for line in process.stderr if "Uvicorn running on" in line or "Traceback" in line)
        address = re.search(r"http://[\d.:]+", line)
        answer = httpx.get(f"{address[0]}/readyz", timeout=0.5) if address else None
        process.terminate()
        process.communicate(timeout=20)
        killer.cancel()

    assert answer is not None
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PORT", "70000", "=70000: Input should be less than or equal to 65535."),
        ("MODELS_DIR", os.fsdecode(b"\xff"), "=\\udcff: It is not UTF-8."),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(name: str, value: str, complaint: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=REPOSITORY,
        env=os.environ | {f"SOFTMAX_{name}": value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 2
    assert result.stderr == f"SOFTMAX_{name}{complaint}\n"


def test_several_models_are_served_side_by_side(models_dir: Path) -> None:
    artifact.save(models_dir / "letters" / artifact.FILE_NAME, make_model(("a", "b")), make_metadata("x", ("a", "b")))

    with running_server(models_dir) as url:
        answer = httpx.post(f"{url}/predict?model=letters", files={"file": drawings.png()}).json()

    assert set(answer["probabilities"]) == {"a", "b"}


@pytest.mark.skipif(os.environ.get("SOFTMAX_WORKERS", "1") != "1", reason="each of several workers lets in one a turn")
def test_a_crowd_of_new_connections_is_let_in_within_a_few_turns(server: str) -> None:
    host, port = server.removeprefix("http://").split(":")
    request = httpx.Request("POST", f"{server}/predict", files={"file": drawings.png()})
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    wire = f"POST /predict HTTP/1.1\r\n{head}\r\n".encode() + request.read()
    unanswered = {socket.create_connection((host, int(port)), timeout=10) for _ in range(128)}
    answers = 0
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for client in unanswered:
            selector.register(stack.enter_context(client), selectors.EVENT_READ)
            client.sendall(wire)
        while unanswered:  # whoever is answered asks again
            for key, _ in selector.select(timeout=10):
                client = cast("socket.socket", key.fileobj)
                assert client.recv(65536)
                answers += 1
                unanswered.discard(client)
                client.sendall(wire)

    assert answers < 128 * 12  # where each turn lets one in, it is over 3,000


def test_pipelined_requests_are_answered_in_order(server: str) -> None:
    with connect(server) as client:
        for path in ("/livez", "/nothing", "/readyz"):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: s\r\n\r\n".encode())
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
        answers = b""
        while chunk := client.recv(65536):
            answers += chunk

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200", b"200"]
    assert answers.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("path", ["/openapi.json", "/metrics", "/docs"])
def test_long_answers_arrive_whole(server: str, path: str) -> None:
    answer = httpx.get(f"{server}{path}")

    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"])


def test_a_request_that_is_no_http_is_refused(server: str) -> None:
    with connect(server) as client:
        client.sendall(b"nonsense\r\n\r\n")

        assert client.recv(65536).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics", "/docs"])
def test_head_is_get_without_its_body(server: str, path: str) -> None:
    head, get = httpx.head(f"{server}{path}"), httpx.get(f"{server}{path}")

    assert head.status_code == get.status_code == 200
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.content == b""


@pytest.mark.parametrize("path", ["/predict", "/models"])
def test_nothing_is_answered_after_the_last_request(server: str, path: str) -> None:
    content = drawings.png()
    head = f"POST {path} HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: {len(content)}\r\n"
    last = head.encode() + b"Connection: close\r\n\r\n" + content
    with connect(server) as client:
        client.sendall(last * 3)
        answers = b""
        while chunk := client.recv(65536):
            answers += chunk

    assert answers.count(b"HTTP/1.1 ") == 1


def test_requests_to_fastapi_and_past_it_keep_their_order_in_one_pipeline(server: str) -> None:
    content = drawings.png()
    post = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: %d\r\n%b\r\n"
    get = b"GET /models HTTP/1.1\r\nHost: s\r\n\r\n"
    with connect(server) as client:
        one, last = post % (len(content), b""), post % (len(content), b"Connection: close\r\n")
        client.sendall(one + content + get + one + content + get + last + content)
        answers = b""
        while chunk := client.recv(65536):
            answers += chunk

    starts = [answer.partition(b"\r\n\r\n")[2][:7] for answer in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert [start == b'{"id":"' for start in starts] == [True, False, True, False, True]
