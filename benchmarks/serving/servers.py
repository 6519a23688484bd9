"""A peer's server as it runs: start and time it, ask it, weigh it, let it rest, stop it.

Every process of a server, daemons included, is known by a variable that it inherits in its environment.
"""

import http.client
import os
import secrets
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.serving.answers import Expected, check_answer
from benchmarks.serving.declarations import Peer
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.workloads import Request

__all__ = ["LOAD_GENERATOR_CORE", "Memory", "Server", "free_ports", "started"]

LOAD_GENERATOR_CORE = 1
_REPOSITORY = Path(__file__).parents[2]
_MARK = "SERVING_BENCHMARK_RUN"
_START_TIMEOUT = 120  # seconds until there is an answer at all
_WRONG_ANSWER_TIMEOUT = 60  # seconds from the first wrong answer: servers refuse until their model is loaded
_STOP_TIMEOUT = 10  # seconds
_POLL_INTERVAL = 0.01  # seconds


@dataclass(frozen=True, slots=True)
class Memory:
    """Of all processes of a server together, in bytes; `pss` counts a page shared by n processes as 1/n each."""

    rss: int
    pss: int
    processes: int


@dataclass(slots=True)
class Server:
    """A running server; `first_answer` is in seconds from the start of the process."""

    peer: Peer
    port: int
    first_answer: float
    log: Path
    mark: str
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def ask(self, request: Request, expected: Expected) -> None:
        """Send a request once and check its answer.

        Raises:
            BenchmarkError: the answer is not 200 or not right.
            OSError: there is no answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", request.path, request.body, request.headers)
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP answer: {error!r}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise BenchmarkError(f"{self.peer.title} answers {response.status}: {body[:300]!r}.")
        check_answer({name.lower(): value for name, value in response.getheaders()}, body, expected)

    def memory(self) -> Memory:
        found = [process.memory_full_info() for process in self._processes()]
        return Memory(sum(info.rss for info in found), sum(info.pss for info in found), len(found))

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        times = [process.cpu_times() for process in self._processes()]
        return float(sum(time.user + time.system for time in times))

    @contextmanager
    def resting(self) -> Iterator[None]:
        """On wrk's core, so that its background work does not slow the server that is being measured.

        Stopping it by signal would be simpler, but Triton's processes do not survive that.
        """
        self._move_to({LOAD_GENERATOR_CORE})
        try:
            yield
        finally:
            self._move_to(set(self.peer.cores))

    def stop(self) -> None:
        """End every process of the server; by force where asking does not help, or when interrupted meanwhile."""
        try:
            self.process.terminate()
            psutil.wait_procs(self._processes(), timeout=_STOP_TIMEOUT)
        finally:
            for process in self._processes():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait(_STOP_TIMEOUT)

    def _move_to(self, cores: set[int]) -> None:
        for process in self._processes():
            with suppress(psutil.Error, ProcessLookupError):
                for thread in process.threads():
                    os.sched_setaffinity(thread.id, cores)

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _environment(process).get(_MARK) == self.mark]


@contextmanager
def started(peer: Peer, environment: Path, model_file: Path, request: Request, expected: Expected) -> Iterator[Server]:
    """Start a peer's server on free ports, wait for its first right answer, and stop it in the end.

    Raises:
        BenchmarkError: it ended or gave no right answer in time; the message has the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix=f"{peer.name}-", ignore_cleanup_errors=True) as scratch:
        server = _launch(peer, environment, model_file, Path(scratch))
        try:
            _await_first_answer(server, request, expected)
            yield server
        finally:
            server.stop()


def _launch(peer: Peer, environment: Path, model_file: Path, scratch: Path) -> Server:
    port, *other_ports = free_ports(3)
    places = {
        "python": environment / "bin/python",
        "bin": environment / "bin",
        "here": peer.folder,
        "peers": peer.folder.parent,
        "repository": _REPOSITORY,
        "model": model_file,
        "models": model_file.parents[1],
        "scratch": scratch,
        "libpython": sysconfig.get_config_var("LIBDIR"),
        "port": port,
        "port2": other_ports[0],
        "port3": other_ports[1],
    }
    mark = secrets.token_hex(8)
    variables = _clean_environment(environment) | {"MODEL": str(model_file), _MARK: mark}
    variables |= {name: value.format_map(places) for name, value in peer.environment.items()}
    log = scratch / "server.log"
    if peer.prepare:
        preparation = _spawn([part.format_map(places) for part in peer.prepare], variables, log)
        if preparation.wait(_START_TIMEOUT):
            raise BenchmarkError(f"{peer.title} can't be prepared: {_end_of(log)}")
    command = ["taskset", "-c", ",".join(map(str, peer.cores)), *(part.format_map(places) for part in peer.command)]
    return Server(peer, port, 0.0, log, mark, _spawn(command, variables, log))


def _spawn(command: list[str], variables: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  our own command, no shell
            command, cwd=log.parent, env=variables, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _clean_environment(environment: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "JAVA_HOME") if name in os.environ}
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _await_first_answer(server: Server, request: Request, expected: Expected) -> None:
    begin = time.perf_counter()
    deadline = begin + _START_TIMEOUT
    refusal = "no answer"
    while time.perf_counter() < deadline and server.process.poll() is None:
        try:
            server.ask(request, expected)
        except OSError as error:
            refusal = str(error)
        except BenchmarkError as error:
            refusal = str(error)
            deadline = min(deadline, time.perf_counter() + _WRONG_ANSWER_TIMEOUT)
        else:
            server.first_answer = time.perf_counter() - begin
            return
        time.sleep(_POLL_INTERVAL)
    raise BenchmarkError(f"{server.peer.title} does not answer ({refusal}): {_end_of(server.log)}")


def _end_of(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-4:])[-600:]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}


def free_ports(count: int) -> list[int]:
    """Ports of this machine on which nobody listens at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
