"""Cost of keeping answers, next to the same service that keeps nothing: `python -m benchmarks.records`.

Both serve at once, and wrk asks them in turn, one PNG a request; the figures are the medians of the rounds' ratios. The
service listens on one core and wrk runs on the other. What keeps nothing is the service itself, told to forget.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
import psutil

REPOSITORY = Path(__file__).parent.parent
IMAGE = REPOSITORY / "docs/boot.png"
SCRIPT = REPOSITORY / "benchmarks/serving/post.lua"
# The same program; but its records are told nothing.
FORGETFUL = "from app.records.records import Records; Records.answered = lambda *_, **__: None"
VARIANTS = {
    "labels": {"SOFTMAX_RECORD": "labels"},
    "answers, a share of 0.01": {"SOFTMAX_RECORD": "answers", "SOFTMAX_RECORD_SHARE": "0.01"},
    "answers": {"SOFTMAX_RECORD": "answers"},
    "images": {"SOFTMAX_RECORD": "images"},
}


class Run(NamedTuple):
    """What wrk saw in a few seconds, and what the service took for it."""

    cpu_microseconds: float  # for a request
    p99_ms: float
    rate: float  # requests a second


@contextmanager
def serving(port: int, folder: Path, environment: dict[str, str], prelude: str = "pass") -> Iterator[psutil.Process]:
    """The service on core 0."""
    program = f"import sys; {prelude}; from app.command_line import cli; sys.argv = ['app', '--port', '{port}']; cli()"
    command = ["taskset", "--cpu-list", "0", sys.executable, "-c", program]
    records = {"SOFTMAX_RECORDS": f"sqlite:///{folder}/{port}.sqlite", "SOFTMAX_DRAIN_SECONDS": "0"}
    path = {"PATH": "/usr/bin:/bin", "SOFTMAX_LOG_REQUESTS": "false"}
    with subprocess.Popen(command, cwd=REPOSITORY, env=path | records | environment) as process:  # noqa: S603
        try:
            while not _is_alive(port):
                time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def _is_alive(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def ask(port: int, process: psutil.Process, connections: int, seconds: int) -> Run:
    """Keep the service busy."""
    url = f"http://127.0.0.1:{port}/predict"
    command = ["taskset", "--cpu-list", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    before = process.cpu_times()
    command += ["--", str(IMAGE), "Content-Type", "image/png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    after = process.cpu_times()
    [line] = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    found = json.loads(line.removeprefix("RESULT "))
    if found["errors"]["status"]:
        sys.exit(f"{found['errors']['status']} requests failed.")
    cpu = after.user + after.system - before.user - before.system
    return Run(cpu * 1e6 / found["requests"], found["p99"] / 1000, found["requests"] * 1e6 / found["microseconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--port", type=int, default=18730)
    options = parser.parse_args()
    for name, environment in VARIANTS.items():
        with TemporaryDirectory() as folder, ExitStack() as stack:
            ports = (options.port, options.port + 1)
            plain = stack.enter_context(serving(ports[0], Path(folder), {}, FORGETFUL))
            keeping = stack.enter_context(serving(ports[1], Path(folder), environment))
            rounds = []
            for number in range(options.rounds + 1):
                sides = [(ports[0], plain), (ports[1], keeping)]
                runs = {port: ask(port, process, options.connections, options.seconds) for port, process in sides}
                if number:  # the first warms up
                    rounds.append([runs[port] for port in ports])
            print(name, *(_compared(rounds, field) for field in Run._fields), sep="; ", flush=True)


def _compared(rounds: list[list[Run]], field: str) -> str:
    ratios = sorted(getattr(keeping, field) / getattr(plain, field) for plain, keeping in rounds)
    plain, keeping = (statistics.median(getattr(run, field) for run in side) for side in zip(*rounds, strict=True))
    return (
        f"{field} {plain:.1f} to {keeping:.1f}, {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    )


if __name__ == "__main__":
    main()
