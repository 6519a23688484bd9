"""Over capacity: a quick 503 for some, an answer for the others, and probes always."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import orjson
import pytest
from PIL import Image

from app.classifier import artifact
from tests import drawings
from tests.conftest import make_metadata, make_model, running_server
from tests.reliability.sockets import Answer, connect, read_answer

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


@pytest.fixture
def crowd(server: str) -> Iterator[list[socket.socket]]:
    """Connections to the server that has no time."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(server)) for _ in range(60)]


def post(path: str, extra: bytes = b"") -> bytes:
    content = drawings.png()
    head = b"POST %s HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\n%sContent-Length: %d\r\n\r\n"
    return head % (path.encode(), extra, len(content)) + content


def asked_by_many(clients: list[socket.socket], request: bytes) -> list[Answer]:
    """The answers to the same request over as many connections, sent while the server is busy with the first."""
    for client in clients:
        client.sendall(request)
    return [read_answer(client) for client in clients]


def refusals(clients: list[socket.socket], request: bytes) -> dict[socket.socket, Answer]:
    """Ask until some are refused, and some are not."""
    for _ in range(20):  # until enough arrive in one turn
        answers = asked_by_many(clients, request)
        if {answer.status for answer in answers} > {503}:
            break
    return {client: answer for client, answer in zip(clients, answers, strict=True) if answer.status == 503}


def refused(server: str) -> int:
    """How many requests the server says that it refused."""
    text = httpx.get(f"{server}/metrics", headers={"Accept": "text/plain"}).text
    found = re.search(r'softmax_refused_requests_total\{reason="overload"\} (\d+)', text)
    return int(found[1]) if found else 0


def test_a_refused_head_request_gets_no_body(crowd: list[socket.socket]) -> None:
    request = b"HEAD /models HTTP/1.1\r\nHost: s\r\n\r\n"
    refused: list[socket.socket] = []
    for _ in range(20):  # until enough arrive in one turn
        for client in crowd:
            client.sendall(request)
        refused = [client for client in crowd if client.recv(65536)[9:12] == b"503"]
        if refused:
            break

    assert refused
    refused[0].sendall(b"GET /livez HTTP/1.1\r\nHost: s\r\n\r\n")
    assert read_answer(refused[0]).status == 200


@pytest.mark.parametrize(
    "extra",
    [b"", b"X-Request-ID: order-66\r\n", f"X-Request-ID: order-66\r\nOrigin: {ORIGIN}\r\n".encode()],
    ids=["unparsed", "parsed", "from another origin"],
)
def test_what_cannot_be_answered_soon_is_told_when_to_come_back(crowd: list[socket.socket], extra: bytes) -> None:
    refusal = next(iter(refusals(crowd, post("/predict", extra)).values()))

    problem = orjson.loads(refusal.content)
    assert refusal.headers["retry-after"] == "1"
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.headers["x-request-id"] == problem["request_id"]
    assert problem["title"] == "Over capacity"
    if extra:
        assert problem["request_id"] == "order-66"
    assert refusal.headers.get("access-control-allow-origin") == (ORIGIN if b"Origin" in extra else None)


def test_a_refused_connection_goes_on_to_be_served(crowd: list[socket.socket]) -> None:
    refused = refusals(crowd, post("/predict"))

    assert refused
    for client in refused:  # each alone in its turn
        client.sendall(post("/predict"))
        assert read_answer(client).status == 200


def test_the_open_inference_protocol_gets_its_own_error_member(crowd: list[socket.socket]) -> None:
    request = b"POST /v2/models/fashion-mnist/infer HTTP/1.1\r\nHost: s\r\nInference-Header-Content-Length: 0\r\n"
    refusal = next(iter(refusals(crowd, request + b"Content-Length: 784\r\n\r\n" + bytes(784)).values()))

    assert orjson.loads(refusal.content)["error"].startswith("More requests arrive")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes_are_answered_however_many_and_not_counted_as_refused(
    server: str, crowd: list[socket.socket], path: str
) -> None:
    before = refused(server)
    answers = asked_by_many(crowd, f"GET {path} HTTP/1.1\r\nHost: s\r\n\r\n".encode())

    assert {answer.status for answer in answers} == {200}
    assert refused(server) == before


def test_metrics_are_answered_and_count_the_refusals(server: str, crowd: list[socket.socket]) -> None:
    before = refused(server)
    answers = asked_by_many(crowd, post("/predict"))

    assert refused(server) == before + sum(answer.status == 503 for answer in answers)


