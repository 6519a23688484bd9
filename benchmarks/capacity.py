"""From the measured figures to a million images a second and to fifty million images: the tables of docs/scaling.md.

    python -m benchmarks.capacity    # after `make bench-serving`, or after a change of an assumption below

Serving's figures come from benchmarks/serving/results.json; those of training stand in benchmarks/README.md.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.serving.declarations import declared_peers
from benchmarks.serving.workloads import WORKLOADS, build_request

__all__ = ["RAY_PEERS", "TRAINING", "scaling_page"]

_REPOSITORY = Path(__file__).parent.parent
_PAGE = _REPOSITORY / "docs" / "scaling.md"
_RESULTS = _REPOSITORY / "benchmarks" / "serving" / "results.json"
_MARKS = {
    name: (f"<!-- {name}: written by python -m benchmarks.capacity -->", f"<!-- end of {name} -->")
    for name in ("serving", "training")
}

IMAGES_PER_SECOND = 1_000_000
UTILIZATION = 0.6  # of each worker's core, when one zone has failed; benchmarks/queueing shows what more costs
ZONES = 3  # of which one may fail: the others carry its load
CORES_PER_NODE = 16
CORE_PRICE = 0.04  # dollars an hour, assumed; traffic within a region free
HOURS_PER_MONTH = 730
ANSWER_BYTES = {"single": 579, "batch": 28_778, "tensor": 13_172}  # headers included, as the service sent them
PACKET_BYTES = 66  # of Ethernet, IP and TCP headers
SEGMENT_BYTES = 1448  # of a TCP segment's payload

RAY_PEERS = {"ours_on_ray": "on Ray Serve", "ours_on_ray_haproxy": "on Ray Serve with HAProxy"}


@dataclass(frozen=True, slots=True)
class Training:
    """Figures of benchmarks/README.md: two cores, batch 256, ten classes."""

    streamed_rate: int = 171_907  # images a second, from the disk
    epoch_seconds: float = 0.124  # 60,000 images in memory, ten columns of weights
    sweep_epoch_seconds: float = 0.488  # the same with 160 columns
    images: int = 60_000
    columns: int = 10
    sweep_columns: int = 160


TRAINING = Training()
QUICKDRAW_IMAGES = 50_000_000
QUICKDRAW_CLASSES = 345
IMAGE_BYTES = 784


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of asking, as it was measured on one core."""

    title: str
    images: int  # in a request
    images_per_second: float
    request_bytes: int  # headers included
    answer_bytes: int

    @property
    def cores(self) -> int:
        return math.ceil(IMAGES_PER_SECOND / self.images_per_second / UTILIZATION * ZONES / (ZONES - 1))


def scaling_page(page: str, results: dict[str, Any]) -> str:
    """docs/scaling.md with its tables written anew."""
    for name, table in (("serving", _serving_table(results)), ("training", _training_table())):
        begin, end = _MARKS[name]
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}"
    return page


def _serving_table(results: dict[str, Any]) -> str:
    memory = results["peers"]["ours"]["memory"]["peer"]["pss"]
    rows = []
    for way in _ways(results):
        wire = [_on_the_wire(way.request_bytes), _on_the_wire(way.answer_bytes)]
        gigabits = [8e-9 * IMAGES_PER_SECOND / way.images * size for size in wire]
        rows.append(
            [
                way.title,
                f"{way.images_per_second:,.0f}",
                f"{way.cores:,}",
                f"{math.ceil(way.cores / CORES_PER_NODE):,}",
                f"{way.cores * memory / 1e9:,.1f}",
                f"{gigabits[0]:.1f} / {gigabits[1]:.1f}",
                f"{way.cores * CORE_PRICE * HOURS_PER_MONTH:,.0f}",
            ]
        )
    header = ["a million images a second", "images/s and core, measured", "workers, a core each"]
    header += [f"nodes of {CORES_PER_NODE} cores", "memory, GB", "Gbit/s in / out", "$ a month"]
    return _markdown(header, rows)


def _ways(results: dict[str, Any]) -> list[_Way]:
    titles = {"single": "one PNG in a request", "batch": "64 PNG files in a request"}
    titles["tensor"] = "256 uint8 images in a binary request (v2)"
    requests = declared_peers()["ours"].requests
    ways = []
    for workload, title in titles.items():
        images = WORKLOADS[workload].images
        request = build_request(requests[workload], WORKLOADS[workload])
        head = len(f"POST {request.path} HTTP/1.1\r\nHost: service\r\nContent-Length: 100000\r\n\r\n")
        head += sum(len(f"{name}: {value}\r\n") for name, value in request.headers.items())
        rate = images * _rate(results, "ours", workload)
        ways.append(_Way(title, images, rate, len(request.body) + head, ANSWER_BYTES[workload]))
    single = ways[0]
    for peer, title in RAY_PEERS.items():
        if "loads" in results["peers"].get(peer, {}):
            rate = single.images_per_second / _extra_work(results, peer)
            ways.insert(1, replace(single, title=f"{single.title}, {title}", images_per_second=rate))
    return ways


def _rate(results: dict[str, Any], peer: str, workload: str) -> float:
    """Requests a second."""
    return mean(float(run["rate"]) for run in _load(results, peer, workload)["peer"])


def _extra_work(results: dict[str, Any], peer: str) -> float:
    """CPU time of a request as a multiple of plain uvicorn's: on a busy machine more exact than a ratio of rates."""
    load = _load(results, peer, "single")
    ray, plain = (mean(float(run["cpu_microseconds"]) for run in load[side]) for side in ("peer", "baseline"))
    return ray / plain


def _load(results: dict[str, Any], peer: str, workload: str) -> dict[str, Any]:
    """The load of 16 connections: enough to keep a worker busy, and no more."""
    loads: list[dict[str, Any]] = results["peers"][peer]["loads"]
    return next(load for load in loads if load["workload"] == workload and load["connections"] == 16)


def _on_the_wire(size: int) -> int:
    """Bytes with the headers of the packets that carry them."""
    return size + PACKET_BYTES * math.ceil(size / SEGMENT_BYTES)


def _training_table() -> str:
    measured = TRAINING
    wide = measured.images / measured.sweep_epoch_seconds * measured.sweep_columns / QUICKDRAW_CLASSES
    rows = []
    for classes, rate in ((measured.columns, measured.streamed_rate), (QUICKDRAW_CLASSES, wide)):
        seconds = QUICKDRAW_IMAGES / rate
        rows.append([f"{classes}", f"{rate:,.0f}", f"{seconds / 60:.1f}", f"{rate * IMAGE_BYTES / 1e6:.0f}"])
    header = ["classes", "images/s on two cores", "minutes an epoch of fifty million images", "MB/s from the disk"]
    return _markdown(header, rows)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Write the tables anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, default=_PAGE, help="the file that has the tables (docs/scaling.md)")
    page: Path = parser.parse_args().page
    page.write_text(scaling_page(page.read_text(), json.loads(_RESULTS.read_text())))


if __name__ == "__main__":
    main()
