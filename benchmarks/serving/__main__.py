"""`python -m benchmarks.serving`: measure model servers on one core, each next to plain FastAPI in the same minute.

Servers run on core 0; wrk and this program on core 1. Results go to results.json, and from there to README.md and
chart.png; peers that are not measured now keep the entry that they had.
"""

import json
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.serving.declarations import declared_peers
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.machine import describe_machine
from benchmarks.serving.measurement import Plan, measure
from benchmarks.serving.report import write_report
from benchmarks.serving.sample_model import save_sample_model
from benchmarks.serving.servers import LOAD_GENERATOR_CORE
from benchmarks.serving.workloads import WORKLOADS

_FOLDER = Path(__file__).parent
_RESULTS = _FOLDER / "results.json"

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def run(
    *,
    only: Annotated[str, typer.Option(help="peers, separated by commas  [default: all]")] = "",
    workloads: Annotated[str, typer.Option(help="workloads, separated by commas")] = ",".join(WORKLOADS),
    seconds: Annotated[int, typer.Option(min=1, help="length of each of the runs")] = 5,
    environments: Annotated[Path, typer.Option(help="where the peers are installed")] = Path(".bench"),
    model: Annotated[Path, typer.Option(help="model file; one is made up if it is not there")] = Path(
        "models/fashion-mnist/model.safetensors"
    ),
    report: Annotated[bool, typer.Option("--report", help="only write the tables and the chart again")] = False,
) -> None:
    """Install, check and measure the peers; write results.json, README.md and chart.png."""
    results: dict[str, Any] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {"peers": {}}
    try:
        if not report:
            with tempfile.TemporaryDirectory(prefix="serving-benchmark-") as scratch:
                model_file = model.resolve() if model.exists() else save_sample_model(Path(scratch))
                plan = Plan(environments.resolve(), model_file, Path(scratch), seconds, _chosen(workloads, WORKLOADS))
                _measure_all(_chosen(only, declared_peers()), plan, results)
        write_report(results, _FOLDER)
    except BenchmarkError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def _measure_all(names: tuple[str, ...], plan: Plan, results: dict[str, Any]) -> None:
    os.sched_setaffinity(0, {LOAD_GENERATOR_CORE})
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(1)
    )  # an exception, so that the servers are stopped on the way out
    peers = declared_peers()
    results["machine"] = describe_machine()
    results["command"] = shlex.join(["python", "-m", "benchmarks.serving", *sys.argv[1:]])
    for name in names:
        results["peers"][name] = measure(peers[name], peers[peers[name].baseline], plan)
        _RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def _chosen(names: str, known: dict[str, Any]) -> tuple[str, ...]:
    chosen = tuple(name for name in names.split(",") if name) or tuple(known)
    for name in chosen:
        if name not in known:
            raise BenchmarkError(f"There is no {name!r}; there is {', '.join(known)}.")
    return chosen


if __name__ == "__main__":
    cli(prog_name="python -m benchmarks.serving")
