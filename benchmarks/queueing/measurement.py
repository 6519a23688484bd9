"""The real server at a stated utilization, and what the simulation needs to know of it."""

import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.queueing.load import post_at
from benchmarks.queueing.simulation import Farm, poisson, simulate
from benchmarks.serving.answers import Expected
from benchmarks.serving.declarations import declared_peers
from benchmarks.serving.load import post_repeatedly
from benchmarks.serving.machine import describe_machine
from benchmarks.serving.servers import started
from benchmarks.serving.workloads import WORKLOADS, build_request

__all__ = ["Point", "Server", "measure", "predict"]

Floats = NDArray[np.float64]

_QUANTILES = np.linspace(0, 1, 1001)
_SPARSE = 0.2  # utilization at which few requests meet, and none comes long after the last
_SIMULATED = 100_000  # requests of one point


@dataclass(frozen=True, slots=True)
class Point:
    """Latencies in seconds under Poisson load; utilization is the rate over the capacity."""

    utilization: float
    rate: float
    count: int
    p50: float
    p99: float
    refused: float  # as a share


@dataclass(frozen=True, slots=True)
class Server:
    """What one worker is to the simulation.

    Attributes:
        capacity: most requests a second, by 16 connections in a closed loop.
        round_trips: quantiles, in seconds, of requests that seldom met another: 0, 0.001 … 1.
    """

    capacity: float
    round_trips: list[float]

    @property
    def overhead(self) -> float:
        """Seconds of a round trip that do not keep the worker busy: the client, the kernel, waking up."""
        return max(0.0, mean(self.round_trips) - 1 / self.capacity)

    def services(self, count: int, generator: np.random.Generator) -> Floats:
        """float64 [count]: seconds of work, spread as the round trips are, 1 / capacity on average."""
        spread = np.interp(generator.random(count), _QUANTILES, self.round_trips)
        services = np.maximum(spread - self.overhead, 0.25 / self.capacity)
        scaled: Floats = services / (services.mean() * self.capacity)
        return scaled


def measure(model_file: Path, utilizations: list[float], seconds: int) -> dict[str, Any]:
    """Start `python -m app` on core 0 and load it from this core; returns an entry of results.json."""
    peer = declared_peers()["ours"]
    workload = WORKLOADS["single"]
    request = build_request(peer.requests["single"], workload)
    expected = Expected.of(model_file, workload)
    generator = np.random.default_rng(0)
    points = []
    with (
        tempfile.NamedTemporaryFile() as body,
        started(peer, Path(sys.prefix), model_file, request, expected) as server,
    ):
        Path(body.name).write_bytes(request.body)
        load = post_repeatedly(server, request, Path(body.name), connections=16, seconds=seconds)
        sparse = poisson(_SPARSE * load.rate, int(_SPARSE * load.rate * 2 * seconds), generator)
        round_trips = post_at(server.port, request, sparse)
        for utilization in utilizations:
            rate = utilization * load.rate
            found = post_at(server.port, request, poisson(rate, int(rate * seconds), generator))
            points.append(_point(utilization, rate, found))
            print(
                f"{utilization:.0%}: p50 {points[-1].p50 * 1000:.2f} ms, p99 {points[-1].p99 * 1000:.2f} ms", flush=True
            )
    return {
        "machine": describe_machine(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "foreign_share": load.foreign_share,
        "server": asdict(Server(load.rate, np.nanquantile(round_trips, _QUANTILES).tolist())),
        "points": [asdict(point) for point in points],
    }


def predict(server: Server, utilization: float, farm: Farm | None = None) -> Point:
    """What the simulation says of the same load on one worker, or of that share of each worker of a farm."""
    farm = farm or Farm(1)
    generator = np.random.default_rng(1)
    rate = utilization * server.capacity * len(farm)
    found = simulate(poisson(rate, _SIMULATED, generator), server.services(_SIMULATED, generator), farm)
    return _point(utilization, rate, found + server.overhead)


def _point(utilization: float, rate: float, latencies: Floats) -> Point:
    p50, p99 = np.nanpercentile(latencies, (50, 99))
    return Point(utilization, rate, len(latencies), float(p50), float(p99), float(np.isnan(latencies).mean()))
