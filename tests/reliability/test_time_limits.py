"""What arrives too slowly, or not at all, is ended after its time; what arrives at once is not bothered."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psutil
import pytest

from app.classifier import artifact
from tests import drawings
from tests.conftest import make_metadata, make_model, running_server
from tests.reliability.sockets import connect

LIMIT = 0.6  # seconds, of each kind
HEAD = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    limits = {f"SOFTMAX_{phase}_SECONDS": str(LIMIT) for phase in ("HEADER", "BODY", "IDLE")}
    with running_server(folder, SOFTMAX_MAX_HEADER_BYTES="8KiB", **limits) as url:
        yield url


def read_to_the_end(client: socket.socket) -> tuple[bytes, float]:
    """What the server sends until it closes, and how long that took."""
    started = time.monotonic()
    received = b""
    while chunk := client.recv(65536):
        received += chunk
    return received, time.monotonic() - started


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 500\r\n\r\n" + b"x" * 100,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n",
    ],
    ids=["with a length", "chunked", "after 100 Continue"],
)
def test_a_body_that_stalls_is_ended_with_408(server: str, sent: bytes) -> None:
    with connect(server) as client:
        client.sendall(sent)

        received, seconds = read_to_the_end(client)

    answer = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()
    assert b"The body did not arrive within 0.6 s." in answer
    assert LIMIT * 0.9 < seconds < LIMIT + 10


def test_a_body_that_trickles_gets_no_more_time_than_one_that_stalls(server: str) -> None:
    with connect(server) as client:
        client.sendall(HEAD + b"Content-Length: 500\r\n\r\n")
        client.settimeout(0.05)
        started = time.monotonic()
        answer = b""
        while not answer and time.monotonic() < started + 5:
            client.sendall(b"x")
            with suppress(TimeoutError):
                answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert LIMIT * 0.9 < time.monotonic() - started < LIMIT + 2


def test_headers_that_stall_are_ended_with_408(server: str) -> None:
    with connect(server) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost:")

        received, seconds = read_to_the_end(client)

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"The request line and the headers did not arrive within 0.6 s." in received
    assert seconds < LIMIT + 2


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: s\r\n\r\n", b"GET / HTTP/1.1\r\nHost: s\r\n\r\n"])
def test_an_idle_connection_is_closed_without_a_word(server: str, sent: bytes) -> None:
    with connect(server) as client:
        client.sendall(sent)

        received, seconds = read_to_the_end(client)

    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200 ") == bool(sent)
    assert LIMIT * 0.9 < seconds < LIMIT + 10


def test_endless_headers_are_refused_with_431_before_their_time_is_up(server: str) -> None:
    with connect(server) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n" + b"X-Filler: 0123456789\r\n" * 500)

        received, _ = read_to_the_end(client)

    assert received.startswith(b"HTTP/1.1 431 ")  # and not 408
    assert b"over 8,192 bytes" in received


@pytest.mark.parametrize("path", ["/livez", "/models"])
def test_long_headers_are_refused_with_431_though_they_come_in_one_piece(server: str, path: str) -> None:
    with connect(server) as client:
        client.sendall(b"GET %b HTTP/1.1\r\nX-Filler: %b\r\n\r\n" % (path.encode(), b"0" * 9000))

        received, _ = read_to_the_end(client)

    assert received.startswith(b"HTTP/1.1 431 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_client_that_pauses_between_requests_within_the_limit_keeps_its_connection(server: str) -> None:
    with connect(server) as client:
        for _ in range(4):  # together longer than any limit
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(drawings.png()) + drawings.png())

            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            time.sleep(LIMIT / 2)


def test_slow_clients_do_not_slow_others_down(server: str) -> None:
    slow = [connect(server) for _ in range(50)]
    for client in slow:
        client.sendall(HEAD + b"Content-Length: 500\r\n\r\n")

    answer = httpx.post(f"{server}/predict", files={"file": drawings.png()}, timeout=5)

    assert answer.status_code == 200
    for client in slow:
        client.close()


def test_empty_lines_keep_no_connection_open(server: str) -> None:
    deadline = time.monotonic() + 10
    with connect(server) as client:
        while is_open(client):
            assert time.monotonic() < deadline
            with suppress(OSError):
                client.sendall(b"\r\n")
            time.sleep(LIMIT / 4)


@pytest.mark.parametrize("next_one", [b"", b"GET /"], ids=["asking no more", "within the next request"])
def test_a_client_that_takes_no_answers_is_cut_off(server: str, next_one: bytes) -> None:
    deadline = time.monotonic() + 20
    with connect(server) as client:
        client.sendall(b"GET /models/fashion-mnist/templates HTTP/1.1\r\nHost: s\r\n\r\n" * 400 + next_one)
        while is_open(client):
            assert time.monotonic() < deadline
            time.sleep(LIMIT / 4)

        received, _ = read_to_the_end(client)

    assert received.count(b"HTTP/1.1 200 OK") < 400


def is_open(client: socket.socket) -> bool:
    """Whether the server, a process of this machine, has not closed its side."""
    address = client.getsockname()
    return any(
        connection.raddr == address and connection.status == psutil.CONN_ESTABLISHED
        for connection in psutil.net_connections("tcp4")
    )
