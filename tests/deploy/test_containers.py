"""`make test-deploy`: the image and docker-compose.yml on a real engine."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests import drawings
from tests.deploy.conftest import Stack

pytestmark = pytest.mark.engine

DISTRIBUTIONS = """
import importlib.metadata, json, sys
import app.command_line, app.main
import app.terminal.predictions, app.terminal.records, app.terminal.rollouts, app.terminal.serving
import psycopg  # where SOFTMAX_RECORDS names a server
from uvicorn.config import Config
config = Config("app.main:create_app", factory=True)
config.load()
config.get_loop_factory()
imported = {name.partition(".")[0] for name in sys.modules}
providers = importlib.metadata.packages_distributions()
used = {provider for name in imported for provider in providers.get(name, ())}
paths = {d.name: [d.locate_file(path) for path in d.files or ()] for d in importlib.metadata.distributions()}
sizes = {name: sum(path.stat().st_size for path in files if path.exists()) for name, files in paths.items()}
print(json.dumps({"used": {n: s for n, s in sizes.items() if n in used},
                  "unused": {n: s for n, s in sizes.items() if n not in used}}))
"""
RIGHTS = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
writable = [path for path, _, _ in os.walk("/") if not path.startswith(("/proc", "/sys")) and os.access(path, os.W_OK)]
print(json.dumps({"uid": os.getuid(), "gid": os.getgid(), "writable": writable,
                  "capabilities": [status[f"Cap{kind}"].strip() for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")],
                  "no_new_privileges": status["NoNewPrivs"].strip()}))
"""
PROGRAMS = """
import json, shutil
print(json.dumps([name for name in ("cc", "gcc", "g++", "clang", "ld", "make", "nvcc") if shutil.which(name)]))
"""
KILL_THE_SERVICE = """
import json, os, pathlib
[pid] = [int(path.parent.name) for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
         if path.read_bytes().startswith(b"python\\0-m\\0app\\0")]
os.kill(pid, 9)
print(json.dumps(pid))
"""


def predict(stack: Stack, **parameters: str) -> httpx.Response:
    return httpx.post(f"{stack.url}/predict", files={"file": drawings.png()}, params=parameters)


def metrics(stack: Stack) -> str:
    return httpx.get(f"{stack.url}/metrics", headers={"Accept": "text/plain"}).text


def wait_for(stack: Stack, path: str, seconds: float) -> httpx.Response:
    """The answer to GET once it is 200, or the last one."""
    deadline = time.monotonic() + seconds
    while (answer := httpx.get(f"{stack.url}{path}")).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def test_a_posted_image_is_answered(stack: Stack) -> None:
    answer = predict(stack)

    assert answer.status_code == 200
    assert answer.json()["label"] == "Ankle boot"


def test_the_metrics_are_those_of_the_model_that_is_mounted(stack: Stack) -> None:
    accuracy = httpx.get(f"{stack.url}/metrics").json()["accuracy"]

    assert 0.8 < accuracy < 0.9
    assert f'softmax_model_test_accuracy{{model="fashion-mnist"}} {accuracy}' in metrics(stack)


def test_the_engine_finds_it_healthy(stack: Stack) -> None:
    deadline = time.monotonic() + 30
    while (health := stack.inspect()["State"]["Health"]["Status"]) == "starting" and time.monotonic() < deadline:
        time.sleep(0.5)

    assert health == "healthy"


def test_it_runs_without_rights_and_can_write_nowhere_but_in_tmp_and_its_records(stack: Stack) -> None:
    rights = stack.inside(RIGHTS)

    assert rights["uid"] == 10001
    assert rights["gid"] != 0
    assert set(rights["capabilities"]) == {"0000000000000000"}
    assert rights["no_new_privileges"] == "1"
    assert set(rights["writable"]) <= {"/tmp", "/srv/var", "/dev/shm", "/dev/mqueue"}  # noqa: S108 - the container's


