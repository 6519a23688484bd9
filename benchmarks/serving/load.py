"""Load on a server, by wrk: closed loop, keep-alive, one thread, bounded in time."""

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.servers import Server
from benchmarks.serving.workloads import Request

__all__ = ["Load", "post_repeatedly"]

_SCRIPT = Path(__file__).parent / "post.lua"
_TIMEOUT = 20  # seconds until wrk counts a request as lost


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw in one run.

    Attributes:
        rate: right answers a second.
        p50: median latency in milliseconds.
        p99: 99th percentile of the latency in milliseconds.
        errors: answers of status 400 and above, and requests that got none.
        cpu_microseconds: CPU time of the server's processes for one request.
        load_generator_share: CPU time of wrk, in cores.
        foreign_share: CPU time of everything else on the machine, in cores; a quiet run has next to none.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    cpu_microseconds: float
    load_generator_share: float
    foreign_share: float


def post_repeatedly(server: Server, request: Request, body: Path, *, connections: int, seconds: int) -> Load:
    """Send the same request over `connections` connections for `seconds` seconds; `body` is the file of its body.

    Raises:
        BenchmarkError: wrk failed or did not end.
    """
    url = f"http://127.0.0.1:{server.port}{request.path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT}s"]
    command += ["-s", str(_SCRIPT), url, "--", str(body), *(text for pair in request.headers.items() for text in pair)]
    before = _cpu_seconds(server)
    try:
        run = subprocess.run(  # noqa: S603  our own command, no shell
            command, capture_output=True, text=True, check=True, timeout=seconds + 2 * _TIMEOUT
        )
        [line] = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise BenchmarkError(f"wrk failed on {url}: {error}.") from error
    of_server, of_wrk, of_all = (after - earlier for after, earlier in zip(_cpu_seconds(server), before, strict=True))
    result = json.loads(line.removeprefix("RESULT "))
    duration = result["microseconds"] / 1e6
    return Load(
        rate=max(0, result["requests"] - result["errors"]["status"]) / duration,
        p50=result["p50"] / 1000,
        p99=result["p99"] / 1000,
        errors=sum(result["errors"].values()),
        cpu_microseconds=of_server * 1e6 / max(result["requests"], 1),
        load_generator_share=of_wrk / duration,
        foreign_share=max(0, of_all - of_server - of_wrk) / duration,
    )


def _cpu_seconds(server: Server) -> tuple[float, float, float]:
    """CPU time so far of the server, of this program's ended children (wrk), and of all there is."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    machine = psutil.cpu_times()
    return server.cpu_seconds(), children.ru_utime + children.ru_stime, machine.user + machine.nice + machine.system
