"""The measurement: a peer and its baseline alternately (A B A B), each at rest while the other is measured."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serving.answers import Expected
from benchmarks.serving.declarations import Peer
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.installation import install, versions
from benchmarks.serving.load import Load, post_repeatedly
from benchmarks.serving.servers import Server, started
from benchmarks.serving.workloads import WORKLOADS, Request, build_request

__all__ = ["Plan", "measure"]

_ROUNDS = 2  # A B A B
_STARTS = 2  # of each server; the first one reads its files from disk
_WARM_UP_SECONDS = 2  # compilers compile, batchers learn


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run of the benchmark has in common for all peers."""

    environments: Path
    model_file: Path
    scratch: Path
    seconds: int
    workloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """A workload's request as one peer takes it, the file of its body for wrk, and the right answer."""

    request: Request
    body: Path
    expected: Expected


@dataclass(frozen=True, slots=True)
class _Side:
    """A peer or its baseline: installed, with a question for each workload."""

    peer: Peer
    environment: Path
    model_file: Path
    questions: dict[str, _Question]

    def start(self) -> AbstractContextManager[Server]:
        question = next(iter(self.questions.values()))
        return started(self.peer, self.environment, self.model_file, question.request, question.expected)


def measure(peer: Peer, baseline: Peer, plan: Plan) -> dict[str, Any]:
    """Install, start, check and measure one peer next to its baseline.

    Returns:
        The peer's entry in the results file; where it can't be measured, `error` says why.
    """
    entry: dict[str, Any] = {
        "title": peer.title if peer != baseline else f"{peer.title} against itself",
        "baseline": baseline.name,
        "cores": peer.cores,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": plan.seconds,
    }
    try:
        workloads = _shared_workloads(peer, baseline, plan)
        sides = [_prepare(each, workloads, plan) for each in (peer, baseline)]
        entry["versions"] = versions(sides[0].environment, (peer.package, "torch", "uvicorn"))
        entry |= _measure_sides(sides, plan)
    except BenchmarkError as error:
        print(f"{peer.name}: {error}", flush=True)
        entry["error"] = str(error)
    return entry


def _shared_workloads(peer: Peer, baseline: Peer, plan: Plan) -> list[str]:
    shared = [name for name in plan.workloads if name in peer.requests and name in baseline.requests]
    if not shared:
        raise BenchmarkError(f"{peer.title} takes none of the workloads {', '.join(plan.workloads)}.")
    return shared


def _prepare(peer: Peer, workloads: list[str], plan: Plan) -> _Side:
    questions = {}
    for name in workloads:
        request = build_request(peer.requests[name], WORKLOADS[name])
        body = plan.scratch / f"{peer.name}-{name}"
        body.write_bytes(request.body)
        questions[name] = _Question(request, body, Expected.of(plan.model_file, WORKLOADS[name]))
    return _Side(peer, install(peer, plan.environments), plan.model_file, questions)


def _measure_sides(sides: list[_Side], plan: Plan) -> dict[str, Any]:
    first_answers: list[list[float]] = [[], []]
    for side, seconds in zip(sides * (_STARTS - 1), first_answers * (_STARTS - 1), strict=True):
        with side.start() as server:
            seconds.append(server.first_answer)
    with ExitStack() as running:
        servers: list[Server] = []
        for side, seconds in zip(sides, first_answers, strict=True):
            with ExitStack() as rest:
                for server in servers:
                    rest.enter_context(server.resting())
                servers.append(running.enter_context(side.start()))
            seconds.append(servers[-1].first_answer)
        loads, failures = _measure_workloads(sides, servers, plan.seconds)
        memory = [asdict(server.memory()) for server in servers]
    return {
        "first_answer_seconds": _by_side(*(min(seconds) for seconds in first_answers)),
        "memory": _by_side(*memory),
        "loads": loads,
        "failures": failures,
    }


def _measure_workloads(
    sides: list[_Side], servers: list[Server], seconds: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every load that could be measured, and by workload why another could not."""
    loads: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    for name in sides[0].questions:
        try:
            measured = [
                _measure_load(sides, servers, name, connections, seconds) for connections in WORKLOADS[name].connections
            ]
        except BenchmarkError as error:
            print(f"{sides[0].peer.name}, {name}: {error}", flush=True)
            failures[name] = str(error)
        else:
            loads += measured
    return loads, failures


def _measure_load(
    sides: list[_Side], servers: list[Server], workload: str, connections: int, seconds: int
) -> dict[str, Any]:
    rounds: list[list[Load]] = [[], []]
    for duration in (_WARM_UP_SECONDS, *[seconds] * _ROUNDS):
        for side, server, other, found in zip(sides, servers, reversed(servers), rounds, strict=True):
            with other.resting():
                found.append(_load(side, server, workload, connections, duration))
    del rounds[0][0], rounds[1][0]  # the warm-up
    ratio = sum(load.rate for load in rounds[0]) / max(sum(load.rate for load in rounds[1]), 1e-9)
    print(f"{sides[0].peer.name:18} {workload:7} {connections:3} connections  {ratio:.2f} × baseline", flush=True)
    runs = _by_side(*([asdict(load) for load in found] for found in rounds))
    return {"workload": workload, "connections": connections, **runs}


def _load(side: _Side, server: Server, workload: str, connections: int, seconds: int) -> Load:
    question = side.questions[workload]
    try:
        server.ask(question.request, question.expected)
    except OSError as error:
        raise BenchmarkError(f"{side.peer.title} gives no answer any more ({error}).") from error
    return post_repeatedly(server, question.request, question.body, connections=connections, seconds=seconds)


def _by_side(peer: Any, baseline: Any) -> dict[str, Any]:
    return {"peer": peer, "baseline": baseline}
