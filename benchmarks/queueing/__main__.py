"""`python -m benchmarks.queueing`: simulate queues of measured requests, and set the real server beside them.

    python -m benchmarks.queueing --measure    # half a minute with the real server first; needs wrk and two cores
    python -m benchmarks.queueing              # only simulate again, from the last measurement in results.json

The server runs on core 0, the load generator on core 1.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.queueing.measurement import measure
from benchmarks.queueing.report import write_report
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.servers import LOAD_GENERATOR_CORE

_FOLDER = Path(__file__).parent
_RESULTS = _FOLDER / "results.json"
_UTILIZATIONS = [0.3, 0.5, 0.7, 0.8]

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def run(
    *,
    model: Annotated[Path, typer.Option(help="model file")] = Path("models/fashion-mnist/model.safetensors"),
    seconds: Annotated[int, typer.Option(min=1, help="length of each of the runs")] = 5,
    real: Annotated[bool, typer.Option("--measure", help="measure the real server first")] = False,
    ahead: Annotated[bool, typer.Option(help="as root: run ahead of all else on the machine meanwhile")] = False,
) -> None:
    """Write the tables of README.md and chart.png, and with --measure results.json before."""
    if real:
        os.sched_setaffinity(0, {LOAD_GENERATOR_CORE})
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO if ahead else os.SCHED_OTHER, os.sched_param(int(ahead)))
            results = measure(model.resolve(), _UTILIZATIONS, seconds)
        except (BenchmarkError, OSError) as error:
            typer.echo(str(error), err=True)
            sys.exit(1)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        _RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_report(json.loads(_RESULTS.read_text()), _FOLDER)


if __name__ == "__main__":
    cli(prog_name="python -m benchmarks.queueing")
