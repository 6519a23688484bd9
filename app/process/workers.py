"""Several processes that answer, and the launcher that replaces those that die or hang.

uvicorn's supervisor, but for this: a worker says that it lives from its event loop, so that one whose loop hangs is
replaced; the launcher waits for nobody, so that SIGTERM ends the service in its time whatever its workers do; workers
that die one after another are replaced more and more slowly.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections import deque
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection

import uvicorn
from uvicorn import _subprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from app.process.door import LAST_ONES_SECONDS, close_door, say_it_is_open
from app.process.stopping import StoppingServer

__all__ = ["Workers"]

logger = logging.getLogger(__name__)

_START_SECONDS = 300  # until a worker first says that it lives: it reads all models before
_RECENT_SECONDS = 60  # for which a death counts
_MAX_WAIT_SECONDS = 30  # before a worker is replaced
_FINISH_SECONDS = 5  # that a worker's end takes besides draining, most of them for a log that nobody reads
_KILL_SECONDS = 5  # for the system to end a killed worker
_LOOK_SECONDS = 0.1  # between looks whether somebody says again that the service is to stop
_STOPPING_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


class _WorkerServer(StoppingServer):
    """A worker's server, which answers the launcher from its event loop."""

    def __init__(self, config: uvicorn.Config, launcher: Connection) -> None:
        super().__init__(config)
        self._launcher = launcher

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        with suppress(OSError):  # the launcher is gone already
            self._launcher.send(self.started)
        asyncio.get_running_loop().add_reader(self._launcher.fileno(), self._answer)

    def _answer(self) -> None:
        try:
            self._launcher.recv()
            self._launcher.send(self.started)
        except (OSError, EOFError):  # the launcher asks no more
            asyncio.get_running_loop().remove_reader(self._launcher.fileno())


class _Worker(multiprocess.Process):
    """One worker, as the launcher knows it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], drain_seconds: float = 0) -> None:
        super().__init__(config, sockets)
        self._sockets = sockets
        self._drain_seconds = drain_seconds
        self._stop_seconds = drain_seconds + (config.timeout_graceful_shutdown or 0) + _FINISH_SECONDS
        self._stop_by: float | None = None
        self._asked = time.monotonic()
        self._waits = False  # for an answer
        self.has_answered = False
        self.is_buried = False  # it is gone, and that is told

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = _WorkerServer(self.config, self.child_conn)
        return self._server

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in the worker."""
        logging.captureWarnings(capture=True)
        self.server.run(sockets)

    def start(self) -> None:
        """Start it; only the worker holds its end of the pipe, so that the launcher sees at once when it dies."""
        try:
            super().start()
        except OSError as error:  # what it is forked from can't be reached: somebody has cleaned the temporary files
            logger.warning("A worker can't be forked (%s); it starts anew.", error)
            _subprocess.spawn = multiprocessing.get_context("spawn")
            self.process = _subprocess.get_subprocess(self.config, self.target, self._sockets)
            super().start()
        self._asked = time.monotonic()
        self.child_conn.close()

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether it runs, and has answered within its time; waits for nothing."""
        if not self.process.is_alive():
            return False
        try:
            while self.parent_conn.poll():
                self.parent_conn.recv()
                self._waits, self.has_answered = False, True
            if not self._waits:
                self.parent_conn.send(b"ping")
                self._waits, self._asked = True, time.monotonic()
        except (OSError, EOFError):
            return False
        return time.monotonic() - self._asked < (timeout if self.has_answered else max(timeout, _START_SECONDS))

    def terminate(self) -> None:
        """Tell it to stop."""
        self._stop_by = time.monotonic() + self._stop_seconds
        super().terminate()

    def hurry(self) -> None:
        """Tell it to stop listening now: uvicorn's own handler of this signal knows of no draining."""
        self._stop_seconds -= self._drain_seconds
        self._stop_by = time.monotonic() + self._stop_seconds
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def join(self) -> None:
        """Wait for its end; one that does not come to it in its time is killed."""
        if self._stop_by is not None:
            self.process.join(max(0, self._stop_by - time.monotonic()))
            if self.process.exitcode is None:
                logger.error("Worker %s has not stopped within %g s, and is killed.", self.pid, self._stop_seconds)
                self.process.kill()
        self.process.join(_KILL_SECONDS)

    def fate(self) -> str:
        """How it ended, in words."""
        code = self.exitcode
        return f"ended with exit code {code}" if code is None or code >= 0 else f"was ended by {_name(-code)}"


