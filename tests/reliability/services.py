"""A service as a process that is stopped or killed, and a load on it that tells what became of each request."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests import drawings
from tests.conftest import free_port, wait_until_it_answers
from tests.preloaded import Started, start

__all__ = ["Service", "load", "running"]

Fates = Counter[str]


class Service(NamedTuple):
    process: Started
    url: str

    def readiness(self) -> int:
        return httpx.get(f"{self.url}/readyz").status_code

    def predict(self) -> int:
        return httpx.post(f"{self.url}/predict", files={"file": drawings.png()}).status_code


@contextmanager
def running(models_dir: Path, log: str = os.devnull, **settings: str) -> Iterator[Service]:
    port = free_port()
    settings = {"allowed_hosts": "s", **settings}  # under which tests ask
    environment = os.environ | {f"SOFTMAX_{name.upper()}": value for name, value in settings.items()}
    arguments = ["--port", str(port), "--models-dir", str(models_dir)]
    with Path(log).open("wb") as stderr:
        process = start("app", *arguments, environment=environment, stderr=stderr.fileno())
    service = Service(process, f"http://127.0.0.1:{port}")
    try:
        wait_until_it_answers(service.url, process)
        yield service
    finally:
        process.kill()
        process.wait()


@contextmanager
def load(url: str, connections: int = 16) -> Iterator[Callable[[], Fates]]:
    """Predictions over keep-alive connections until the server is gone or the context ends.

    Yields:
        A function that waits for the end and tells how often each status was answered, how often a request that had
        been sent was "lost", and how many connections were "refused".
    """
    stop = [False]
    with ThreadPoolExecutor(1) as thread:
        fates = thread.submit(lambda: asyncio.run(_ask_all(url, connections, stop)))
        try:
            yield lambda: fates.result(timeout=60)
        finally:
            stop[0] = True


async def _ask_all(url: str, connections: int, stop: list[bool]) -> Fates:
    fates: Fates = Counter()
    await asyncio.gather(*(_ask(url, fates, stop) for _ in range(connections)))
    return fates


async def _ask(url: str, fates: Fates, stop: list[bool]) -> None:
    host, port = url.removeprefix("http://").split(":")
    content = drawings.png()
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(content)
    while not stop[0]:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            fates["refused"] += 1
            return
        keep_alive = True
        while keep_alive and not stop[0]:
            try:
                writer.write(head + content)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
            except (OSError, EOFError):
                fates["lost"] += 1
                break
            fates[answer[9:12].decode()] += 1
            keep_alive = b"connection: close" not in answer
        writer.close()