def test_its_memory_processors_processes_and_log_are_bounded(stack: Stack) -> None:
    limits = stack.inspect()["HostConfig"]

    assert limits["Memory"] == 2**30
    assert limits["NanoCpus"] == 10**9
    assert limits["PidsLimit"] == 256
    assert limits["ReadonlyRootfs"]
    assert limits["RestartPolicy"]["Name"] == "unless-stopped"
    assert limits["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert [port["HostIp"] for [port] in limits["PortBindings"].values()] == ["127.0.0.1"]


def test_the_image_holds_app_models_and_a_place_for_records_and_no_compiler(stack: Stack) -> None:
    files = stack.inside("import json, os; print(json.dumps(sorted(os.listdir('/srv'))))")

    assert files == ["app", "models", "var"]
    assert stack.inside(PROGRAMS) == []


def test_the_image_is_labelled(stack: Stack) -> None:
    labels = stack.inspect()["Config"]["Labels"]

    named = {name.removeprefix("org.opencontainers.image.") for name in labels if "opencontainers" in name}
    assert named >= {"title", "description", "licenses", "version", "revision"}


def test_what_serving_does_not_import_is_a_fiftieth_of_what_is_installed(stack: Stack) -> None:
    sizes = stack.inside(DISTRIBUTIONS)

    assert sum(sizes["unused"].values()) < sum(sizes["used"].values()) / 50, sizes["unused"]


def test_a_model_trained_into_the_volume_is_served_without_a_restart(trainer: Stack, tmp_path: Path) -> None:
    stack = trainer
    started = stack.inspect()["State"]["StartedAt"]
    for label, image in (("boots", drawings.ankle_boot()), ("blanks", Image.new("L", (28, 28)))):
        folder = tmp_path / "images" / label
        folder.mkdir(parents=True)
        for number in range(12):
            image.save(folder / f"{number}.png")

    mount = f"{tmp_path / 'images'}:/images:ro"
    fit = ("fit", "--dataset", "folder:/images", "--out", "models/trained", "--epochs", "3", "--validation", "0")
    stack.compose("run", "--rm", "-v", mount, "train-cpu", *fit)
    served = wait_for(stack, "/models/trained", seconds=5)

    assert served.status_code == 200, served.text
    assert predict(stack, model="trained").json()["label"] == "boots"
    assert stack.inspect()["State"]["StartedAt"] == started


def test_a_crash_is_followed_by_a_restart(stack: Stack) -> None:
    before = stack.inspect()["RestartCount"]

    with suppress(AssertionError):  # the container may be gone before the answer
        stack.inside(KILL_THE_SERVICE)
    deadline = time.monotonic() + 30
    while stack.inspect()["RestartCount"] == before and time.monotonic() < deadline:
        time.sleep(0.2)
    stack.wait_until_ready()

    assert stack.inspect()["RestartCount"] == before + 1


def test_a_restart_under_load_loses_no_request(stack: Stack) -> None:
    stop = threading.Event()

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(keep_asking, stack.url, stop) for _ in range(4)]
        time.sleep(1)
        stack.compose("restart", "service")
        stack.wait_until_ready()
        time.sleep(1)
        stop.set()
        outcomes = [caller.result() for caller in callers]

    assert all(lost == 0 for _, lost in outcomes)
    assert all(answered > 10 for answered, _ in outcomes)


def keep_asking(url: str, stop: threading.Event) -> tuple[int, int]:
    """Ask as a client with retries does; how many requests were answered, and how many not within two minutes."""
    answered = lost = 0
    while not stop.is_set():
        deadline = time.monotonic() + 120
        while not (answer := ask(url)) and time.monotonic() < deadline:
            time.sleep(0.1)
        answered += answer
        lost += not answer
    return answered, lost


def ask(url: str) -> bool:
    """Whether one request is answered; refused connections and 503 are for trying again, anything else is a fault."""
    try:
        answer = httpx.post(f"{url}/predict", files={"file": drawings.png()}, timeout=10)
    except httpx.TransportError:
        return False
    assert answer.status_code in {200, 503}, answer.text
    return answer.status_code == 200


def test_sigterm_answers_what_is_in_work_and_ends_the_service_in_time(stack: Stack) -> None:
    content = drawings.png()
    host, port = stack.url.removeprefix("http://").split(":")
    lines = f"Host: {host}\r\nContent-Type: image/png\r\nContent-Length: {len(content)}\r\n\r\n"
    head = f"POST /predict HTTP/1.1\r\n{lines}"

    with socket.create_connection((host, int(port))) as client, ThreadPoolExecutor(1) as pool:
        client.sendall(head.encode() + content[:100])
        stopped = pool.submit(stack.compose, "stop", "service")
        wait_until_unready(stack)
        client.sendall(content[100:])
        answer = client.recv(65536)
        stopped.result()
    state = stack.inspect()["State"]
    stack.start()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert state["ExitCode"] in {0, 128 + signal.SIGTERM}  # 128 + SIGKILL: the engine's patience had ended
    assert not state["OOMKilled"]


def wait_until_unready(stack: Stack, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    with suppress(httpx.TransportError):
        while httpx.get(f"{stack.url}/readyz").status_code == 200:
            assert time.monotonic() < deadline, "SIGTERM did not make it unready."


def test_a_label_finds_the_answer_of_a_container_that_is_gone(stack: Stack) -> None:
    stack.start(SOFTMAX_RECORD="answers")
    try:
        answered_by, answer = stack.container(), predict(stack).json()
    finally:
        stack.start()

    told = httpx.post(f"{stack.url}/feedback", json={"id": answer["id"], "label": answer["label"]})

    assert stack.container() != answered_by
    assert told.json()["joined"] == 1


def test_keys_are_rotated_without_a_restart(stack: Stack) -> None:
    old, new = "the-old-key-of-the-test", "the-new-key-of-the-test"
    accepted = stack.keys / "accepted"
    accepted.write_text(f"{old}\n")
    stack.start(SOFTMAX_API_KEYS_FILE="/run/keys/accepted")
    try:
        before = [status(stack, key) for key in ("", old, new)]
        accepted.write_text(f"{new}\n")
        time.sleep(3)
        after = [status(stack, key) for key in ("", old, new)]
    finally:
        stack.start()

    assert before == [401, 200, 401]
    assert after == [401, 401, 200]


def status(stack: Stack, key: str) -> int:
    return httpx.get(f"{stack.url}/models", headers={"X-API-Key": key}).status_code


def test_several_workers_answer_as_one_service(stack: Stack) -> None:
    stack.start(SOFTMAX_WORKERS="2", CPUS=str(min(2, os.cpu_count() or 1)))
    try:
        for _ in range(10):
            assert predict(stack).status_code == 200
        deadline = time.monotonic() + 60
        while "softmax_workers 2.0" not in (text := metrics(stack)) and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        stack.start()

    assert "softmax_workers 2.0" in text


@pytest.mark.parametrize("profile", ["monitoring", "train", "train-cpu", "learn", "decide"])
def test_compose_accepts_every_profile(stack: Stack, profile: str) -> None:
    assert stack.compose("--profile", profile, "config", "--quiet") == ""