class Workers(multiprocess.Multiprocess):
    """Processes that listen on one socket; the last of them that stops is the last that holds it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], drain_seconds: float) -> None:
        super().__init__(config, sockets)
        self.processes: list[_Worker] = []  # type: ignore[assignment]
        self._drain_seconds = drain_seconds
        self._new_worker = partial(_Worker, config, sockets, drain_seconds)
        multiprocess.Process = lambda _config, _sockets: self._new_worker()  # type: ignore[misc, assignment]  # no setting
        self._deaths: deque[float] = deque()  # when, within the last minute
        self._replace_at = 0.0  # when the next worker may be replaced
        self._runs = False  # a worker has answered

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that is gone or hangs."""
        for index, worker in enumerate(self.processes):
            if not worker.is_buried and not worker.is_alive(self.config.timeout_worker_healthcheck):
                self._bury(worker)
            if worker.has_answered and not (self._runs or self.should_exit.is_set()):
                say_it_is_open(self.sockets[0])
                self._runs = True
            if self.should_exit.is_set():
                return
            if worker.is_buried and time.monotonic() >= self._replace_at:
                self.processes[index] = self._new_worker()
                self.processes[index].start()

    def handle_signals(self) -> None:
        """As uvicorn's, but a second signal to stop that came with the first is left for the draining to see."""
        again = [number for number in self.signal_queue if number in _STOPPING_SIGNALS][1:]
        for number in again:
            self.signal_queue.remove(number)
        super().handle_signals()
        self.signal_queue += again

    def terminate_all(self) -> None:
        """The workers drain when they are told; the door is closed shortly before they are done.

        Where the launcher is told again, they are not waited for.
        """
        longer = self._drain_seconds - LAST_ONES_SECONDS
        if longer > 0:
            super().terminate_all()
            self._drain(longer)
        close_door(self.sockets)
        if longer <= 0:
            time.sleep(LAST_ONES_SECONDS)
            super().terminate_all()
        for listener in self.sockets:
            listener.close()

    def _drain(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not _STOPPING_SIGNALS.isdisjoint(self.signal_queue):
                logger.warning("Told again to stop: stops listening now.")
                for worker in self.processes:
                    worker.hurry()
                return
            time.sleep(min(left, _LOOK_SECONDS))

    def _bury(self, worker: _Worker) -> None:
        hangs = worker.process.is_alive()
        worker.kill()
        worker.join()
        worker.is_buried = True
        if worker.exitcode == STARTUP_FAILURE:  # another one would fail in the same way
            logger.error("Worker %s could not start, so the service stops.", worker.pid)
            self.should_exit.set()
            return
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - _RECENT_SECONDS:
            self._deaths.popleft()
        wait = self._wait_seconds()
        self._replace_at = now + wait
        fate = "did not answer in time, and was killed" if hangs else worker.fate()
        logger.error("Worker %s %s; another one starts%s.", worker.pid, fate, f" in {wait} s" if wait else "")

    def _wait_seconds(self) -> int:
        """As many deaths in a minute as there are workers may be one event; from then on each doubles the wait."""
        more = len(self._deaths) - self.processes_num
        return min(_MAX_WAIT_SECONDS, 2 ** (more - 1)) if more > 0 else 0


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals
        return f"signal {number}"
