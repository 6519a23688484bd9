"""Load that does not wait for its answers: requests are due at random times, whether or not earlier ones are answered.

A closed loop (wrk) slows down with its server and so hides what users would see. Here a request that finds no free
connection waits for one, and its latency counts from when it was due.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count
from math import inf
from time import perf_counter

import uvloop

__all__ = ["Outcome", "offer", "saturate"]

_TICK_SECONDS = 0.001
_LAST_ANSWERS_SECONDS = 3.0


@dataclass(slots=True)
class Outcome:
    """What became of the requests of one run.

    Attributes:
        seconds: length of the run, up to the last answer.
        latencies: seconds from when a request was due to its answer, of those that were accepted (200).
        refused: requests that were answered with 503.
        failed: with another status, or with none.
    """

    seconds: float
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0


class _Client(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._due: float | None = None
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP transports can write
        self._load.free(self)

    def send(self, due: float) -> None:
        if self._transport is None:
            self._load.outcome.failed += 1
            return
        self._due = due
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.index(b"content-length: ") + 16
        if len(body) < int(head[start:].partition(b"\r\n")[0]):
            return
        self._received = b""
        due, self._due = self._due, None
        if due is not None:
            self._load.answered(head[9:12], due)
        self._load.free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface of asyncio
        self._transport = None
        if self._due is not None:
            self._load.outcome.failed += 1


class _Load:
    """Gives requests that are due to connections that are free; in a closed loop, one is due whenever one is free."""

    def __init__(self, request: bytes, due: Iterator[float] | None, seconds: float) -> None:
        self.request = request
        self.outcome = Outcome(seconds)
        self._due = due
        self._next = next(due) if due else inf
        self._began = 0.0
        self._ended = False
        self._waiting: deque[float] = deque()
        self._free: deque[_Client] = deque()

    async def run(self, port: int, connections: int) -> Outcome:
        loop = asyncio.get_running_loop()
        self._began = perf_counter()
        for _ in range(connections):
            await loop.create_connection(lambda: _Client(self), "127.0.0.1", port)
        self._began = perf_counter()
        while perf_counter() - self._began < self.outcome.seconds:
            self._issue()
            await asyncio.sleep(_TICK_SECONDS)
        self._ended = True
        deadline = perf_counter() + _LAST_ANSWERS_SECONDS
        while perf_counter() < deadline and len(self._free) < connections:  # noqa: ASYNC110 - bounded, and rare
            await asyncio.sleep(0.01)
        self.outcome.seconds = perf_counter() - self._began
        self.outcome.failed += len(self._waiting) + connections - len(self._free)
        return self.outcome

    def _issue(self) -> None:
        now = perf_counter() - self._began
        while self._due and self._next <= now:
            self._waiting.append(self._began + self._next)
            self._next = next(self._due)
        while self._waiting and self._free:
            self._free.popleft().send(self._waiting.popleft())

    def answered(self, status: bytes, due: float) -> None:
        if status == b"200":
            self.outcome.latencies.append(perf_counter() - due)
        elif status == b"503":
            self.outcome.refused += 1
        else:
            self.outcome.failed += 1

    def free(self, client: _Client) -> None:
        if self._waiting:
            client.send(self._waiting.popleft())
        elif self._due is None and not self._ended:
            client.send(perf_counter())
        else:
            self._free.append(client)


def offer(port: int, request: bytes, *, rate: float, seconds: float, connections: int, seed: int = 0) -> Outcome:
    """Send `rate` requests a second for a while, at the times of a Poisson process."""
    generator = random.Random(seed)  # noqa: S311 - a load, not a secret
    due = accumulate(generator.expovariate(rate) for _ in count())
    return uvloop.run(_Load(request, due, seconds).run(port, connections))


def saturate(port: int, request: bytes, *, seconds: float, connections: int) -> Outcome:
    """Send on each connection again as soon as it is answered: a closed loop, which finds the capacity."""
    return uvloop.run(_Load(request, None, seconds).run(port, connections))
