"""One connection and its requests: each whole one gets one answer, whatever comes with it, before it or after it."""

import os
import re
import signal
import socket
import struct
import time
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests import drawings
from tests.conftest import running_server
from tests.reliability.services import running
from tests.reliability.sockets import Answer, connect, form, read_answer, send

PNG = drawings.png()
LIVE = b"GET /livez HTTP/1.1\r\nHost: s\r\n\r\n"
CHUNKED = b"POST /predict HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n"


def post(path: str, body: bytes, *fields: bytes) -> bytes:
    lines = [b"Host: s", b"Content-Length: %d" % len(body), *fields]
    return b"POST " + path.encode() + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body


IMAGE = post("/predict", PNG, b"Content-Type: image/png")
HEAVY = post("/predict?resize=true", PNG, b"Content-Type: image/png")


def statuses(server: str, *pieces: bytes) -> list[int]:
    """Of all answers on one connection, to what is sent piece by piece, until the server closes it."""
    with connect(server) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.05)
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", received)]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([LIVE + b"\0\0"], [200, 400]),
        ([IMAGE + b"x\r\n\r\n"], [200, 400]),
        ([IMAGE[:-9], IMAGE[-9:] + b"x\r\n\r\n"], [200, 400]),
        ([HEAVY, b"\0"], [200, 400]),
        ([LIVE * 3 + b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"], [200, 200, 200, 431]),
        ([LIVE + b"CONNECT x:1 HTTP/1.1\r\n\r\n"], [200, 400]),
        ([HEAVY + CHUNKED + b"\r\nno number\r\n"], [200, 400]),
        ([LIVE + b"GET http:// HTTP/1.1\r\n\r\n"], [200, 400]),
    ],
    ids=[
        "garbage",
        "a body that is too long",
        "a body that is too long, in two pieces",
        "garbage while the answer is made",
        "a long header behind three requests",
        "CONNECT",
        "a damaged body",
        "no path",
    ],
)
def test_what_comes_before_a_bad_request_is_answered(server: str, pieces: list[bytes], expected: list[int]) -> None:
    assert statuses(server, *pieces) == expected


@pytest.mark.parametrize("next_one", [IMAGE[:40], IMAGE[:-5]], ids=["in its head", "in its body"])
def test_a_client_that_stops_sending_within_a_request_gets_the_answers_before_it(server: str, next_one: bytes) -> None:
    with connect(server) as client:
        client.sendall(HEAVY + next_one)
        client.shutdown(socket.SHUT_WR)

        assert read_answer(client).status == 200


def test_a_request_that_was_answered_early_gets_no_second_answer(server: str) -> None:
    head = b"POST /nothing HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert statuses(server, head, b"no number\r\n") == [404]


def test_nothing_after_the_last_request_of_a_connection_is_done(models_dir: Path) -> None:
    last = post("/predict", PNG, b"Content-Type: image/png", b"Connection: close")
    after = post("/feedback", form(("file", PNG)), b"Content-Type: multipart/form-data; boundary=----hostile")
    with running_server(models_dir) as server, ExitStack() as stack:
        others = [stack.enter_context(connect(server)) for _ in range(12)]
        for _ in range(10):
            with connect(server) as client:
                client.sendall(last[:-5])
                time.sleep(0.02)
                for other in others:  # so that there is a turn of several
                    other.sendall(LIVE)
                client.sendall(last[-5:] + after)
                assert read_answer(client).status == 200
                for other in others:
                    read_answer(other)

        counted = httpx.get(f"{server}/metrics", headers={"Accept": "text/plain"}).text

    assert 'route="/predict"' in counted
    assert 'route="/feedback"' not in counted


@pytest.mark.parametrize("pieces", [1, 2])
def test_trailers_are_no_headers(server: str, pieces: int) -> None:
    body = b"%x\r\n%b\r\n0\r\n" % (len(PNG), PNG)
    trailers = b"Content-Type: image/png\r\nX-Request-ID: from-a-trailer\r\n\r\n"
    with connect(server) as client:
        for piece in [CHUNKED + b"\r\n" + body + trailers] if pieces == 1 else [CHUNKED + b"\r\n" + body, trailers]:
            client.sendall(piece)
            time.sleep(0.05)

        answer = read_answer(client)

    assert answer.status == 415
    assert answer.headers["x-request-id"] != "from-a-trailer"


