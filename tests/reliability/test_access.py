"""API keys on a real server: who is answered, how keys rotate, and that no key is ever told."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.classifier import artifact
from tests import drawings
from tests.conftest import REPOSITORY, free_port, make_metadata, make_model, wait_until_it_answers
from tests.preloaded import start

KEY, OTHER, NEXT = "the-key-of-the-tests", "the-other-key-of-the-tests", "the-next-key-of-the-tests"
ORIGIN = "https://shop.example"


class Guarded:
    """A server with keys: its URL, the file of its keys, and what it logged."""

    def __init__(self, url: str, keys_file: Path, log: Path) -> None:
        self.url = url
        self.keys_file = keys_file
        self.log = log


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Listens on every address, as a server that has keys may."""
    folder = tmp_path_factory.mktemp("guarded")
    artifact.save(folder / "models" / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    keys_file, log = folder / "keys", folder / "log"
    keys_file.write_text(f"# rotated by the tests\n{OTHER}\n")
    port = free_port()
    settings = {"HOST": "0.0.0.0", "MODELS_DIR": folder / "models", "API_KEYS": KEY, "API_KEYS_FILE": keys_file}  # noqa: S104 - what keys allow
    environment = {f"SOFTMAX_{name}": str(value) for name, value in settings.items()}
    with log.open("wb") as stderr:
        environment = os.environ | environment | {"SOFTMAX_CORS_ORIGINS": ORIGIN}
        process = start("app", "--port", str(port), environment=environment, stderr=stderr.fileno())
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process)
        yield Guarded(f"http://127.0.0.1:{port}", keys_file, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predict"),
        ("POST", "/feedback"),
        ("POST", "/v2/models/fashion-mnist/infer"),
        ("GET", "/v2"),
        ("GET", "/models"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("GET", "/static/main.js"),
        ("GET", "/nothing"),
        ("DELETE", "/predict"),
    ],
)
def test_a_request_without_a_key_is_refused_whatever_it_asks_for(guarded: Guarded, method: str, path: str) -> None:
    answer = httpx.request(method, guarded.url + path)

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers.get_list("WWW-Authenticate") == [
        'Bearer realm="softmax-serving"',
        'Basic realm="softmax-serving", charset="UTF-8"',
    ]
    problem = answer.json()
    assert problem["type"] == "urn:softmax-serving:key-needed"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem.get("error") == (problem["detail"] if path.startswith("/v2") else None)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes_are_answered_without_a_key(guarded: Guarded, path: str) -> None:
    assert httpx.get(guarded.url + path).status_code == 200


@pytest.mark.parametrize("headers", [bearer(KEY), bearer(OTHER), {"X-API-Key": KEY}])
def test_a_key_opens_every_route(guarded: Guarded, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=guarded.url, headers=headers) as client:
        prediction = client.post("/predict", files={"file": drawings.png()})
        metrics, page = client.get("/metrics"), client.get("/")

    assert (prediction.status_code, metrics.status_code, page.status_code) == (200, 200, 200)


