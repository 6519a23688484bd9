"""`python -m tests.reliability.fuzz --minutes 3`: a server of two workers, and damaged requests for as long as told.

Mutated images, forms and tensors over 16 connections, and then schemathesis over /openapi.json. Fails, with
exit code 1, where anything is answered with a 5xx other than 503, a worker died, or the memory grew by more than 5 %
after warm-up; the requests that did it are kept in `fuzz-failures/`, and `--replay FILE` sends one again.
Prints a section for benchmarks/reliability.md.
"""

import argparse
import asyncio
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import uvloop

from app.classifier import artifact
from tests.app.process.test_workers import gauge, wait_for
from tests.conftest import launcher_at, make_metadata, make_model, running_server, workers_of
from tests.reliability.mutations import random_request

_FAILURES = Path("fuzz-failures")
_CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
_CONNECTIONS = 16
_WARM_UP_SHARE = 0.1  # of the time
_MAX_GROWTH = 0.05
_ANSWER_SECONDS = 30
_SCHEMATHESIS_SHARE = 0.1  # of the time


class Fuzzer:
    """Sends requests over several connections until the time is up, and counts the answers."""

    def __init__(self, url: str, seed: int) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._address = host, int(port)
        self._generator = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.statuses: Counter[str] = Counter()
        self.failures: list[Path] = []

    async def run(self, seconds: float) -> None:
        """Keep all connections busy for so long."""
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._connection(end) for _ in range(_CONNECTIONS)))

    async def _connection(self, end: float) -> None:
        reader = writer = None
        while time.monotonic() < end:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(*self._address)
            wire = random_request(self._generator).wire()
            try:
                writer.write(wire)
                status, keeps = await asyncio.wait_for(_read_answer(reader), _ANSWER_SECONDS)
            except (OSError, EOFError, ValueError) as error:  # OSError: also TimeoutError
                status, keeps = type(error).__name__, False
            self._count(status, wire)
            if not keeps:
                writer.close()
                reader = writer = None
        if writer is not None:
            writer.close()

    def _count(self, status: str, wire: bytes) -> None:
        self.statuses[status] += 1
        if status == "503" or status[:1] in "1234":
            return
        _FAILURES.mkdir(exist_ok=True)
        path = _FAILURES / f"{status}-{len(self.failures)}.http"
        path.write_bytes(wire)
        self.failures.append(path)


async def _read_answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """The next answer's status, and whether the connection stays open."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(line for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return lines[0].split()[1].decode(), b"connection: close" not in lines


@contextmanager
def _serving() -> Iterator[str]:
    """The base URL of a server with two workers, both up."""
    with TemporaryDirectory() as folder:
        models = Path(folder)
        artifact.save(models / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
        with running_server(models, SOFTMAX_WORKERS="2") as url:
            wait_for(lambda: gauge(url, "softmax_workers"), 2)
            yield url


def _replay(file: Path) -> None:
    """Send one kept request to a new server and print the answer."""
    request = file.read_bytes().replace(b"\r\n", b"\r\nConnection: close\r\n", 1)

    async def send(url: str) -> str:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        return (await reader.read()).decode("utf-8", "replace")

    with _serving() as url:
        print(asyncio.run(send(url)))


def _schemathesis(url: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIGURATION), "run"]
    options = ["--checks", "all", "--max-time", str(max(10, round(seconds))), "--no-color"]
    return subprocess.run(
        [*command, f"{url}/openapi.json", *options],
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 300,
        check=False,
    )


def _memory(workers: list[psutil.Process]) -> int:
    """Bytes of all these processes."""
    return sum(worker.memory_info().rss for worker in workers if worker.is_running())


def _fuzz(minutes: float, seed: int) -> bool:
    """Whether all went well."""
    seconds = 60 * minutes
    with _serving() as url:
        fuzzer, workers = Fuzzer(url, seed), workers_of(launcher_at(url))
        started = time.monotonic()
        uvloop.run(fuzzer.run(seconds * _WARM_UP_SHARE))
        before = _memory(workers)
        uvloop.run(fuzzer.run(seconds * (1 - _WARM_UP_SHARE - _SCHEMATHESIS_SHARE)))
        took = time.monotonic() - started
        checked = _schemathesis(url, seconds * _SCHEMATHESIS_SHARE)
        after, alive = _memory(workers), set(workers_of(launcher_at(url))) == set(workers)
    growth = after / before - 1
    cases = next((line.strip() for line in checked.stdout.splitlines() if " generated, " in line), "no report")
    total = fuzzer.statuses.total()
    rows = "".join(f"| {status} | {count:,} |\n" for status, count in sorted(fuzzer.statuses.items()))
    print(
        f"## Damaged requests\n\n`make fuzz MINUTES={minutes:g} SEED={seed}` on {os.cpu_count()} cores "
        f"({platform.machine()}), shared by the two workers and the program that sends: {total:,} requests in "
        f"{took:,.0f} s, {total / took:,.0f} a second.\n\n| status | answers |\n| --- | ---: |\n{rows}\n"
        f"Failures: {len(fuzzer.failures)}. Workers that died: {0 if alive else 'some'}. Memory of the workers after "
        f"warm-up {before / 2**20:,.0f} MiB, at the end {after / 2**20:,.0f} MiB: {growth:+.1%}. "
        f"Schemathesis afterwards: {cases}."
    )
    if checked.returncode:
        print(checked.stdout, file=sys.stderr)
    return not fuzzer.failures and alive and growth <= _MAX_GROWTH and checked.returncode == 0


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the requests; another one sends others")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="send one kept request again, to a new server")
    arguments = parser.parse_args()
    if arguments.replay:
        _replay(arguments.replay)
    elif not _fuzz(arguments.minutes, arguments.seed):
        sys.exit(1)


if __name__ == "__main__":
    main()