@pytest.mark.parametrize(
    "piece",
    [b"X-T: " + b"a" * 8000 + b"\r\n", b"a" * 8000],
    ids=["many trailers", "one trailer"],
)
@pytest.mark.parametrize("path", [b"/predict", b"/nothing"])
def test_endless_trailers_end_the_connection(server: str, path: bytes, piece: bytes) -> None:
    sent = 0
    with connect(server) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" % path)
        try:
            while sent < 100_000_000:
                client.sendall(piece)
                sent += len(piece)
        except OSError:
            pass

    assert sent < 60_000_000  # what is dropped before it closes, and what the sockets' buffers hold


@pytest.mark.parametrize("space", [b" ", b"\t", b" \t "])
def test_space_around_a_header_field_is_not_of_its_value(server: str, space: bytes) -> None:
    answer = send(server, b"GET /livez HTTP/1.1\r\nHost: s\r\nX-Request-ID: an-id" + space + b"\r\n\r\n")

    assert answer.headers["x-request-id"] == "an-id"


@pytest.mark.parametrize("path", ["/predict", "/explain", "/v2/models/fashion-mnist/infer", "/v2/repository/index"])
def test_a_line_feed_at_the_end_of_a_path_leads_nowhere(server: str, path: str) -> None:
    assert send(server, post(f"{path}%0A", PNG, b"Content-Type: image/png")).status == 404


@pytest.mark.parametrize("ranges", ["lines=1-2", "bytes=abc", "bytes=9999999-", "bytes=0-9"])
def test_ranges_are_ignored(server: str, ranges: str) -> None:
    assert httpx.get(server, headers={"Range": ranges}).status_code == 200


def test_an_old_client_is_not_told_to_continue(server: str) -> None:
    request = IMAGE.replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\nExpect: 100-continue\r\n")

    assert statuses(server, request) == [200]


@pytest.mark.slow
def test_a_client_that_is_gone_leaves_no_traceback(models_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    large = BytesIO()
    Image.new("RGBA", (1900, 1900)).save(large, "PNG")
    request = post("/predict?resize=true", large.getvalue(), b"Content-Type: image/png")
    with running_server(models_dir) as server:
        for _ in range(3):
            with connect(server) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                client.sendall(request + LIVE)
                time.sleep(0.02)
        time.sleep(0.5)
        assert statuses(server, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) == [200]

    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "head",
    [
        b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: 900\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n",
    ],
    ids=["the short way", "the detour"],
)
def test_a_request_that_is_cut_off_in_its_body_is_counted(server: str, head: bytes) -> None:
    def cut_off() -> int:
        text = httpx.get(f"{server}/metrics", headers={"Accept": "text/plain"}).text
        found = re.findall(r'_count\{method="POST",route="/predict",status="499"\} (\d+)', text)
        return int(found[0]) if found else 0

    before = cut_off()
    with connect(server) as client:
        client.sendall(head + b"half")
        time.sleep(0.1)

    deadline = time.monotonic() + 10
    while cut_off() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cut_off() == before + 1


def number_of(answer: Answer) -> int:
    """The how manieth id of the server an answer has."""
    return int(answer.headers["x-request-id"].rpartition("-")[2], 16)


def test_whoever_sends_costly_heads_waits_for_those_who_ask_plainly(models_dir: Path) -> None:
    costly = b"GET /livez HTTP/1.1\r\nHost: s\r\n" + b"a:\r\n" * 15_000 + b"\r\n"
    with running(models_dir) as service, ExitStack() as stack:
        clients = [stack.enter_context(connect(service.url)) for _ in range(20)]
        for client in clients:
            client.sendall(LIVE)
            read_answer(client)

        os.kill(service.process.pid, signal.SIGSTOP)  # so that all is read in one turn
        for client in clients[:-1]:
            client.sendall(costly)
        clients[-1].sendall(IMAGE)
        os.kill(service.process.pid, signal.SIGCONT)
        answers = [read_answer(client) for client in clients]

    assert [answer.status for answer in answers] == [431] * 19 + [200]
    assert number_of(answers[-1]) < min(number_of(answer) for answer in answers[:-1])
