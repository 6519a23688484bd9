"""Over capacity: a quick 503 for some, an answer for the others, and probes always."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image

from app.classifier import artifact
from tests import drawings
from tests.conftest import make_metadata, make_model, running_server

ORIGIN = "https://page.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that has no time: all but the first requests of a turn of its event loop are too many."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    limits = {"SOFTMAX_MAX_DELAY_MS": "0.001", "SOFTMAX_MAX_PENDING_BYTES": "64KiB"}
    with running_server(folder, **limits, SOFTMAX_CORS_ORIGINS=ORIGIN) as url:
        yield url


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose turns may take as long as they like."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder, SOFTMAX_MAX_DELAY_MS="60000") as url:
        yield url


def connect(server: str) -> socket.socket:
    host, port = server.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def receive(client: socket.socket) -> bytes:
    """One answer, whole."""
    received = b""
    while True:
        received += client.recv(65536)
        head, separator, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if separator and length and len(body) >= int(length[1]):
            return received


def pipelined(server: str, request: bytes, count: int) -> list[bytes]:
    """Send the same request many times in one go, so that all are read in one turn; return the answers."""
    with connect(server) as client:
        client.sendall(request * count)
        received = b""
        while received.count(b"HTTP/1.1 ") < count or not received.endswith(b"}"):
            received += client.recv(65536)
    return [b"HTTP/1.1 " + answer for answer in received.split(b"HTTP/1.1 ")[1:]]


def post(path: str, extra: bytes = b"") -> bytes:
    content = drawings.png()
    head = b"POST %s HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\n%sContent-Length: %d\r\n\r\n"
    return head % (path.encode(), extra, len(content)) + content


def posted_by_many(server: str, request: bytes, count: int) -> list[bytes]:
    """The same over as many connections, sent while the server is busy with the first."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(count)]
        for client in clients:
            client.sendall(request)
        return [receive(client) for client in clients]


def refused(server: str) -> int:
    """How many requests the server says that it refused."""
    text = httpx.get(f"{server}/metrics", headers={"Accept": "text/plain"}).text
    found = re.search(r'softmax_refused_requests_total\{reason="overload"\} (\d+)', text)
    return int(found[1]) if found else 0


def statuses(answers: list[bytes]) -> set[bytes]:
    return {answer[9:12] for answer in answers}


def test_a_refused_head_request_ends_its_connection_as_no_body_is_due(server: str) -> None:
    refused: list[bytes] = []
    for _ in range(20):  # until enough arrive in one turn
        with ExitStack() as stack:
            clients = [stack.enter_context(connect(server)) for _ in range(40)]
            for client in clients:
                client.sendall(b"HEAD /models HTTP/1.1\r\nHost: s\r\n\r\n")
            refused = [answer for answer in (client.recv(65536) for client in clients) if answer[9:12] == b"503"]
        if refused:
            break

    assert refused
    assert b"connection: close" in refused[0]


@pytest.mark.parametrize(
    "extra",
    [b"", b"X-Request-ID: order-66\r\n", f"X-Request-ID: order-66\r\nOrigin: {ORIGIN}\r\n".encode()],
    ids=["unparsed", "parsed", "from another origin"],
)
def test_what_cannot_be_answered_soon_is_told_when_to_come_back(server: str, extra: bytes) -> None:
    for _ in range(20):  # until enough arrive in one turn
        answers = posted_by_many(server, post("/predict", extra), 40)
        refusals = [answer for answer in answers if answer[9:12] == b"503"]
        if refusals:
            break

    assert statuses(answers) == {b"200", b"503"}
    head, _, body = refusals[0].partition(b"\r\n\r\n")
    problem = httpx.Response(503, content=body).json()
    assert b"retry-after: 1" in head.lower()
    assert b"content-type: application/problem+json" in head
    assert b"x-request-id: " + problem["request_id"].encode() in head
    assert problem["title"] == "Over capacity"
    if extra:
        assert problem["request_id"] == "order-66"
    assert (f"access-control-allow-origin: {ORIGIN}".encode() in head) == (b"Origin" in extra)


