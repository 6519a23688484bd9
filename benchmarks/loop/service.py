"""The real service on loopback, and what its clients do: ask, and tell the truth by id."""

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
from PIL import Image

from training.data.splits import Split

__all__ = ["Client", "Told", "running"]

_AT_ONCE = 50  # images in a request
_PATIENCE = 60.0  # seconds


class Told(NamedTuple):
    """One label, as it is told by id."""

    id: str
    label: str
    source: str


class Client:
    """Everybody who asks the service, and who tells it."""

    def __init__(self, http: httpx.Client, model: str) -> None:
        self._http = http
        self._model = model

    def ask(self, images: Split) -> list[tuple[str, int]]:
        """The id and the class of the answer to each image, which is sent as a PNG file."""
        files = [("files", (f"{number}.png", _png(row.numpy().tobytes()))) for number, row in enumerate(images.pixels)]
        answers = []
        for start in range(0, len(files), _AT_ONCE):
            answer = self._http.post("/predict/batch", files=files[start : start + _AT_ONCE]).raise_for_status()
            answers += [(one["id"], one["class_id"]) for one in answer.json()["predictions"]]
        return answers

    def tell(self, told: Sequence[Told]) -> None:
        """Labels of yesterday, in one request."""
        if told:
            lines = b"\n".join(orjson.dumps(one._asdict()) for one in told)
            headers = {"Content-Type": "application/x-ndjson"}
            self._http.post("/feedback", content=lines, headers=headers).raise_for_status()

    def wait_for(self, role: str, version: str) -> None:
        """Return once the service holds this version as `champion` or `challenger`."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            card = self._http.get(f"/models/{self._model}").json()
            found = card if role == "champion" else card.get(role, {})
            if found.get("version") == version:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"The service did not take version {version} as {role} within {_PATIENCE:g} s.")
            time.sleep(0.05)


@contextmanager
def running(models: Path, model: str, records: str) -> Iterator[Client]:
    """`python -m app` in a process of its own, recording images; it is ended at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    settings = {
        "RECORD": "images",
        "RECORDS": records,
        "MODELS_DIR": str(models),
        "DRAIN_SECONDS": "0",
        "LOG_REQUESTS": "false",
        "MAX_DELAY_MS": "1000",  # nobody waits here: nothing is to be shed
    }
    environment = os.environ | {f"SOFTMAX_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "app", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE) as http:
                _wait_until_ready(http)
                yield Client(http, model)
        finally:
            process.terminate()


def _wait_until_ready(http: httpx.Client) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            if http.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"The service was not ready within {_PATIENCE:g} s.")
        time.sleep(0.1)


def _png(pixels: bytes) -> bytes:
    file = io.BytesIO()
    Image.frombytes("L", (28, 28), pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
