"""What one attacker of each kind does to a good client on a connection of its own: `SECURITY.md`'s promises, measured.

    python -m benchmarks.reliability.attackers                       # some 10 minutes; one kind by --only pipelines
    python -m benchmarks.reliability.attackers --server ../base      # the service of another working tree
    python -m benchmarks.reliability.attackers --floor               # and the least that two busy cores leave

Server, attacker and good client share all cores. Each attack is made twice, on a service without keys and on one with
keys of which the attacker has none. It has quiet figures of its own, measured before it in the same run, and ends after
its seconds; then the memory has a minute to come back. The floor is the p99 of the same good client at another service,
which nobody attacks, while the attack goes on: what it waits for there is the machine. Prints the rows of a table, and
exits with 1 where a promise is broken.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.reliability.attacks import ATTACKS
from benchmarks.serving.machine import describe_machine
from benchmarks.serving.servers import free_ports
from benchmarks.serving.workloads import WORKLOADS, build_request

_KEY = "a-key-of-the-good-client"
_LIVEZ_SECONDS = 0.05  # between two probes, each on a new connection
_MAX_LIVEZ_MS = 250.0
_MAX_RATIO, _MAX_RATIO_WITHOUT_KEY = 10.0, 3.0  # of the p99 under attack to the quiet one
_MAX_MEMORY_RATIO = 1.5  # of that at rest, besides what may wait
_PENDING_MIB = 128.0  # SOFTMAX_MAX_PENDING_BYTES
_BACK_SECONDS = 60
_WITH_KEYS = {"both": (False, True), "no": (False,), "yes": (True,)}
_HEADER = (
    "| attack | keys | quiet p99, ms | p99 | ratio | floor | refused | quiet `/livez` | worst | MiB at rest | most "
    "| after | kept |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a good client and a probe, in milliseconds."""

    p99: float
    refused: int
    livez_worst: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(ATTACKS), action="append")
    parser.add_argument("--keys", choices=("both", "no", "yes"), default="both", help="whether a key is set")
    parser.add_argument("--seconds", type=float, default=4, help="of each attack, and of quiet before it")
    parser.add_argument("--server", type=Path, default=Path(), help="working tree whose service is attacked")
    parser.add_argument("--floor", action="store_true", help="also ask a service that nobody attacks")
    arguments = parser.parse_args()
    print(describe_machine(), _HEADER, sep="\n", flush=True)
    with _server(arguments.server, with_keys=False) if arguments.floor else nullcontext((None, None)) as (beside, _):
        kept = [
            _measure(name, arguments.server, arguments.seconds, beside, with_keys=with_keys)
            for with_keys in _WITH_KEYS[arguments.keys]
            for name in arguments.only or ATTACKS
        ]
    sys.exit(not all(kept))


def _measure(name: str, tree: Path, seconds: float, beside: int | None, *, with_keys: bool) -> bool:
    """Attack the service of a working tree; `beside` is the port of one that is left alone."""
    with _server(tree, with_keys=with_keys) as (port, process):
        key = _KEY if with_keys else None
        _good_client(port, 1, key)  # all that is loaded at the first request
        quiet = _good_client(port, seconds, key)
        at_rest = _mebibytes(process)
        with _attack(name, port):
            time.sleep(0.5)
            attacked, most = _good_client_and_memory(port, seconds, key, process)
            floor = f"{_good_client(beside, seconds, None).p99:.1f}" if beside is not None else "–"
        after = _memory_after(process, at_rest)
    ratio = attacked.p99 / quiet.p99
    kept = (
        ratio <= (_MAX_RATIO_WITHOUT_KEY if with_keys else _MAX_RATIO)
        and attacked.livez_worst <= _MAX_LIVEZ_MS
        and most <= _MAX_MEMORY_RATIO * at_rest + _PENDING_MIB
        and after <= _MAX_MEMORY_RATIO * at_rest
    )
    print(
        f"| {name} | {'yes' if with_keys else 'no'} | {quiet.p99:.1f} | {attacked.p99:.1f} | {ratio:.1f} | "
        f"{floor} | {attacked.refused:,} | {quiet.livez_worst:.0f} | {attacked.livez_worst:.0f} | "
        f"{at_rest:.0f} | {most:.0f} | {after:.0f} | {'yes' if kept else '**no**'} |",
        flush=True,
    )
    return kept