def test_a_refused_connection_goes_on_to_be_served(server: str) -> None:
    answers = pipelined(server, post("/predict"), 30)
    time.sleep(0.1)

    assert statuses(answers) <= {b"200", b"503"}
    assert httpx.post(f"{server}/predict", files={"file": drawings.png()}).status_code == 200


def test_the_open_inference_protocol_gets_its_own_error_member(server: str) -> None:
    request = post("/v2/models/fashion-mnist/infer")
    for _ in range(20):
        refusals = [answer for answer in posted_by_many(server, request, 40) if answer[9:12] == b"503"]
        if refusals:
            break

    assert b'"error":"More requests arrive' in refusals[0]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes_are_answered_however_many_and_not_counted_as_refused(server: str, path: str) -> None:
    before = refused(server)
    answers = posted_by_many(server, f"GET {path} HTTP/1.1\r\nHost: s\r\n\r\n".encode(), 60)

    assert statuses(answers) == {b"200"}
    assert refused(server) == before


def test_metrics_are_answered_and_count_the_refusals(server: str) -> None:
    before = refused(server)
    answers = posted_by_many(server, post("/predict"), 100)

    assert refused(server) == before + sum(answer[9:12] == b"503" for answer in answers)


def test_bodies_that_wait_may_not_outgrow_their_budget(server: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (40_000, bytes(40_000))
    with connect(server) as first, connect(server) as second:
        first.sendall(head + chunk)
        time.sleep(0.3)
        second.sendall(head + chunk)

        answer = receive(second)

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Too many long requests at once" in answer
    assert httpx.post(f"{server}/predict", files={"file": drawings.png()}).status_code == 200


def test_bodies_of_known_length_that_stall_count_towards_the_budget_until_they_are_gone(server: str) -> None:
    head = b"POST /v2/models/fashion-mnist/infer HTTP/1.1\r\nHost: s\r\nInference-Header-Content-Length: 0\r\n"
    request = head + b"Content-Length: 40000\r\n\r\n" + bytes(100)
    with connect(server) as first, connect(server) as second:
        first.sendall(request)
        time.sleep(0.3)
        second.sendall(request)
        refusal = receive(second)
    time.sleep(0.3)
    with connect(server) as third:
        third.sendall(request + bytes(39_900))
        answer = receive(third)

    assert refusal.startswith(b"HTTP/1.1 503 ")
    assert b"Too many long requests at once" in refusal
    assert answer[9:12] == b"400"  # 40,000 bytes are no whole number of images


def test_many_requests_in_one_go_are_no_long_header(patient: str) -> None:
    answers = pipelined(patient, post("/predict"), 600)

    assert statuses(answers) == {b"200"}


def test_a_client_that_reads_no_answers_is_not_read_either(patient: str) -> None:
    request = post("/predict")
    with connect(patient) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(3)
        with pytest.raises(TimeoutError):  # once all buffers on the way are full
            client.sendall(request * 100_000)

        assert httpx.post(f"{patient}/predict", files={"file": drawings.png()}).status_code == 200
        assert receive(client).startswith(b"HTTP/1.1 200 ")


def test_what_takes_long_waits_in_a_short_line_and_holds_nothing_else_up(patient: str) -> None:
    large = drawings.png(Image.new("RGB", (1990, 1990), 90))
    head = b"POST /predict?resize=true HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nX-Request-ID: a\r\n"
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(patient)) for _ in range(100)]  # over two seconds of work
        for client in clients:
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(large) + large)
        answer = httpx.post(f"{patient}/predict", files={"file": drawings.png()}, timeout=5)
        heavy = [receive(client) for client in clients]

    assert answer.status_code == 200
    assert statuses(heavy) == {b"200", b"503"}
    assert all(b"Too many long requests at once" in one for one in heavy if one[9:12] == b"503")


def test_short_calls_may_wait_for_the_thread_in_a_longer_line(patient: str) -> None:
    files = [("files", ("a.png", drawings.png(), "image/png"))] * 64

    def post(_: int) -> int:
        return httpx.post(f"{patient}/predict/batch", files=files, timeout=10).status_code

    with ThreadPoolExecutor(16) as clients:
        seen = list(clients.map(post, range(64)))

    assert set(seen) == {200}
