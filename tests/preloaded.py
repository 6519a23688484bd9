"""Start `python -m app` from a process that has imported its libraries: by itself, each start takes seconds of a core.

Only what is not ours is imported beforehand. `app` and the environment are read by each process that is started.
"""

import atexit
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import fastapi  # noqa: F401
import sqlalchemy  # noqa: F401
import torch  # noqa: F401

__all__ = ["Started", "start"]

_REPOSITORY = Path(__file__).parent.parent
_STANDARD_ERROR = 2


class Started:
    """A process that was started, with what tests of servers need of `subprocess.Popen`."""

    def __init__(self, pid: int, status: int) -> None:
        """Watch a process.

        Args:
            pid: its number.
            status: a pipe from which its exit code can be read once it has ended.
        """
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """The exit code, minus the signal's number if one ended it; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs on after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        self.returncode = int(os.read(self._status, 20))
        os.close(self._status)


def start(module: str, *arguments: str, environment: Mapping[str, str], stderr: int = _STANDARD_ERROR) -> Started:
    """Run a module as `python -m` does, in the repository's folder.

    Args:
        module: its name.
        arguments: of its command line.
        environment: all its variables.
        stderr: the descriptor to which its standard error goes.
    """
    status, told = os.pipe()
    order = json.dumps({"arguments": [module, *arguments], "environment": dict(environment)})
    socket.send_fds(_starter(), [order.encode()], [stderr, told])
    os.close(told)
    return Started(int(os.read(status, 20)), status)


@cache
def _starter() -> socket.socket:
    """The process that forks what is started; it ends with the one that asks it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-m", "tests.preloaded", str(its.fileno())]
        process = subprocess.Popen(command, cwd=_REPOSITORY, pass_fds=[its.fileno()])
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork for each order a process that waits for the one that it forks, and tells its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks after those who wait
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 2**20, 2)
        if not order:
            return
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        stderr, told = descriptors
        if pid := os.fork():
            os.write(told, b"%-20d" % pid)
            os.write(told, b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            os._exit(0)
        os.close(told)
        os.dup2(stderr, _STANDARD_ERROR)
        os.close(stderr)
        _run(**json.loads(order))
        return


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
