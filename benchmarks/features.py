"""What a feature costs: two servers that differ in it alone take turns under the same load.

    python -m benchmarks.features log             # a line a request, read through a pipe, against none
    python -m benchmarks.features keys            # an API key in each request, against none
    python -m benchmarks.features challenger      # one in the shadow, recording labels alone, against none
    python -m benchmarks.features challenger-recorded   # the same, each answer recorded in both
    python -m benchmarks.features log --connections 64 --rounds 30

The servers have core 0; wrk and the readers of the logs have core 1. Rates vary with whatever else the machine does, so
the figure is the median of the rounds' ratios; CPU time per request varies less.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from app.classifier import artifact

REPOSITORY = Path(__file__).parent.parent
KEY = "a-key-for-the-benchmark"
# By name: the variables of the server with the feature, and of the one without.
FEATURES = {
    "log": ({"SOFTMAX_LOG_REQUESTS": "true"}, {"SOFTMAX_LOG_REQUESTS": "false"}),
    "keys": (
        {"SOFTMAX_API_KEYS": f"{KEY},another-key-that-is-accepted", "SOFTMAX_LOG_REQUESTS": "false"},
        {"SOFTMAX_LOG_REQUESTS": "false"},
    ),
    "challenger": ({"SOFTMAX_MODELS_DIR": "{challenged}"}, {"SOFTMAX_MODELS_DIR": "{alone}"}),
    "challenger-recorded": (
        {"SOFTMAX_MODELS_DIR": "{challenged}", "SOFTMAX_RECORD": "answers"},
        {"SOFTMAX_MODELS_DIR": "{alone}", "SOFTMAX_RECORD": "answers"},
    ),
}


class Round(NamedTuple):
    rate: float  # answers a second
    cpu_microseconds: float  # of the server, a request


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    process: psutil.Process

    def load(self, connections: int, seconds: int, body: Path) -> Round:
        """Post the image for some seconds; every answer must be a good one."""
        before = sum(self.process.cpu_times()[:2])
        headers = ["Content-Type", "multipart/form-data; boundary=b", "X-API-Key", KEY]
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        command += ["-s", str(REPOSITORY / "benchmarks/serving/post.lua"), f"{self.url}/predict", "--", str(body)]
        run = subprocess.run([*command, *headers], capture_output=True, text=True, check=True, timeout=seconds + 30)  # noqa: S603 - our own command
        [line] = re.findall(r"^RESULT (.*)$", run.stdout, re.MULTILINE)
        result = json.loads(line)
        if any(result["errors"].values()):
            sys.exit(f"{self.url} refused requests: {result['errors']}")
        cpu = sum(self.process.cpu_times()[:2]) - before
        return Round(result["requests"] / result["microseconds"] * 1e6, cpu / result["requests"] * 1e6)


@contextmanager
def serving(port: int, variables: dict[str, str]) -> Iterator[Server]:
    reader = subprocess.Popen(["taskset", "-c", "1", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S607
    command = ["taskset", "-c", "0", sys.executable, "-m", "app", "--port", str(port)]
    common = {"SOFTMAX_LOG_FORMAT": "json", "SOFTMAX_MAX_DELAY_MS": "60000"}  # no refusals while others use the machine
    environment = os.environ | common | variables
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=reader.stdin)  # noqa: S603 - our own command
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(20)
        reader.terminate()
        reader.wait(5)


def wait_until_ready(url: str) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"{url} is not ready after two minutes.")


def write_body(folder: Path) -> Path:
    body = folder / "body"
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="boot.png"\r\nContent-Type: image/png\r\n\r\n'
    body.write_bytes(head + (REPOSITORY / "docs/boot.png").read_bytes() + b"\r\n--b--\r\n")
    return body


def write_models(folder: Path) -> dict[str, str]:
    """Two models folders with the shipped model: `challenged` has a challenger, too, `alone` none."""
    shipped = REPOSITORY / "models/fashion-mnist" / artifact.FILE_NAME
    for name in ("challenged", "alone"):
        (folder / name / "fashion-mnist").mkdir(parents=True)
        shutil.copy(shipped, folder / name / "fashion-mnist")
    found = artifact.load(shipped)
    metadata = found.metadata.model_copy(update={"seed": found.metadata.seed + 1})  # another version that costs as much
    challenger = folder / "challenged/fashion-mnist/challenger" / artifact.FILE_NAME
    artifact.save(challenger, found.model, metadata, found.pixel_statistics, found.conformal)
    return {name: str(folder / name) for name in ("challenged", "alone")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("feature", choices=FEATURES)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=2, help="of each turn")
    parser.add_argument("--port", type=int, default=18700, help="and the one after it")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        body, models = write_body(folder), write_models(folder)
        servers = [
            stack.enter_context(
                serving(
                    options.port + number,
                    {"SOFTMAX_RECORDS": f"sqlite:///{folder}/{number}.sqlite"}
                    | {name: value.format(**models) for name, value in variables.items()},
                )
            )
            for number, variables in enumerate(FEATURES[options.feature])
        ]
        rounds: list[list[Round]] = [[], []]
        for number in range(-1, options.rounds):  # the first warms up
            for index in (0, 1) if number % 2 else (1, 0):
                measured = servers[index].load(options.connections, options.seconds, body)
                if number >= 0:
                    rounds[index].append(measured)
    for name, measurements in zip(("with", "without"), rounds, strict=True):
        rate, cpu = (statistics.median(column) for column in zip(*measurements, strict=True))
        print(f"{name:8} {rate:6.0f} answers/s  {cpu:5.0f} µs of CPU each")
    ratios = sorted(ours.rate / other.rate for ours, other in zip(*rounds, strict=True))
    cpu_ratios = [other.cpu_microseconds / ours.cpu_microseconds for ours, other in zip(*rounds, strict=True)]
    print(
        f"{options.feature} at {options.connections} connections, {options.rounds} rounds of {options.seconds} s each: "
        f"rate {statistics.median(ratios):.3f} of that without (quartiles {ratios[len(ratios) // 4]:.3f} to "
        f"{ratios[-len(ratios) // 4]:.3f}); by CPU time {statistics.median(cpu_ratios):.3f}"
    )


if __name__ == "__main__":
    main()
