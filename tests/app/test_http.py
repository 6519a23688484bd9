"""HTTP as a socket sees it: answers are whole and in order."""

import re

import httpx
import pytest

from tests import drawings
from tests.reliability.sockets import connect


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
