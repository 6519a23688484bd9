"""Raw HTTP/1.1 over a socket: what is sent is sent as it is, and what comes back is read as strictly."""

import socket
import time
from collections.abc import Iterable
from typing import NamedTuple

import orjson

__all__ = ["Answer", "connect", "form", "multipart", "post", "read_answer", "send", "send_until_answered"]

BOUNDARY = b"----hostile"
FORM_TYPE = b"multipart/form-data; boundary=" + BOUNDARY


class Answer(NamedTuple):
    """One answer; `content` is decoded where it is JSON."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def detail(self) -> str:
        """What a problem document says."""
        detail: str = orjson.loads(self.content)["detail"]
        return detail


def connect(server: str, timeout: float = 20) -> socket.socket:
    host, port = server.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def read_answer(client: socket.socket) -> Answer:
    """The next answer on this connection, by its Content-Length."""
    file = client.makefile("rb")
    status_line = file.readline()
    assert status_line.startswith(b"HTTP/1.1 "), status_line
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return Answer(int(status_line.split()[1]), headers, file.read(int(headers.get("content-length", "0"))))


def send(server: str, request: bytes) -> Answer:
    """The answer to these bytes, on a connection of their own."""
    with connect(server) as client:
        client.sendall(request)
        return read_answer(client)


def post(server: str, path: str, body: bytes, content_type: bytes | None = None, *headers: bytes) -> Answer:
    """The answer to a well-framed request with this body."""
    fields = [b"Host: s", b"Content-Length: %d" % len(body), *headers]
    if content_type is not None:
        fields.append(b"Content-Type: " + content_type)
    return send(server, b"POST " + path.encode() + b" HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + body)


def multipart(*parts: tuple[bytes, bytes]) -> bytes:
    """A form's body of headers and contents, as they are."""
    sections = [b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n" for headers, content in parts]
    return b"".join(sections) + b"--" + BOUNDARY + b"--\r\n"


def form(*fields: tuple[str, bytes], filename: str = "image.png") -> bytes:
    """A form's body of files."""
    disposition = 'Content-Disposition: form-data; name="{}"; filename="{}"'
    return multipart(*((disposition.format(name, filename).encode(), content) for name, content in fields))


def send_until_answered(server: str, head: bytes, chunks: Iterable[bytes], seconds: float = 20) -> tuple[Answer, int]:
    """Send a body until there is an answer; the answer, and how many bytes of the body the server took before."""
    sent = 0
    deadline = time.monotonic() + seconds
    with connect(server) as client:
        client.sendall(head)
        client.settimeout(0.002)
        for chunk in chunks:
            try:
                client.sendall(chunk)
                sent += len(chunk)
                client.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                assert time.monotonic() < deadline
            except OSError:  # it has answered and closed
                break
        client.settimeout(seconds)
        return read_answer(client), sent