def test_many_that_connect_at_once_to_a_busy_service_are_all_answered(patient: str) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            clients = [stack.enter_context(connect(patient)) for _ in range(200)]
            assert {answer.status for answer in asked_by_many(clients, post("/predict"))} == {200}


def test_bodies_that_wait_may_not_outgrow_their_budget(server: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (40_000, bytes(40_000))
    with connect(server) as first, connect(server) as second:
        first.sendall(head + chunk)
        time.sleep(0.3)
        second.sendall(head + chunk)

        answer = read_answer(first)
        second.sendall(b"0\r\n\r\n")
        newest = read_answer(second)

    assert answer.status == 503
    assert answer.detail.startswith("Too many long requests at once")
    assert newest.status == 415
    assert httpx.post(f"{server}/predict", files={"file": drawings.png()}).status_code == 200


def test_bodies_that_are_only_announced_are_in_nobodys_way(server: str) -> None:
    head = b"POST /v2/models/fashion-mnist/infer HTTP/1.1\r\nHost: s\r\nInference-Header-Content-Length: 0\r\n"
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(server)).sendall(head + b"Content-Length: 40000\r\n\r\n" + bytes(100))
        time.sleep(0.3)
        last = stack.enter_context(connect(server))
        last.sendall(head + b"Content-Length: 39984\r\n\r\n" + bytes(39_984))

        assert read_answer(last).status == 200


def test_of_bodies_that_wait_for_the_rest_the_slowest_gives_way_to_the_newest(server: str) -> None:
    head = b"POST /v2/models/fashion-mnist/infer HTTP/1.1\r\nHost: s\r\nInference-Header-Content-Length: 0\r\n"
    request = head + b"Content-Length: 40000\r\n\r\n" + bytes(39_900)
    with connect(server) as first, connect(server) as second:
        first.sendall(request)
        time.sleep(0.3)
        second.sendall(request)
        refusal = read_answer(first)
        second.sendall(bytes(100))
        answer = read_answer(second)

    assert refusal.status == 503
    assert refusal.detail.startswith("Too many long requests at once")
    assert answer.status == 400  # 40,000 bytes are no whole number of images


def test_many_requests_in_one_go_are_no_long_header(patient: str) -> None:
    received = b""
    with connect(patient) as client:
        client.sendall(post("/predict") * 600)
        while received.count(b"HTTP/1.1 ") < 600 or not received.endswith(b"}"):
            received += client.recv(65536)

    assert set(re.findall(rb"HTTP/1\.1 (\d+)", received)) == {b"200"}


def test_a_client_that_reads_no_answers_is_not_read_either(patient: str) -> None:
    request = post("/predict")
    with connect(patient) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(3)
        with pytest.raises(TimeoutError):  # once all buffers on the way are full
            client.sendall(request * 100_000)

        assert httpx.post(f"{patient}/predict", files={"file": drawings.png()}).status_code == 200
        assert read_answer(client).status == 200


def test_what_takes_long_waits_in_a_short_line_and_holds_nothing_else_up(patient: str) -> None:
    large = drawings.png(Image.new("RGB", (1990, 1990), 90))
    head = b"POST /predict?resize=true HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nX-Request-ID: a\r\n"
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(patient)) for _ in range(100)]  # over two seconds of work
        for client in clients:
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(large) + large)
        answer = httpx.post(f"{patient}/predict", files={"file": drawings.png()}, timeout=5)
        heavy = [read_answer(client) for client in clients]

    assert answer.status_code == 200
    assert {one.status for one in heavy} == {200, 503}
    assert all(one.detail.startswith("Too many long requests at once") for one in heavy if one.status == 503)


def test_short_calls_may_wait_for_the_thread_in_a_longer_line(patient: str) -> None:
    files = [("files", ("a.png", drawings.png(), "image/png"))] * 64

    def post(_: int) -> int:
        return httpx.post(f"{patient}/predict/batch", files=files, timeout=10).status_code

    one_by_one = list(map(post, range(24)))  # whatever came before, such calls are known to be short now
    with ThreadPoolExecutor(12) as clients:
        seen = list(clients.map(post, range(48)))

    assert {*one_by_one, *seen} == {200}


def test_whoever_waits_to_be_told_to_send_its_body_is_refused_as_well(crowd: list[socket.socket]) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n"
    for client in crowd:
        client.sendall(head)
    answers = [client.recv(65536) for client in crowd]

    refused = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 100 ")]
    assert refused
    assert all(answer.startswith(b"HTTP/1.1 503 ") and b"connection: close" in answer for answer in refused)
