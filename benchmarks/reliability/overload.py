"""How the service does when more is asked of it than it can do: the same loads with and without its protection.

    python -m benchmarks.reliability.overload --out benchmarks/reliability

The server runs on one core, the load on another; the load is open-loop (`open_loop`), the image a 28×28 PNG in a form.
The capacity is measured anew before each load, in a closed loop: a virtual machine's speed changes within minutes.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reliability.chart import draw
from benchmarks.reliability.open_loop import Outcome, offer, saturate
from benchmarks.reliability.points import Point
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.machine import describe_machine
from benchmarks.serving.sample_model import save_sample_model
from benchmarks.serving.servers import LOAD_GENERATOR_CORE
from benchmarks.serving.workloads import WORKLOADS, build_request

__all__: list[str] = []

_SERVER_CORE = 0
_SHARES = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0)  # of the capacity
_CONNECTIONS = 2048  # with fewer, what is offered would wait in the load generator for a free one
_PEAK_CONNECTIONS = (64, 512)
_NEVER_MS = "1000000"
_PROBE_INTERVAL_SECONDS = 0.05
_HEADER = "admission   capacity offered  accepted  refused failed  p50 ms  p99 ms  probe p50  worst  failed probes"


class _Probes(threading.Thread):
    """Asks /readyz over a new connection again and again, as an orchestrator would."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._stop_asking = threading.Event()
        self.milliseconds: list[float] = []
        self.failed = 0

    def run(self) -> None:
        with suppress(PermissionError):  # only root may
            # This thread goes before the load generator, with which it shares a core: its own waiting is not a probe's.
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        while not self._stop_asking.wait(_PROBE_INTERVAL_SECONDS):
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            try:
                connection.request("GET", "/readyz")
                self.failed += connection.getresponse().status != 200
            except OSError:
                self.failed += 1
            finally:
                connection.close()
            self.milliseconds.append((time.perf_counter() - began) * 1000)

    def stop(self) -> None:
        self._stop_asking.set()
        self.join()


def main() -> None:
    """Offer shares of the capacity to the protected and to the unprotected service in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--out", type=Path, help="write overload.json and overload.png into this folder")
    options = parser.parse_args()
    points: list[Point] = []
    with TemporaryDirectory() as folder, ProcessPoolExecutor(1) as load_generator:
        models_dir = save_sample_model(Path(folder)).parent.parent
        request = _request()
        with _server(models_dir) as port, _server(models_dir, _NEVER_MS) as unprotected_port:
            call = load_generator.submit
            call(saturate, port, request, seconds=2, connections=64).result()  # warm-up
            steady = call(saturate, port, request, seconds=options.seconds, connections=64).result()
            print(f"64 connections in a closed loop: {len(steady.latencies):,} answered, {steady.refused:,} refused.")
            print(_HEADER)
            for share in _SHARES:
                peaks = [
                    call(saturate, unprotected_port, request, seconds=1, connections=connections).result()
                    for connections in _PEAK_CONNECTIONS
                ]
                capacity = max(len(peak.latencies) / peak.seconds for peak in peaks)
                time.sleep(1)
                for protected, asked_port in ((True, port), (False, unprotected_port)):
                    probes = _Probes(asked_port)
                    probes.start()
                    outcome = call(
                        offer, asked_port, request,
                        rate=share * capacity, seconds=options.seconds, connections=_CONNECTIONS,
                    ).result()  # fmt: skip
                    probes.stop()
                    points.append(_point(share, capacity, protected, outcome, probes))
                    _print(points[-1])
                    time.sleep(1)
    if options.out:
        results = {"machine": describe_machine(), "points": [asdict(point) for point in points]}
        (options.out / "overload.json").write_text(json.dumps(results, indent=1) + "\n")
        draw(points, options.out / "overload.png")


def _request() -> bytes:
    request = build_request({"path": "/predict", "body": "form", "field": "file"}, WORKLOADS["single"])
    fields = {"Host": "127.0.0.1", **request.headers, "Content-Length": str(len(request.body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {request.path} HTTP/1.1\r\n{head}\r\n".encode() + request.body


@contextmanager
def _server(models_dir: Path, max_delay_ms: str | None = None) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    environment = os.environ | {"SOFTMAX_MODELS_DIR": str(models_dir), "SOFTMAX_DRAIN_SECONDS": "0"}
    if max_delay_ms is not None:
        environment["SOFTMAX_MAX_DELAY_MS"] = max_delay_ms
    command = ["taskset", "--cpu-list", str(_SERVER_CORE), sys.executable, "-m", "app", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _wait(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise BenchmarkError(f"Nothing answers on port {port}.")


def _point(share: float, capacity: float, protected: bool, outcome: Outcome, probes: _Probes) -> Point:  # noqa: FBT001 - one caller
    latencies = [latency * 1000 for latency in outcome.latencies]
    return Point(
        protected=protected,
        share=share,
        capacity=capacity,
        offered=share * capacity,
        accepted=len(latencies) / outcome.seconds,
        refused=outcome.refused / outcome.seconds,
        failed=outcome.failed / outcome.seconds,
        p50=statistics.median(latencies),
        p99=_percentile_99(latencies),
        probe_p50=statistics.median(probes.milliseconds),
        probe_worst=max(probes.milliseconds),
        probes_failed=probes.failed,
    )


def _percentile_99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _print(point: Point) -> None:
    load = f"{'yes' if point.protected else 'no':3} at {point.share:3.1f} {point.capacity:9,.0f} {point.offered:7,.0f}"
    rates = f"{point.accepted:9,.0f} {point.refused:8,.0f} {point.failed:6,.0f}"
    times = f"{point.p50:7.1f} {point.p99:7.1f} {point.probe_p50:10.1f} {point.probe_worst:6.1f}"
    print(load, rates, times, f"{point.probes_failed:14}", flush=True)


if __name__ == "__main__":
    os.sched_setaffinity(0, {LOAD_GENERATOR_CORE})
    main()