def test_the_body_of_a_request_without_a_key_is_not_waited_for(guarded: Guarded) -> None:
    port = int(guarded.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Length: 900\r\n\r\n")

        assert client.recv(65536).startswith(b"HTTP/1.1 401")


def test_keys_rotate_without_a_restart(guarded: Guarded) -> None:
    new = guarded.keys_file.with_suffix(".new")
    new.write_text(f"{NEXT}\n")
    new.rename(guarded.keys_file)

    try:
        deadline = time.monotonic() + 10
        while status(guarded, NEXT) == 401 and time.monotonic() < deadline:
            time.sleep(0.1)

        assert [status(guarded, key) for key in (NEXT, OTHER, KEY)] == [200, 401, 200]
    finally:
        guarded.keys_file.write_text(f"{OTHER}\n")
        time.sleep(1.1)  # until the server looks at the file again


def status(guarded: Guarded, key: str) -> int:
    return httpx.get(f"{guarded.url}/models", headers=bearer(key)).status_code


def test_a_page_of_a_configured_origin_may_ask_and_its_preflight_needs_no_key(guarded: Guarded) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    preflight = httpx.options(f"{guarded.url}/predict", headers={"Origin": ORIGIN, **asked})
    answer = httpx.post(
        f"{guarded.url}/predict", files={"file": drawings.png()}, headers={"Origin": ORIGIN, **bearer(KEY)}
    )
    refusal = httpx.post(f"{guarded.url}/predict", headers={"Origin": ORIGIN})
    stranger = httpx.options(f"{guarded.url}/predict", headers={"Origin": "https://elsewhere.example", **asked})

    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    for response in (preflight, answer, refusal):
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert (answer.status_code, refusal.status_code, stranger.status_code) == (200, 401, 400)
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_the_documentation_says_what_needs_a_key(guarded: Guarded) -> None:
    document = httpx.get(f"{guarded.url}/openapi.json", headers=bearer(KEY)).json()

    schemes = document["components"]["securitySchemes"]
    assert [scheme["type"] for scheme in schemes.values()] == ["http", "apiKey", "http"]
    assert [next(iter(choice)) for choice in document["security"]] == list(schemes)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            is_probe = path in {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
            assert operation.get("security") == ([] if is_probe else None)
            assert ("401" in operation["responses"]) is not is_probe


def test_a_line_a_request_and_never_a_key_a_query_or_a_file_name(guarded: Guarded) -> None:
    answer = httpx.post(
        f"{guarded.url}/predict?model=fashion-mnist",
        files={"file": ("a-private-name.png", drawings.png())},
        headers=bearer(KEY) | {"X-Request-ID": "for-the-log"},
    )
    httpx.get(f"{guarded.url}/models", headers=bearer(f"{KEY}-mistyped") | {"X-Request-ID": "refused"})
    httpx.get(f"{guarded.url}/models?note=a-private-note", auth=("anna", KEY))

    lines = read_log(guarded.log, "refused")
    served = next(line for line in lines if line.get("request_id") == "for-the-log")
    refused = next(line for line in lines if line.get("request_id") == "refused")
    assert (served["route"], served["status"]) == ("/predict", 200)
    assert served["model"] == "fashion-mnist"
    assert served["version"] == answer.json()["model"]["version"]
    assert len(served["image_digest"]) == 16
    assert refused["status"] == 401
    everything = guarded.log.read_text()
    for secret in (KEY, OTHER, NEXT, "anna", "private"):
        assert secret not in everything


def read_log(path: Path, wanted: str) -> list[dict[str, Any]]:
    """Every line of the log, each an object of its own, once one of them has the text that is wanted."""
    deadline = time.monotonic() + 10
    while wanted not in path.read_text().rpartition("\n")[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    return [json.loads(line) for line in path.read_text().rpartition("\n")[0].splitlines()]


@pytest.mark.parametrize("flags", [("--host", "0.0.0.0"), ("--host", "::")])  # noqa: S104 - what must be refused
def test_without_keys_the_launcher_does_not_listen_beyond_loopback(flags: tuple[str, str]) -> None:
    ended = launch(*flags)

    assert ended.returncode == 2
    assert ended.stderr == (
        f"SOFTMAX_HOST={flags[1]} can be reached from other machines, and there are no API keys: set "
        "SOFTMAX_API_KEYS or SOFTMAX_API_KEYS_FILE, or say --allow-anonymous.\n"
    )


def test_a_short_key_is_refused_and_not_repeated() -> None:
    ended = launch(SOFTMAX_API_KEYS=f"{KEY},guessable")

    assert ended.returncode == 2
    assert ended.stderr.startswith("SOFTMAX_API_KEYS: Key 2 is not 16 or more visible ASCII characters")
    assert ended.stderr.count("\n") == 1
    assert "guessable" not in ended.stderr


def test_a_file_of_keys_that_cannot_be_read_is_refused_and_named(tmp_path: Path) -> None:
    ended = launch(SOFTMAX_API_KEYS_FILE=str(tmp_path / "keys"))

    assert ended.returncode == 2
    assert ended.stderr == (
        f"SOFTMAX_API_KEYS_FILE={tmp_path / 'keys'}: The file can't be read: No such file or directory.\n"
    )


def launch(*flags: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A launcher that should end at once."""
    return subprocess.run(
        [sys.executable, "-m", "app", "--port", "0", *flags],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_whoever_says_so_may_listen_without_keys(models_dir: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "app", "--host", "0.0.0.0", "--allow-anonymous", "--port", str(port)]  # noqa: S104 - what is allowed
    with subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {"SOFTMAX_MODELS_DIR": str(models_dir)}) as process:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", process)

            assert httpx.get(f"http://127.0.0.1:{port}/models").status_code == 200
        finally:
            process.terminate()


def test_on_one_connection_requests_without_a_key_are_refused_and_one_with_it_is_answered(guarded: Guarded) -> None:
    bare, keyed = ("GET /models HTTP/1.1\r\nHost: s\r\n" + field for field in ("", f"X-API-Key: {KEY}\r\n"))
    host, port = guarded.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as client:
        client.sendall((bare + "\r\n" + bare.replace("GET", "POST") + "Content-Length: 1\r\n\r\nx").encode())
        client.sendall((keyed + "Connection: close\r\n\r\n").encode())
        received = b"".join(iter(lambda: client.recv(65_536), b""))

    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"401", b"401", b"200"]
