"""Queues in front of workers, request by request: how long an answer takes, and who is turned away.

A worker answers one request after the other, in the order of their arrival, as the service's event loop does. A
balancer gives each request to a worker as it arrives; there it stays.
"""

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Autoscaler", "Balancer", "Farm", "Second", "poisson", "simulate", "simulate_autoscaling"]

Floats = NDArray[np.float64]
Balancer = Literal["random", "two choices", "least connections"]


class Farm:
    """Some workers behind a balancer.

    Attributes:
        assigned: seconds of work that was accepted so far.
    """

    def __init__(
        self, workers: int, balancer: Balancer = "random", *, max_delay: float = math.inf, seed: int = 0
    ) -> None:
        """All idle.

        Args:
            workers: how many there are.
            balancer: random; the one with fewer requests of two random ones; the one with the fewest of all.
            max_delay: a worker refuses what it could begin only after so many seconds.
            seed: of the balancer's chances.
        """
        self.assigned = 0.0
        self._balancer = balancer
        self._max_delay = max_delay
        self._random = random.Random(seed)  # noqa: S311  a simulation
        self._workers: list[deque[float]] = []  # of each: when the requests that are with it will be answered
        self.add(workers)

    def __len__(self) -> int:
        return len(self._workers)

    def add(self, workers: int) -> None:
        self._workers += [deque() for _ in range(workers)]

    def offer(self, now: float, service: float) -> float:
        """Send a request that takes `service` seconds of work; returns the seconds to its answer, nan if refused.

        `now` may not fall from one call to the next.
        """
        queue = self._choose(now)
        start = queue[-1] if queue else now
        if start - now > self._max_delay:
            return math.nan
        queue.append(start + service)
        self.assigned += service
        return start + service - now

    def backlog(self, now: float) -> float:
        """Seconds of work that is accepted and not done."""
        return sum(max(0.0, queue[-1] - now) for queue in self._workers if queue)

    def _choose(self, now: float) -> deque[float]:
        workers = self._workers
        if len(workers) == 1:
            candidates = workers
        elif self._balancer == "least connections":
            candidates = self._rotated()
        else:
            candidates = self._random.sample(workers, 2 if self._balancer == "two choices" else 1)
        for queue in candidates:
            while queue and queue[0] <= now:
                queue.popleft()
        return min(candidates, key=len)

    def _rotated(self) -> list[deque[float]]:
        """All workers from a random one on, so that ties are not always the first one's."""
        first = self._random.randrange(len(self._workers))
        return self._workers[first:] + self._workers[:first]


def poisson(rate: float, count: int, generator: np.random.Generator) -> Floats:
    """float64 [count]: the times of arrivals that know nothing of each other, `rate` a second on average."""
    return np.cumsum(generator.exponential(1 / rate, count))


def simulate(arrivals: Floats, services: Floats, farm: Farm) -> Floats:
    """float64 [N] times and [N] seconds of work -> float64 [N]: seconds from arrival to answer, nan where refused."""
    pairs = zip(arrivals.tolist(), services.tolist(), strict=True)
    return np.array([farm.offer(now, service) for now, service in pairs])


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Kubernetes' rule: workers × (use of their CPU / target), rounded up; no change within the tolerance."""

    target: float = 0.6  # use of a worker's core that it aims at
    interval: float = 15.0  # seconds between two looks, each at the use since the last one
    start: float = 10.0  # seconds from the decision to the first request that a new worker takes
    max_workers: int = 64
    tolerance: float = 0.1  # of the ratio of use and target

    def wanted(self, workers: int, use: float) -> int:
        ratio = use / self.target
        if abs(ratio - 1) <= self.tolerance:
            return workers
        return min(self.max_workers, max(1, math.ceil(workers * ratio)))


@dataclass(frozen=True, slots=True)
class Second:
    """What callers saw in one second of a simulation: p99 in seconds of what was answered, refused as a share."""

    time: int
    workers: int
    p99: float
    refused: float


def simulate_autoscaling(arrivals: Floats, services: Floats, farm: Farm, scaler: Autoscaler) -> list[Second]:
    """Let a farm grow as its load does. It never shrinks: removing workers is never urgent."""
    seconds: list[Second] = []
    latencies: list[float] = []
    joining: deque[tuple[float, int]] = deque()  # when, and how many workers
    next_look, done_before = scaler.interval, 0.0
    for now, service in zip(arrivals.tolist(), services.tolist(), strict=True):
        while joining and joining[0][0] <= now:
            farm.add(joining.popleft()[1])
        if now >= next_look:
            done = farm.assigned - farm.backlog(now)
            use = (done - done_before) / (scaler.interval * len(farm))
            next_look, done_before = next_look + scaler.interval, done
            coming = sum(count for _, count in joining)
            more = scaler.wanted(len(farm), use) - len(farm) - coming
            if more > 0:
                joining.append((now + scaler.start, more))
        if int(now) > len(seconds):
            seconds.append(_second(len(seconds), len(farm), latencies))
            latencies = []
        latencies.append(farm.offer(now, service))
    return seconds


def _second(time: int, workers: int, latencies: Sequence[float]) -> Second:
    answered = [latency for latency in latencies if not math.isnan(latency)]
    refused = 1 - len(answered) / max(1, len(latencies))
    return Second(time, workers, float(np.percentile(answered, 99)) if answered else math.nan, refused)