@contextmanager
def _server(tree: Path, *, with_keys: bool) -> Iterator[tuple[int, psutil.Process]]:
    """The service of a working tree, with the model that stands there."""
    [port] = free_ports(1)
    with TemporaryDirectory() as folder:
        settings = {
            "RECORDS": f"sqlite:///{folder}/records.sqlite",
            "PORT": str(port),
            "CORS_ORIGINS": "https://a.example",
        }
        if with_keys:
            settings["API_KEYS"] = _KEY
        environment = os.environ | {f"SOFTMAX_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "app"]
        with subprocess.Popen(command, cwd=tree, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            try:
                asyncio.run(_until_ready(port))
                yield port, psutil.Process(process.pid)
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()


@contextmanager
def _attack(name: str, port: int) -> Iterator[None]:
    process = multiprocessing.get_context("fork").Process(target=_run_attack, args=(name, port), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _run_attack(name: str, port: int) -> None:
    asyncio.run(_again_and_again(ATTACKS[name], port))


async def _again_and_again(attack: Callable[[int], Awaitable[None]], port: int) -> None:
    while True:
        with suppress(OSError, EOFError):
            await attack(port)
        await asyncio.sleep(0.01)  # where it is refused at once


def _good_client(port: int, seconds: float, key: str | None) -> Figures:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = _start_good_client(port, seconds, key, sender)
    figures: Figures = receiver.recv()
    process.join()
    return figures


def _good_client_and_memory(
    port: int, seconds: float, key: str | None, server: psutil.Process
) -> tuple[Figures, float]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = _start_good_client(port, seconds, key, sender)
    most = 0.0
    while not receiver.poll(0.1):
        most = max(most, _mebibytes(server))
    figures: Figures = receiver.recv()
    process.join()
    return figures, most


def _start_good_client(
    port: int, seconds: float, key: str | None, sender: Connection
) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_run_good_client, args=(port, seconds, key, sender), daemon=True)
    process.start()
    return process


def _run_good_client(port: int, seconds: float, key: str | None, sender: Connection) -> None:
    sender.send(asyncio.run(_ask_and_probe(port, seconds, key)))


async def _ask_and_probe(port: int, seconds: float, key: str | None) -> Figures:
    until = time.perf_counter() + seconds
    (latencies, refused), livez = await asyncio.gather(_predict(port, until, key), _probe(port, until))
    p99 = statistics.quantiles(latencies, n=100)[98] if len(latencies) > 1 else float("inf")
    return Figures(p99, refused, max(livez, default=float("inf")))


async def _predict(port: int, until: float, key: str | None) -> tuple[list[float], int]:
    """Milliseconds of each answer, one after the other on one connection, and how many were none or refused."""
    request = build_request({"path": "/predict", "body": "form", "field": "file"}, WORKLOADS["single"])
    fields = {**request.headers, "Host": "localhost", "Content-Length": str(len(request.body))}
    if key is not None:
        fields["X-API-Key"] = key
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    wire = f"POST {request.path} HTTP/1.1\r\n{head}\r\n".encode() + request.body
    latencies: list[float] = []
    refused = 0
    while time.perf_counter() < until:
        with suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while time.perf_counter() < until:
                    began = time.perf_counter()
                    writer.write(wire)
                    status = await _status_of_answer(reader)
                    if status == 200:
                        latencies.append(1000 * (time.perf_counter() - began))
                    else:
                        refused += 1
            finally:
                writer.close()
    return latencies, refused


async def _probe(port: int, until: float) -> list[float]:
    """Milliseconds of each answer of /livez, on a connection of its own; a second and more for one that fails."""
    taken = []
    while time.perf_counter() < until:
        began = time.perf_counter()
        failed = 0.0
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            failed = 1000.0 * (await _status_of_answer(reader) != 200)
            writer.close()
        except (OSError, EOFError):
            failed = 1000.0
        taken.append(1000 * (time.perf_counter() - began) + failed)
        await asyncio.sleep(_LIVEZ_SECONDS)
    return taken


async def _status_of_answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return int(head[9:12])


async def _until_ready(port: int) -> None:
    for _ in range(600):
        with suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            ready = await _status_of_answer(reader) == 200
            writer.close()
            if ready:
                return
        await asyncio.sleep(0.1)
    raise TimeoutError("The server did not get ready within a minute.")


def _mebibytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)


def _memory_after(process: psutil.Process, at_rest: float) -> float:
    """In MiB, once it is back, or a minute later."""
    until = time.monotonic() + _BACK_SECONDS
    while (now := _mebibytes(process)) > 1.1 * at_rest and time.monotonic() < until:
        time.sleep(0.5)
    return now


if __name__ == "__main__":
    main()
