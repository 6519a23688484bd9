"""uvicorn with its workers, as `python -m app` runs it."""

import asyncio
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
import uvicorn._subprocess
from uvicorn.config import STARTUP_FAILURE

from app.process.door import LAST_ONES_SECONDS, close_door, make_door, say_it_is_open
from app.process.stopping import StoppingServer
from app.process.workers import Workers

__all__ = ["end_with_launcher", "run"]

logger = logging.getLogger(__name__)

_DESCRIPTORS = 16  # of the listening socket
_UNSENT_BYTES = 131_072  # of a connection's answers that the kernel keeps; by itself, it would take up to 4 MiB
_ACCEPTED_AT_ONCE = 256  # connections, after a turn that took longer than
_LONG_TURN_SECONDS = 0.004
_LONGEST_TEMP_DIR = 70  # bytes; with 32 more, a socket's path may have 107


class _Server(StoppingServer):
    """The one process of a service without workers.

    libuv accepts one connection a turn from each descriptor of the socket, and each descriptor costs a new connection
    5 µs. So there are some; what they leave waiting in long turns, probes among it, is accepted here. Workers do
    neither: the first to wake would take all.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener.dup()
        self._listener.settimeout(0)
        self._greetings: set[asyncio.Task[None]] = set()

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super()._serve(sockets)
        if self.started and signal.SIGTERM in self._captured_signals:
            os._exit(0)  # as the launcher of workers does; uvicorn would die of the signal. No thread is waited for

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        say_it_is_open(self._listener)
        self.lifespan.state["dispatcher"].turn.accept_waiting = self._accept_rest

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        close_door(sockets or [])
        await asyncio.sleep(LAST_ONES_SECONDS)
        self._listener.close()
        await super().shutdown(sockets)

    def _accept_rest(self) -> None:
        if not self.lifespan.state["dispatcher"].turn.clock.is_longer_than(_LONG_TURN_SECONDS):
            return
        with suppress(OSError):  # no more, or no longer
            for _ in range(_ACCEPTED_AT_ONCE):
                connection, _ = self._listener.accept()
                greeting = asyncio.create_task(self._greet(connection))
                self._greetings.add(greeting)
                greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, connection: socket.socket) -> None:
        protocol_class: Any = self.config.http_protocol_class
        protocol = partial(
            protocol_class, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        with suppress(OSError):  # it is gone already
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


def run(config: uvicorn.Config, drain_seconds: float) -> None:
    """Serve until a signal ends it; where it can't start, exit with uvicorn's code for that."""
    logging.captureWarnings(capture=True)  # no record is written straight to a log that nobody may read
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each connection takes a descriptor
    try:
        listener = make_door(config.host, config.port)
    except (OSError, UnicodeError) as error:
        where = f"{config.host}, port {config.port}"
        logger.error("%s, can't be listened on: see SOFTMAX_HOST and SOFTMAX_PORT. %s", where, error)
        sys.exit(STARTUP_FAILURE)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)  # of all connections that it accepts
    if config.workers > 1:
        _fork_workers()
        Workers(config, [listener], drain_seconds).run()
        return
    server = _Server(config, listener)
    listeners = [listener, *(listener.dup() for _ in range(_DESCRIPTORS - 1))]
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has stopped
        server.run(listeners)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def end_with_launcher() -> None:
    """Have a worker stop when its launcher is gone: nobody would replace it, and it would keep the port."""
    launcher = multiprocessing.parent_process()
    if launcher is None:
        return
    loop, sentinel = asyncio.get_running_loop(), launcher.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        logger.error("The launcher is gone.")
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sentinel, end)


def _fork_workers() -> None:
    """Have uvicorn fork its workers from a process that has imported all they need, where that can be done.

    Elsewhere each starts anew: outside Linux, system libraries may not survive a fork; and the process is reached over
    a socket in the folder for temporary files, whose path may be too long for one.
    """
    if sys.platform != "linux" or len(os.fsencode(tempfile.gettempdir())) > _LONGEST_TEMP_DIR:
        return
    if str(Path.cwd()) not in sys.path:
        os.environ["PYTHONSAFEPATH"] = "1"  # where we don't import from the current folder, workers must not either
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.preloaded"])
    uvicorn._subprocess.spawn = context  # type: ignore[assignment]  # noqa: SLF001 - it has no setting for that
