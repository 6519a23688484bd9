"""The memory that waits is one account: bodies that are only announced, and answers that nobody reads, hurt nobody."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image

from app.classifier import artifact
from tests import drawings
from tests.conftest import launcher_at, make_metadata, make_model, running_server
from tests.reliability.sockets import connect, form

LIMIT_MIB = 32
SLACK_MIB = 96  # that the process may take besides: to compute, and what it has freed and keeps for the next request


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder, SOFTMAX_MAX_PENDING_BYTES=f"{LIMIT_MIB}MiB", SOFTMAX_STOP_SECONDS="1") as url:
        httpx.post(f"{url}/predict/batch?pixels=true", files=[("files", drawings.png())] * 200)  # gets it warm
        yield url


def mebibytes(url: str) -> float:
    return float(launcher_at(url).memory_info().rss / 2**20)


def test_bodies_that_are_announced_and_never_sent_take_no_memory_and_keep_nobody_out(server: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: 900000\r\n\r\n"
    large = drawings.png(Image.effect_noise((700, 700), 80))
    before = mebibytes(server)
    with ExitStack() as stack:
        for _ in range(148):
            stack.enter_context(connect(server)).sendall(head + bytes(50))
        answers = [
            httpx.post(f"{server}/predict?resize=true", files={"file": large}, timeout=30).status_code for _ in range(5)
        ]
        after = mebibytes(server)

    assert len(large) > 400_000
    assert answers == [200] * 5
    assert after < before + SLACK_MIB


def answered(client: httpx.Client) -> int:
    """The status of a heavy call, asked again a few times where it is told to come back: others wait, too."""
    for _ in range(5):
        answer = client.post("/predict/batch", files=[("files", drawings.png())] * 50)
        if answer.status_code != 503:
            break
        time.sleep(float(answer.headers["retry-after"]))
    return answer.status_code


@pytest.mark.slow  # three hundred batches are computed
def test_answers_that_nobody_reads_take_no_more_than_the_limit_and_keep_nobody_out(server: str) -> None:
    body = form(*[("files", drawings.png())] * 200)
    head = b"POST /predict/batch?pixels=true HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n" % len(body)
    request = head + b"Content-Type: multipart/form-data; boundary=----hostile\r\n\r\n" + body
    before = most = mebibytes(server)
    answers = []
    with ExitStack() as stack:
        good = stack.enter_context(httpx.Client(base_url=server, timeout=30))
        for number in range(300):
            client = stack.enter_context(connect(server))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(request)
            time.sleep(0.04)
            most = max(most, mebibytes(server))
            if number % 60 == 59:
                answers.append(answered(good))
        figures = httpx.get(f"{server}/metrics", headers={"Accept": "text/plain"}).text

    assert answers == [200] * 5
    assert 'reason="pending_bytes"' in figures
    assert most < before + LIMIT_MIB + SLACK_MIB
