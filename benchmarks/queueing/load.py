"""Open-loop load: requests arrive when they arrive, whether or not earlier ones are answered.

A closed loop, such as wrk's, waits for each answer before it asks again, and so never sees a queue that callers who
know nothing of each other would build up. Latencies count from the moment at which a request was due, not from when a
connection was free to send it.
"""

import math
import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.workloads import Request

__all__ = ["post_at"]

Floats = NDArray[np.float64]

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_TIMEOUT = 20  # seconds without an answer


class _Connection:
    """A kept-alive connection, with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.refused = False
        self._received = b""

    def send(self, message: bytes, due: float) -> None:
        self.due = due
        self.socket.sendall(message)

    def answered(self) -> bool:
        """Receive what is there; True once the whole answer is, and then `refused` tells whether it was a 503.

        Raises:
            OSError: the server closed the connection, or answered anything but 200 and 503.
        """
        chunk = self.socket.recv(65536)
        self._received += chunk
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not chunk or (end and not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))):
            raise OSError(f"The server answered {head[:200]!r}.")
        self.refused = head.startswith(b"HTTP/1.1 503")
        length = _LENGTH.search(head) if end else None
        if length is None or len(body) < int(length[1]):
            return False
        self._received = b""
        return True


def post_at(port: int, request: Request, arrivals: Floats, connections: int = 128) -> Floats:
    """Post at these times, in seconds from now on.

    Returns:
        float64 [N], in the order of the answers: seconds from a request's time to its answer, nan where refused.
    """
    message = _message(request)
    latencies: list[float] = []
    with _connections(port, connections) as idle:
        busy: dict[socket.socket, _Connection] = {}
        due = deque((arrivals + time.perf_counter()).tolist())
        while due or busy:
            while idle and due and due[0] <= time.perf_counter():
                connection = idle.pop()
                busy[connection.socket] = connection
                connection.send(message, due.popleft())
            pause = max(0.0, due[0] - time.perf_counter()) if idle and due else _TIMEOUT
            for readable in select.select(busy, (), (), pause)[0]:  # epoll's clock goes by milliseconds
                if busy[readable].answered():
                    connection = busy.pop(readable)
                    latencies.append(math.nan if connection.refused else time.perf_counter() - connection.due)
                    idle.append(connection)
    return np.array(latencies)


@contextmanager
def _connections(port: int, count: int) -> Iterator[list[_Connection]]:
    opened = [_Connection(port) for _ in range(count)]
    try:
        yield opened.copy()
    finally:
        for connection in opened:
            connection.socket.close()


def _message(request: Request) -> bytes:
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(request.body)), **request.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {request.path} HTTP/1.1\r\n{head}\r\n".encode() + request.body
