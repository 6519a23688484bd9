"""Refusals that come before the body has: real clients see them, and whoever never stops sending is cut off."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from app.classifier import artifact
from tests.conftest import free_port, make_metadata, make_model, running_server
from tests.reliability.sockets import connect, read_answer

KEY = "a-key-of-the-tests-0123456789"
LARGE = bytes(1_150_000)  # just over the limit of one image
TIMES = 10
NODE = """
for (let time = 0; time < 10; time++) {
  const form = new FormData();
  form.append('file', new Blob([new Uint8Array(1150000)]), 'photo.jpg');
  const headers = process.argv[2] ? {'X-API-Key': process.argv[2]} : {};
  const answer = await fetch(process.argv[1] + '/predict?resize=true', {method: 'POST', body: form, headers});
  console.log(answer.status, (await answer.json()).status);
}
"""
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1;
events {{}}
http {{
  access_log off; client_max_body_size 100m; client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/answers;
  fastcgi_temp_path {folder}/1; uwsgi_temp_path {folder}/2; scgi_temp_path {folder}/3;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {url}; proxy_http_version 1.1; proxy_request_buffering off; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder, SOFTMAX_API_KEYS=KEY, SOFTMAX_BODY_SECONDS="1") as url:
        yield url


async def statuses_by_aiohttp(url: str, headers: dict[str, str]) -> list[tuple[int, int]]:
    found = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(TIMES):
            form = aiohttp.FormData()
            form.add_field("file", BytesIO(LARGE), filename="photo.jpg", content_type="image/jpeg")
            async with session.post(f"{url}/predict?resize=true", data=form) as answer:
                found.append((answer.status, (await answer.json(content_type=None))["status"]))
    return found


@pytest.mark.parametrize(("headers", "status"), [({"X-API-Key": KEY}, 413), ({}, 401)])
def test_aiohttp_sees_each_refusal(server: str, headers: dict[str, str], status: int) -> None:
    assert asyncio.run(statuses_by_aiohttp(server, headers)) == [(status, status)] * TIMES


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("key", "status"), [(KEY, 413), ("", 401)])
def test_the_fetch_of_node_sees_each_refusal(server: str, key: str, status: int) -> None:
    command = ["node", "--input-type=module", "--eval", NODE, server, key]

    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run.stdout.split("\n")[:-1] == [f"{status} {status}"] * TIMES, run.stderr


def statuses_by_http_client(url: str, key: str) -> list[int]:
    found = []
    for _ in range(TIMES):
        client = HTTPConnection(url.removeprefix("http://"), timeout=20)
        client.request("POST", "/predict", LARGE, {"Content-Type": "image/png", "X-API-Key": key})
        found.append(client.getresponse().status)
        client.close()
    return found


@pytest.mark.parametrize(("key", "status"), [(KEY, 413), ("none-that-is-accepted", 401)])
def test_the_client_of_the_standard_library_sees_each_refusal(server: str, key: str, status: int) -> None:
    assert statuses_by_http_client(server, key) == [status] * TIMES


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx_passes_each_refusal_on(server: str, tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(folder=tmp_path, port=port, url=server))
    with subprocess.Popen(["nginx", "-c", str(configuration), "-e", str(tmp_path / "log")]) as nginx:  # noqa: S607
        try:
            wait_for_port(port)
            assert statuses_by_http_client(f"http://127.0.0.1:{port}", KEY) == [413] * TIMES
        finally:
            nginx.terminate()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    pytest.fail(f"Nobody listens on port {port}.")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Length: 100000000\r\n", 413),
        (b"POST /predict HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n", 413),
        (b"POST /nothing HTTP/1.1\r\nHost: s\r\nContent-Length: 100000000\r\n", 404),
    ],
    ids=["too long", "in chunks", "nothing there"],
)
def test_who_never_stops_sending_is_cut_off(server: str, head: bytes, status: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (65_536, bytes(65_536))
    sent = 0
    with connect(server) as client:
        client.sendall(head + b"X-API-Key: " + KEY.encode() + b"\r\n\r\n")
        with suppress(OSError):
            while sent < 200_000_000:
                client.sendall(chunk)
                sent += len(chunk)
                if sent == 20 * len(chunk):
                    assert read_answer(client).status == status

    assert 20 * len(chunk) < sent < 100_000_000


def test_a_body_that_comes_too_slowly_is_told_so_while_it_still_comes(server: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Length: 1000\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"
    with connect(server) as client:
        client.sendall(head)
        for _ in range(30):
            client.sendall(b"x")
            time.sleep(0.05)

        assert read_answer(client).status == 408


@pytest.mark.slow
def test_of_those_that_never_stop_only_so_many_are_kept(server: str) -> None:
    head = b"POST /nothing HTTP/1.1\r\nHost: s\r\nContent-Length: 100000000\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(300)]
        for client in clients:
            client.sendall(head)
            assert read_answer(client).status == 404
        time.sleep(0.5)

        ended = sum(is_reset(client) for client in clients)

    assert ended == 300 - 256


def is_reset(client: socket.socket) -> bool:
    """Whether the server has closed both directions; one is as good as a reset to who still sends."""
    with suppress(OSError):
        for _ in range(3):
            client.sendall(b"x")
            time.sleep(0.005)
        return False
    return True
