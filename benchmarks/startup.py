"""How soon the service answers, next to what importing torch alone takes: `python -m benchmarks.startup`.

Both take turns, each as a process of its own; the figure is the median of the rounds' ratios.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).parent.parent
IMAGE = REPOSITORY / "docs/boot.png"


def seconds_of_importing_torch() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - started


def seconds_to_the_first_answer(port: int) -> float:
    """From the start of the process to the first classified image."""
    command = [sys.executable, "-m", "app", "--port", str(port)]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
        try:
            while not _is_answered(port):
                if process.poll() is not None:
                    sys.exit(f"The service ended with exit code {process.returncode}.")
                time.sleep(0.005)
            return time.perf_counter() - started
        finally:
            process.terminate()


def _is_answered(port: int) -> bool:
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", files={"file": IMAGE.read_bytes()})
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--port", type=int, default=18720)
    options = parser.parse_args()
    seconds_of_importing_torch()  # the files are in memory from here on
    rounds = [(seconds_of_importing_torch(), seconds_to_the_first_answer(options.port)) for _ in range(options.rounds)]
    imports, answers = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(answer / imported for imported, answer in rounds)
    print(
        f"import torch {imports:.2f} s, first answer {answers:.2f} s; "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, {options.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
